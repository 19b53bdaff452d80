import Foundation
import LibPQ
import LocalConfiguration
import Testing

@testable import Control

@Suite("What the command line takes of a configuration")
struct ControlConfigTests {
    private func load(
        _ text: String, url: String? = nil, environment: [String: String] = [:]
    ) throws -> ControlConfig {
        let path = NSTemporaryDirectory() + "control-\(UUID().uuidString).yml"
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: path) }
        return try ControlConfig.load(path: path, url: url, isInsecure: false, environment: environment)
    }

    @Test func theMembersFileServes() throws {
        let config = try load(
            """
            scope: gold
            namespace: /db/
            zookeeper: {hosts: 'a:1,b/root', auth_data: {digest: 'u:p'}, set_acls: {'world:anyone': [READ]}}
            restapi: {authentication: {username: admin, password: 12345}, cafile: /ca.pem}
            postgresql: {listen: wrong}
            """, environment: ["PATRONI_CTL_INSECURE": "on", "PATRONI_CTL_CERTFILE": "/own.pem"])
        #expect(config.scope == "gold" && config.namespace == "db")
        #expect(config.zooKeeper.connectString == "a:1,b:2181/root")
        #expect(config.zooKeeper.authData.first?.credential.reveal() == "u:p")
        #expect(config.zooKeeper.setACLs == [.init(scheme: "world", id: "anyone", permissions: 1)])
        #expect(config.rest.username == "admin" && config.rest.password?.reveal() == "12345")
        #expect(config.rest.caFile == "/ca.pem" && config.rest.certificateFile == "/own.pem")
        #expect(config.rest.isInsecure)
        #expect(!"\(config)".contains("12345") && !"\(config)".contains("u:p"))
    }

    @Test func itsOwnSectionWins() throws {
        let config = try load(
            """
            zookeeper: {hosts: [a]}
            ctl: {authentication: {username: me, password: mine}, cacert: /own-ca.pem, keyfile: /key.pem, keyfile_password: x}
            restapi: {authentication: {username: admin, password: theirs}, cafile: /ca.pem}
            """)
        #expect(config.scope == nil && config.namespace == "service")
        #expect(config.rest.username == "me" && config.rest.password?.reveal() == "mine")
        #expect(config.rest.caFile == "/own-ca.pem" && config.rest.keyPassword?.reveal() == "x")
    }

    @Test(
        "an address in place of a file",
        arguments: [
            ("zookeeper://zk:2182/prod", "zk:2182", "prod"), ("zk", "zk:2181", "db"), ("//zk/", "zk:2181", "db"),
            ("a:1,b:2/x/y", "a:1,b:2", "x/y"), ("zookeeper://", "localhost:2181", "db"),
        ])
    func address(url: String, hosts: String, namespace: String) throws {
        let config = try load("{namespace: db, zookeeper: {hosts: [a], auth_data: {digest: 'u:p'}}}", url: url)
        #expect(config.zooKeeper.connectString == hosts && config.namespace == namespace)
        #expect(config.zooKeeper.authData.isEmpty, "credentials are for the servers of the file")
    }

    @Test(
        "what is wrong is named, without passwords",
        arguments: [
            ("scope: a", "zookeeper: is required"), ("zookeeper: {hosts: ['a:x']}", "zookeeper.hosts: 'a:x' must be"),
            ("{zookeeper: {hosts: [a]}, ctl: {insecure: 7}}", "ctl.insecure: 7 must be true or false"),
            ("{zookeeper: {hosts: [a]}, ctl: {authentication: {username: a, password: [s3cret]}}}", "must be text"),
            ("{zookeeper: {hosts: [a]}, citus: {group: 0}}", "citus: a map is not yet supported"),
            ("a: [", "not valid YAML"),
        ])
    func problems(text: String, words: String) {
        let error = #expect(throws: ControlError.self) { try load(text) }
        #expect(error?.description.contains(words) == true, "\(error as Any)")
        #expect(error?.description.contains("s3cret") == false)
    }

    @Test func withoutAFile() throws {
        let environment = ["PATRONI_ZOOKEEPER_HOSTS": "'a:1'", "PATRONI_SCOPE": "gold", "HOME": "/nowhere"]
        let config = try ControlConfig.load(path: nil, url: nil, isInsecure: true, environment: environment)
        #expect(config.scope == "gold" && config.zooKeeper.connectString == "a:1" && config.rest.isInsecure)
        #expect(throws: ControlError.self) {
            try ControlConfig.load(path: "/nowhere/x.yml", url: nil, isInsecure: false, environment: environment)
        }
        let alone = try ControlConfig.load(path: nil, url: "zk", isInsecure: false, environment: [:])
        #expect(alone.zooKeeper.connectString == "zk:2181")
    }
}
