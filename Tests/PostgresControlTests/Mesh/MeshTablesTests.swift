import HACore
import LibPQ
import PostgresControl
import Support
import Testing

@Suite(.serialized, .timeLimit(.minutes(3)))
struct MeshTablesTests {
    private typealias Table = MeshDatabase.Table

    @Test func knowsWhichTablesFit() async throws {
        let node = try await MeshNode("a")
        for statement in [
            "CREATE SCHEMA \"Odd one\"", "CREATE SCHEMA other",
            "CREATE TABLE \"Odd one\".\"it's\" (a int PRIMARY KEY)",
            "CREATE TABLE other.named (a int)", "CREATE TABLE other.unnamed (a int)",
            "CREATE UNLOGGED TABLE public.unlogged (a int PRIMARY KEY)",
            "CREATE TEMPORARY TABLE temporary (a int PRIMARY KEY)", "CREATE VIEW public.view AS SELECT 1 AS a",
            "CREATE TABLE public.identity (a int NOT NULL UNIQUE)",
            "ALTER TABLE public.identity REPLICA IDENTITY USING INDEX identity_a_key",
            "CREATE TABLE public.entire (a int PRIMARY KEY)", "ALTER TABLE public.entire REPLICA IDENTITY FULL",
            "CREATE TABLE public.later (a int PRIMARY KEY DEFERRABLE)",
            "CREATE TABLE public.parted (a int PRIMARY KEY) PARTITION BY RANGE (a)",
            "CREATE TABLE public.low PARTITION OF public.parted FOR VALUES FROM (0) TO (10)",
        ] { try await node.run(statement) }
        try await node.register()
        var wanted = MeshNode.set
        wanted.schemas = ["public", "Odd one", "nowhere"]
        wanted.tables = ["other.named", "other.gone"]
        let seen = try await node.look([wanted])
        #expect(
            seen.tables == [
                Table(schema: "Odd one", name: "it's", hasKey: true),
                Table(schema: "other", name: "named", hasKey: false),
                Table(schema: "public", name: "entire", hasKey: false),
                Table(schema: "public", name: "identity", hasKey: true),
                Table(schema: "public", name: "item", hasKey: true),
                Table(schema: "public", name: "later", hasKey: false),
                Table(schema: "public", name: "low", hasKey: true),
                Table(schema: "public", name: "parted", hasKey: true),
            ])
        // What is said to have a key can be added to a set with updates, and nothing else can.
        for table in seen.tables where table.name != "low" && table.name != "item" {
            let added = try? await node.carryOut(.addTable(set: "default", table: table))
            #expect((added == true) == table.hasKey, "\(table)")
        }
        try await partitions(node)
        try await refusals(node)
        await node.discard()
    }

    /// A partitioned table is in a set when its partitions are.
    private func partitions(_ node: MeshNode) async throws {
        let parted = Table(schema: "public", name: "parted", hasKey: true)
        func members() async throws -> Set<String> { try await node.look().sets["default"]?.tables ?? [] }
        #expect(try await members().isSuperset(of: ["public.parted", "public.low"]))
        #expect(!(try await node.carryOut(.addTable(set: "default", table: parted))))
        try await node.run("CREATE TABLE public.high PARTITION OF public.parted FOR VALUES FROM (10) TO (20)")
        #expect(try await members().isDisjoint(with: ["public.parted", "public.high"]))
        #expect(try await node.carryOut(.addTable(set: "default", table: parted)))
        #expect(try await members().isSuperset(of: ["public.parted", "public.low", "public.high"]))
    }

    private func refusals(_ node: MeshNode) async throws {
        func error(of statement: MeshStatement) async -> PostgresError? {
            await #expect(throws: PostgresError.self) { try await node.carryOut(statement) }
        }
        let keyless = await error(
            of: .addTable(set: "default", table: Table(schema: "other", name: "unnamed", hasKey: false)))
        #expect(keyless?.message.hasPrefix("could not add table other.unnamed to replication set default: ") == true)
        #expect(keyless?.outcome == .didNotHappen)
        let gone = await error(of: .addTable(set: "default", table: Table(schema: "other", name: "gone", hasKey: true)))
        #expect(gone?.sqlState == "42P01")
        let item = Table(schema: "public", name: "item", hasKey: true)
        let noSet = await error(of: .addTable(set: "none", table: item))
        #expect(noSet?.message.hasPrefix("could not add table public.item to replication set none: ") == true)
        let second = await error(of: .createNode(name: "z", dsn: node.dsn, location: nil, country: nil, info: nil))
        #expect(second?.message.hasPrefix("could not create node z: ") == true)
        #expect((try await node.look()).localNode == "a")
        // Nothing of a peer that cannot be reached stays, and the session goes on.
        let unreachable = await error(
            of: .subscribe(
                name: "sub", dsn: "host=/gate-closed dbname=app", sets: ["default"], structure: false, data: false,
                forwardOrigins: []))
        #expect(unreachable?.outcome == .didNotHappen && unreachable?.code == .server)
        #expect(unreachable?.message.hasPrefix("could not create subscription sub: ") == true)
        #expect(try await node.look().subscriptions == [])
    }

    @Test func passwordsInConnectionStringsStayInTheCatalog() async throws {
        async let first = MeshNode("a")
        async let second = MeshNode("b")
        let (a, b) = try await (first, second)
        for node in [a, b] { try await node.register() }
        let password = PostgresInstance.password
        let secret = "host=127.0.0.1 port=\(b.server.port) user=postgres dbname=app password='\(password)'"
        func subscribe(_ name: String, _ dsn: String) -> MeshStatement {
            .subscribe(name: name, dsn: dsn, sets: ["default"], structure: false, data: false, forwardOrigins: [])
        }
        #expect(try await a.carryOut(subscribe("sub", secret)))
        #expect(!(try await a.carryOut(subscribe("sub", secret))))
        let seen = try await a.look()
        let text = try #require(seen.subscription(to: "b")?.dsn)
        let shown = try #require(ConnectionInfo(parsing: text))
        #expect(shown.password == nil && shown["port"] == String(b.server.port) && shown["dbname"] == "app")
        #expect(!"\(seen)".contains(password) && !"\(seen)".contains("horse"))
        // Spock's refusal quotes the string that it has.
        let error = await #expect(throws: PostgresError.self) { try await a.carryOut(subscribe("other", b.dsn)) }
        #expect(error?.message.contains("password=***") == true && error?.message.contains("horse") == false)
        try await a.carryOut(.dropSubscription("sub"))
        try await olderVersions(a, b)
        try await aFailureEndsTheSessionAndNotTheServer(a, b)
        for node in [a, b] { await node.discard() }
    }

    /// Two names with the same 16 bits: refused after the subscription was made, in the transaction that made it.
    private func aFailureEndsTheSessionAndNotTheServer(_ a: MeshNode, _ b: MeshNode) async throws {
        let name = try await b.run(
            """
            SELECT 'n' || i AS name FROM generate_series(1, 1000000) i
            WHERE hashtext('n' || i) & 65535 = hashtext('a') & 65535 LIMIT 1
            """
        ).first().text("name")
        try await b.run("CREATE DATABASE other")
        let other = try await b.connect("other")
        let dsn = b.dsn.replacing("dbname=app", with: "dbname=other")
        for statement in [
            .createExtension, .createNode(name: name, dsn: dsn, location: nil, country: nil, info: nil),
        ] as [MeshStatement] {
            _ = try await SpockRegistrar.carryOut(statement, on: other, deadline: .seconds(20))
        }
        await other.close()
        let witness = try await a.connect("app")
        let session = try await a.connection()
        let error = await #expect(throws: PostgresError.self) {
            try await a.carryOut(
                .subscribe(name: "twin", dsn: dsn, sets: [], structure: false, data: false, forwardOrigins: []))
        }
        #expect(error?.sqlState == "23505" && error?.outcome == .didNotHappen)
        #expect(await !session.isUsable)
        #expect(try await a.look().nodes.keys.sorted() == ["a"])
        #expect(try await witness.query("SELECT 1", deadline: .seconds(5)).rows.count == 1, "no crash")
        await witness.close()
    }

    /// Their functions are the newest's here; what is called is theirs.
    private func olderVersions(_ a: MeshNode, _ b: MeshNode) async throws {
        for (version, tellsWorkers) in [("4.0.11", false), ("5.0.1", true)] {
            try await a.run("UPDATE pg_extension SET extversion = $1 WHERE extname = 'spock'", [version])
            #expect(try await a.carryOut(a.subscribe(to: b)))
            let found = try await a.replicating(b)
            #expect(found.hasWorker == tellsWorkers && found.dsn == b.dsn, "no process of that name runs")
            #expect(try await a.look().spockVersion == version)
            #expect(try await a.carryOut(.dropSubscription(found.name)))
        }
    }
}
