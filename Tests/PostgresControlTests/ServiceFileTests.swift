import Foundation
import Support
import SystemPackage
import Testing

@testable import PostgresControl

@Suite(.timeLimit(.minutes(2)))
struct ServiceFileTests {
    private func file() throws -> ServiceFile {
        try ServiceFile([
            ServiceStanza("n1", [.init("host", "127.0.0.1"), .init("port", "5433")]), .closed("n2"),
            ServiceStanza("n 3", [.init("application_name", " it's [a] = \"b\" # ü\\")]),
        ])
    }

    @Test func keepsTheOrderAndReadsBackWhatItWrote() throws {
        let text = try file().render()
        #expect(
            text == """
                # Written by Matriarch: changes made here are lost.

                [n1]
                host=127.0.0.1
                port=5433

                [n2]
                # closed: no apply worker gets through
                host=/gate-closed

                [n 3]
                application_name= it's [a] = "b" # ü\\

                """)
        #expect(try ServiceFile(parsing: text) == file())
        #expect(try ServiceFile(parsing: ServiceFile([]).render()) == ServiceFile([]))
    }

    @Test func isClosedWhenEveryOtherStanzaLeadsNowhere() throws {
        let open = try file()
        #expect(!open.isClosed(exceptFor: "n1"))
        let closed = try ServiceFile(open.stanzas.map { $0.name == "n1" ? $0 : try .closed($0.name) })
        #expect(closed.isClosed(exceptFor: "n1"))
        #expect(!closed.isClosed(exceptFor: "n2"))
        #expect(!closed.isClosed(exceptFor: "n4"), "without its own stanza it is somebody else's file")
        #expect(try ServiceFile([.closed("n1")]).isClosed(exceptFor: "n1"))
        #expect(try !ServiceFile([]).isClosed(exceptFor: "n1"))
        let more = try ServiceStanza("n2", [ServiceStanza.nowhere, .init("hostaddr", "10.0.0.1")])
        #expect(!more.isClosed)
    }

    @Test(arguments: [
        ("", [], "name"), ("a]b", [], "a]b"), ("a[", [], "a["), ("a\nb", [], "a?b"),
        (String(repeating: "n", count: 1_020), [], "line breaks"),
        ("n", [("host", "a\nport=1")], "host=a?port=1"), ("n", [("host", "a\r")], "host=a?"),
        ("n", [("host", "a\0")], "host=a?"), ("n", [("host", "a ")], "blanks"), ("n", [("host", "a\t")], "blanks"),
        ("n", [("", "a")], "keyword ''"), ("n", [("Host", "a")], "'Host'"), ("n", [("ho=st", "a")], "'ho=st'"),
        ("n", [("service", "m")], "service"), ("n", [("servicefile", "m")], "servicefile"),
        ("n", [("ldap", "m")], "ldap"), ("n", [("host", "a"), ("host", "b")], "host twice"),
        ("n", [("host", String(repeating: "a", count: 1_017))], "1021 bytes"),
    ])
    func refusesWhatTheFileCannotHold(name: String, settings: [(String, String)], said: String) throws {
        let error = #expect(throws: PostgresControlError.self) {
            _ = try ServiceStanza(name, settings.map { .init($0.0, $0.1) })
        }
        #expect(error?.message.contains(said) == true, "\(error?.message ?? "")")
        #expect(error?.outcome == .didNotHappen)
    }

    @Test func refusesTwoStanzasOfOneNameAndNamesNoSecret() throws {
        #expect(throws: PostgresControlError.self) { try ServiceFile([.closed("n"), .closed("n")]) }
        let error = #expect(throws: PostgresControlError.self) {
            try ServiceStanza("n", [.init("sslpassword", "hush\n")])
        }
        #expect(error?.message.contains("sslpassword") == true && error?.message.contains("hush") == false)
    }

    @Test(arguments: [
        ("host=a\n", "line 1"), ("[n]\nhost\n", "line 2"), ("[n]\n\n# x\n[]\n", "line 4"), ("[n\n", "line 1"),
        ("[n]\nhost=a", "end"), ("[n]\n host=a\n", "' host'"), ("[n]\r\nhost=a\r\n", "line 1"),
    ])
    func saysWhereItIsNotUnderstood(text: String, said: String) {
        let error = #expect(throws: PostgresControlError.self) { try ServiceFile(parsing: text) }
        #expect(error?.message.contains(said) == true, "\(error?.message ?? "")")
    }

    @Test func isReplacedAsAWholeAndOnlyWhenItDiffers() async throws {
        let folder = try TemporaryFolder("services")
        let path = FilePath(folder.path("services"))
        #expect(try await ServiceFile.read(path) == nil)
        #expect(try await file().write(to: path))
        #expect(try await !file().write(to: path))
        #expect(try await ServiceFile.read(path) == file())
        func attributes() throws -> [FileAttributeKey: Any] {
            try FileManager.default.attributesOfItem(atPath: path.string)
        }
        #expect(try attributes()[.posixPermissions] as? Int == 0o600)
        let before = try attributes()[.systemFileNumber] as? Int
        #expect(try await ServiceFile([.closed("n1")]).write(to: path))
        #expect(try attributes()[.systemFileNumber] as? Int != before, "renamed over the old one")
        _ = try folder.write("services", "words\n")
        await #expect(throws: PostgresControlError.self) { try await ServiceFile.read(path) }
        folder.remove()
    }

    /// libpq itself, as background workers have it.
    @Test func libpqReadsWhatWasWritten() async throws {
        let server = try await PostgresInstance("services")
        try await server.start()
        let path = server.path("services")
        let odd = " it's [a] = \"b\" # \\"
        let reach: [ServiceStanza.Setting] = [.init("host", "127.0.0.1"), .init("port", String(server.port))]
        func write(_ stanzas: [ServiceStanza]) async throws { try await ServiceFile(stanzas).write(to: path) }
        func connect(_ service: String) async throws -> String {
            try? FileManager.default.removeItem(atPath: server.path("psql.log").string)
            try await PostgresInstance.run(
                "\(server.binaries)/psql",
                [
                    "-X", "-A", "-t", "-c", "SELECT current_setting('application_name')",
                    "service=\(service) user=\(PostgresInstance.superuser) dbname=postgres",
                ], environment: ["PGSERVICEFILE": path.string, "PGPASSWORD": PostgresInstance.password],
                log: server.path("psql.log").string)
            return server.folder.read("psql.log") ?? ""
        }
        // The longest line that libpq takes; a stanza before it is skipped, one of a similar name, too.
        let longest = String(repeating: "x", count: ServiceStanza.longestLine - "options=-cmy.x=".utf8.count)
        try await write([
            .closed("n2"), ServiceStanza("n11", [ServiceStanza.nowhere]),
            ServiceStanza("n1", reach + [.init("application_name", odd), .init("options", "-cmy.x=" + longest)]),
        ])
        #expect(try await connect("n1") == odd + "\n")

        let began = ContinuousClock.now
        let closed = await #expect(throws: SupportError.self) { try await connect("n2") }
        #expect(closed?.description.contains("/gate-closed/.s.PGSQL") == true)
        #expect(ContinuousClock.now - began < .seconds(5))
        let missing = await #expect(throws: SupportError.self) { try await connect("n3") }
        #expect(missing?.description.contains("definition of service \"n3\" not found") == true)

        // Why longer ones are refused here: the whole file is, there.
        let text = "[n1]\n" + reach.map { "\($0.line)\n" }.joined() + "options=-cmy.x=\(longest)x\n"
        _ = try server.folder.write("services", text)
        let long = await #expect(throws: SupportError.self) { try await connect("n1") }
        #expect(long?.description.contains("too long") == true)
        await server.discard()
    }
}
