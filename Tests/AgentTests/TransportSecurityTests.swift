import Foundation
import LibPQ
import LocalConfiguration
import NIOSSL
import Support
import Testing

@testable import Agent

@Suite("Certificates and keys", .timeLimit(.minutes(1)))
struct TransportSecurityTests {
    private let folder: TemporaryFolder
    private let authority: Certificates

    init() throws {
        folder = try TemporaryFolder("certificates")
        authority = try Certificates("a", in: folder)
    }

    private func config(_ lines: [String], ctl: String = "{}") throws -> AgentConfig {
        let restAPI = "restapi:\n" + lines.map { "  \($0)\n" }.joined()
        return try ConfigFixture.load(
            try ConfigFixture.changed(["restapi:\n": restAPI, "zookeeper:\n": "ctl: \(ctl)\nzookeeper:\n"])
        ).config
    }

    /// The key of the problem and what it says.
    private func problem(_ lines: [String], ctl: String = "{}") throws -> String {
        let config = try config(lines, ctl: ctl)
        let error = #expect(throws: ConfigError.self) { try TransportSecurity(config) }
        #expect(error?.problems.count == 1)
        return "\(try #require(error?.problems.first))"
    }

    @Test("a certificate, its key, an encrypted one, and both in one file")
    func good() throws {
        let (plain, locked) = (try authority.issue("plain"), try authority.issue("locked", password: "word"))
        let both = try folder.write(
            "both.pem",
            try [plain.certificate, plain.key].map { try String(contentsOfFile: $0, encoding: .utf8) }.joined())
        for lines in [
            ["certfile: \(plain.certificate)", "keyfile: \(plain.key)"],
            ["certfile: \(locked.certificate)", "keyfile: \(locked.key)", "keyfile_password: word"],
            ["certfile: \(both)", "ciphers: 'ECDHE+AESGCM:!aNULL'"],
            ["certfile: \(both)", "cafile: \(authority.authority)", "verify_client: Required"],
        ] {
            let tls = try TransportSecurity(config(lines))
            #expect(tls.server != nil, "\(lines)")
        }
        let plainHTTP = try TransportSecurity(config(["cafile: /nowhere"]))
        #expect(plainHTTP.server == nil, "without a certificate: no TLS")
    }

    @Test("what cannot work is refused by its key, without the password")
    func refused() throws {
        let (one, two) = (try authority.issue("one"), try authority.issue("two", password: "canary"))
        let certificate = "certfile: \(one.certificate)"
        #expect(
            try problem(["certfile: /nowhere.pem"]).contains("restapi.certfile: '/nowhere.pem' cannot be opened: No"))
        #expect(try problem([certificate]).contains("restapi.keyfile: must hold a private key"))
        #expect(try problem(["certfile: \(one.key)"]).contains("restapi.certfile: must hold certificates"))
        #expect(try problem([certificate, "keyfile: /no"]).contains("restapi.keyfile: '/no' cannot be opened"))
        #expect(try problem([certificate, "keyfile: \(two.key)"]).contains("restapi.keyfile_password: must be"))
        let wrong = try problem([certificate, "keyfile: \(two.key)", "keyfile_password: canary-2"])
        #expect(wrong.contains("restapi.keyfile_password: must be the password") && !wrong.contains("canary"))
        let other = try authority.issue("three")
        #expect(try problem([certificate, "keyfile: \(other.key)"]).contains("restapi.keyfile: must be the key of"))
        let good = [certificate, "keyfile: \(one.key)"]
        #expect(try problem(good + ["ciphers: NONSENSE"]).contains("restapi.ciphers: 'NONSENSE' must choose"))
        #expect(
            try problem(good + ["verify_client: optional", "cafile: \(one.key)"]).contains("restapi.cafile: must hold"))
        #expect(try problem([], ctl: "{certfile: /nowhere.pem}").contains("ctl.certfile: '/nowhere.pem' cannot be"))
        let identity = "certfile: \(one.certificate), keyfile: \(one.key)"
        #expect(try problem([], ctl: "{\(identity), cacert: \(one.key)}").contains("ctl.cacert: must hold"))
    }

    @Test(
        "OpenSSL's notation of ciphers",
        arguments: [
            ("ECDHE-RSA-AES256-GCM-SHA384:AES128-SHA", [0xC030, 0x2F]), ("kRSA+AESGCM", [0x9C, 0x9D]),
            ("EECDH+CHACHA20 HIGH:!AES:@STRENGTH", [0xCCA9, 0xCCA8]),
            ("ECDHE+aECDSA+AESGCM:+AES128", [0xC02C, 0xC02B]),
            ("DHE-RSA-AES128-SHA:RC4", []), ("!aNULL", []), ("ALL:-ALL", []), ("", []),
            ("!ECDHE:ALL:!SHA", [0x9C, 0x9D]),
        ] as [(String, [UInt16])])
    func ciphers(text: String, suites: [UInt16]) {
        #expect(CipherList.suites(text).map(\.rawValue) == suites)
    }

    @Test(
        "keys that need another are refused when it is missing",
        arguments: [
            ("keyfile: /k", "restapi.keyfile", "must have certfile"),
            ("keyfile_password: canary", "restapi.keyfile_password", "must have certfile"),
            ("verify_client: required", "restapi.verify_client", "without certfile"),
            ("certfile: /c\n  verify_client: optional", "restapi.verify_client", "without cafile"),
            ("verify_client: perhaps", "restapi.verify_client", "must be one of none, optional, required"),
            ("server_tokens: all", "restapi.server_tokens", "must be one of original, minimal, productonly"),
        ])
    func incomplete(line: String, key: String, rule: String) throws {
        let problems = try ConfigFixture.problems(try ConfigFixture.changed(["restapi:\n": "restapi:\n  \(line)\n"]))
        #expect(problems.map(\.path.description) == [key])
        #expect(problems.first?.message.contains(rule) == true)
        #expect(problems.first?.description.contains("canary") == false)
    }

    @Test("a reload takes new files, keeps the old ones when they are broken, and sees when nothing changed")
    func reload() throws {
        let files = try authority.issue("server")
        let config = try config(["certfile: \(files.certificate)", "keyfile: \(files.key)"])
        let tls = try TransportSecurity(config)
        let first = try #require(tls.server)
        let again = try tls.reload(config)
        #expect(!again)
        #expect(tls.server === first)
        try folder.write("a-server.pem", "-----BEGIN CERTIFICATE-----\nbroken")
        #expect(throws: ConfigError.self) { try tls.reload(config) }
        #expect(tls.server === first)
        _ = try authority.issue("server")
        let renewed = try tls.reload(config)
        #expect(renewed, "the same path, another content")
        #expect(tls.server !== first)
    }
}
