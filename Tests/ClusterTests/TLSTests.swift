import AdminModel
import Foundation
import Support
import Testing

extension ClusterTests {
    /// A cluster whose members want certificates from everybody.
    @Suite(.serialized, .timeLimit(.minutes(5))) struct TLS {
        static func settings(_ folder: TemporaryFolder) throws -> (ClusterSettings, Certificates) {
            let authority = try Certificates("cluster", in: folder)
            let (server, client) = (try authority.issue("server"), try authority.issue("client", password: nil))
            var settings = ClusterSettings()
            settings.scope = "tls"
            settings.restAPI = [
                "certfile: \(server.certificate)", "keyfile: \(server.key)", "cafile: \(authority.authority)",
                "verify_client: required", "https_extra_headers: {X-Secure: 'yes'}",
            ]
            settings.sections = [
                "ctl: {certfile: \(client.certificate), keyfile: \(client.key), cacert: \(authority.authority)}"
            ]
            settings.probe = client
            return (settings, authority)
        }

        /// Members and Patroni's command line find each other over TLS; who has no certificate is kept out.
        @Test func certificatesAllTheWay() async throws {
            let folder = try TemporaryFolder("tls-files")
            defer { folder.remove() }
            let (settings, authority) = try Self.settings(folder)
            try await TestCluster.with(settings) { cluster in
                try cluster.start()
                let before = try await cluster.whole("from empty folders", within: AgentCommand.deadline(40))
                let tree = try await ClusterTree.with(cluster) { try await $0.object("members/\(before.leader.name)") }
                #expect(tree["api_url"] == .string("https://127.0.0.1:\(before.leader.restPort)/patroni"))
                let port = before.leader.restPort
                #expect(await HTTPProbe.status("GET", "/health", port: port) == nil, "plain HTTP")
                await #expect(throws: SupportError.self) { try await HTTPProbe.secure("GET", "/health", port: port) }
                let stranger = try Certificates("stranger", in: folder).issue("client")
                await #expect(throws: SupportError.self) {
                    try await HTTPProbe.secure("GET", "/health", port: port, identity: stranger)
                }
                let answer = try await HTTPProbe.secure("GET", "/cluster", port: port, identity: settings.probe)
                #expect(answer.headers["x-secure"] == "yes")

                // A race of the others over TLS, ordered through TLS.
                let candidate = before.replicas[1]
                let said = try await patronictl(
                    cluster, "switchover", "--force", "--leader", before.leader.name, "--candidate", candidate.name)
                #expect(said.contains("Successfully switched over to \"\(candidate.name)\""), "\(said)")
                let between = try await cluster.whole("switched over") { $0.leader === candidate }
                try await between.leader.kill()
                let after = try await cluster.whole("without its leader", members: between.replicas)
                #expect(after.timeline > between.timeline)
                try between.leader.start()
                let last = try await cluster.whole("again")

                try await renewal(cluster, last.leader, authority)
            }
        }

        /// A certificate of another content under the same path counts from the next reload on; one that is broken never.
        private func renewal(_ cluster: TestCluster, _ node: ClusterNode, _ authority: Certificates) async throws {
            let before = try serial(node)
            let files = try authority.issue("server")
            #expect(try serial(node) == before, "not before the reload")
            ProcessTable.signal(SIGHUP, try #require(node.supervisor))
            try await eventually("the new certificate is shown") { try serial(node) != before }
            let renewed = try serial(node)
            let good = try String(contentsOfFile: files.certificate, encoding: .utf8)
            try "broken".write(toFile: files.certificate, atomically: false, encoding: .utf8)
            let said = node.logText
            _ = try await patronictl(cluster, "reload", cluster.scope, node.name, "--force")
            try await eventually("it is said") {
                node.logText(since: said).contains("restapi.certfile: must hold certificates in PEM")
            }
            #expect(try serial(node) == renewed)
            #expect(await node.rest("/leader") == 200)
            try good.write(toFile: files.certificate, atomically: false, encoding: .utf8)
        }

        private func serial(_ node: ClusterNode) throws -> String {
            let openssl = Process()
            let output = Pipe()
            openssl.executableURL = URL(filePath: "/bin/sh")
            openssl.arguments = [
                "-c",
                "openssl s_client -connect 127.0.0.1:\(node.restPort) 2>&1 </dev/null | openssl x509 -noout -serial",
            ]
            openssl.standardOutput = output
            openssl.standardError = FileHandle.nullDevice
            try openssl.run()
            let words = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
            openssl.waitUntilExit()
            return try #require(words.hasPrefix("serial=") ? words : nil, "openssl shows no certificate: \(words)")
        }
    }
}
