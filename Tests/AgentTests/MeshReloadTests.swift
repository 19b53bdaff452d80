import AdminModel
import HACore
import LocalConfiguration
import Support
import Testing

@testable import Agent

@Suite("The mesh in force")
struct MeshReloadTests {
    private static func config(_ pieces: KeyValuePairs<String, String> = [:]) throws -> AgentConfig {
        try ConfigFixture.load(try MeshFixture.file(pieces)).config
    }

    private static func document(_ section: String) throws -> JSONObject {
        try ConfigFixture.object(#"{"spock":\#(section)}"#)
    }

    @Test("a file that is read again changes the mesh, which counts as a change to be told to PostgreSQL")
    func live() throws {
        let settings = Agent.ClusterSettings(local: try ConfigFixture.load(ConfigFixture.yaml).config)
        #expect(settings.mesh == nil && settings.unapplied == nil)
        let config = try Self.config(["    service_file: /run/gold/services\n": ""])
        #expect(settings.reload(config).isEmpty)
        #expect(settings.mesh?.node == "n1")
        settings.applied(try #require(settings.unapplied))
        #expect(settings.reload(config).isEmpty)
        #expect(settings.unapplied == nil, "nothing changed")
        let changed = try Self.config([
            "    service_file: /run/gold/services\n": "", "max_gate_wait: 5": "max_gate_wait: 6",
        ])
        #expect(settings.reload(changed).isEmpty)
        #expect(settings.mesh?.maxGateWait == .seconds(6))
        #expect(settings.unapplied != nil)
        #expect(settings.reload(try ConfigFixture.load(ConfigFixture.yaml).config).isEmpty)
        #expect(settings.mesh == nil)
    }

    @Test("the service file is the one that PostgreSQL was started with, until the agent's restart")
    func waiting() throws {
        let settings = Agent.ClusterSettings(local: try Self.config())
        let moved = try Self.config(["/run/gold/services": "/run/gold/other", "on_gap: resync": "on_gap: hold"])
        for _ in 0..<2 {
            #expect(settings.reload(moved).map(\.description) == ["spock.dsn.service_file"])
            #expect(settings.mesh?.connection.serviceFile == "/run/gold/services")
            #expect(settings.mesh?.onGap == .hold, "the others hold")
        }
        let small = try ConfigFixture.load(try MeshFixture.file(section: MeshFixture.small)).config
        for _ in 0..<2 {
            #expect(settings.reload(small).map(\.description) == ["spock.dsn.service_file"])
            #expect(settings.mesh?.connection.serviceFile == "/run/gold/services")
            #expect(settings.mesh?.connection.passfile == nil)
        }
        for _ in 0..<2 {
            let none = settings.reload(try ConfigFixture.load(ConfigFixture.yaml).config)
            #expect(none.map(\.description) == ["spock.dsn.service_file"])
            #expect(settings.mesh == nil)
        }
        #expect(settings.reload(try Self.config()).isEmpty)
        let first = Agent.ClusterSettings(local: small)
        #expect(first.reload(moved).map(\.description) == ["spock.dsn.service_file"])
        #expect(first.mesh?.connection.serviceFile == nil, "PostgreSQL has the one in the runtime folder")
    }

    @Test("the document's mesh holds on through slips of the document and of the file, also after a restart")
    func standing() throws {
        let local = try ConfigFixture.load(ConfigFixture.yaml).config
        let settings = Agent.ClusterSettings(local: local)
        let good = #"{"mesh":"shop","databases":["app"],"node":{"name":"n1"}}"#
        let first = settings.apply(try Self.document(good), zxid: 1)
        #expect(first?.rejected.isEmpty == true && settings.mesh?.mesh == "shop")
        settings.applied(try #require(settings.unapplied))

        let slip = settings.apply(try Self.document(#"{"mesh":"","databases":["more"],"node":{"name":"n1"}}"#), zxid: 2)
        #expect(slip?.rejectedJSON.keys == ["spock.mesh"])
        #expect(settings.mesh?.mesh == "shop" && settings.mesh?.databases == ["more"])
        #expect(settings.unapplied != nil)
        let contradictory = good.replacing("{\"mesh\"", with: #"{"dsn":{"mode":"multihost"},"mesh""#)
        let third = settings.apply(try Self.document(contradictory), zxid: 3)
        #expect(third?.rejectedJSON.keys == ["spock.dsn.mode"])
        #expect(settings.mesh?.connection.mode == .service && settings.mesh?.databases == ["more"])

        // By itself the file is complete; with the document it is not.
        _ = settings.apply(
            try Self.document(good.replacing("{\"mesh\"", with: #"{"dsn":{"options":{}},"mesh""#)), zxid: 4)
        let broken = try ConfigFixture.load(
            try MeshFixture.file(section: "spock: {dsn: {mode: multihost}}\n")
        ).config
        #expect(settings.reload(broken).isEmpty)
        #expect(settings.dynamic.rejectedJSON.keys == ["spock.dsn.mode"])
        #expect(settings.mesh?.mesh == "shop" && settings.mesh?.connection.mode == .service)
        #expect(settings.dynamic.accepted["spock"]?["mesh"] == "shop")
        #expect(settings.reload(local).isEmpty)
        #expect(settings.dynamic.rejected.isEmpty && settings.mesh?.databases == ["app"])

        let restarted = Agent.ClusterSettings(local: local, accepted: settings.dynamic.accepted)
        #expect(restarted.mesh == settings.mesh, "as patroni.dynamic.json has it")
        _ = settings.apply([:], zxid: 5)
        #expect(settings.mesh == nil && settings.dynamic.rejected.isEmpty, "removed")
    }

    @Test("what a file contradicts in the document is in the log")
    func contradiction() async throws {
        let settings = Agent.ClusterSettings(local: try ConfigFixture.load(ConfigFixture.yaml).config)
        _ = settings.apply(
            try Self.document(#"{"mesh":"shop","databases":["app"],"node":{"name":"n1"}}"#), zxid: 1)
        let folder = try TemporaryFolder("mesh-reload")
        defer { folder.remove() }
        let path = try folder.write("matriarch.yml", try MeshFixture.file(section: "spock: {dsn: {mode: multihost}}\n"))
        let log = LogCollector()
        let reloader = ConfigReloader(
            loader: ConfigLoader(path: path, environment: ["HOME": "/"]), settings: settings,
            tls: try TransportSecurity(settings.local), log: AgentLog(settings.local.log), manager: nil,
            wakeup: Wakeup(),
            logger: log.logger)
        await reloader.reload()
        await reloader.reload()
        #expect(log.count("with the cluster's configuration: spock.dsn.mode: 'multihost' must be service") == 1)
        #expect(settings.mesh?.connection.mode == .service)
    }

    @Test("what PostgreSQL refuses of the parameters leaves the mesh as it is")
    func refusal() throws {
        let settings = Agent.ClusterSettings(local: try Self.config())
        let document = try ConfigFixture.object(#"{"postgresql":{"parameters":{"work_mem":"1kB"}}}"#)
        _ = settings.apply(document, zxid: 1)
        let mesh = settings.mesh
        #expect(settings.refuse(["work_mem": "too small"], of: ["work_mem": "1kB"]).count == 1)
        #expect(mesh != nil && settings.mesh == mesh)
    }
}
