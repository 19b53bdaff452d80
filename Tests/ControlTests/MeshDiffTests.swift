import AdminModel
import LibPQ
import Support
import Testing

@testable import Control

/// Rows of two databases, compared as `spock diff` does; and what `spock plan` reads of them.
@Suite(.serialized, .timeLimit(.minutes(3)))
struct MeshDiffTests {
    /// Two databases of one server.
    private final class Sides: Sendable {
        let server: PostgresInstance
        let here: PostgresConnection
        let there: PostgresConnection

        init() async throws {
            server = try await PostgresInstance("diff")
            try await server.start()
            var open: [PostgresConnection] = []
            for name in ["here", "there"] {
                try await server.query("CREATE DATABASE \(name)")
                open.append(
                    try await PostgresConnection.connect(server.conninfo.with("dbname", name), deadline: .seconds(5)))
            }
            (here, there) = (open[0], open[1])
        }

        func both(_ sql: String) async throws {
            for side in [here, there] { try await side.simple(sql, deadline: .seconds(20)) }
        }

        func diff(_ table: String, limit: Int = 100) async throws -> TableDiff {
            let diff = MeshDiff(here: here, there: there, limit: limit, pause: .milliseconds(10))
            let found = try #require(try await diff.tables(table).first)
            return try await diff.compare(found.here, found.there)
        }

        func close() async {
            await here.close()
            await there.close()
            await server.discard()
        }
    }

    private func with(_ body: (Sides) async throws -> Void) async throws {
        let sides = try await Sides()
        do { try await body(sides) } catch {
            await sides.close()
            throw error
        }
        await sides.close()
    }

    @Test func rowsByKeyAndHash() async throws {
        try await with { sides in
            try await sides.both(
                """
                CREATE TABLE public.t (a int, b text, v text, n numeric, at timestamptz, PRIMARY KEY (b, a));
                INSERT INTO public.t SELECT g, 'k', 'v' || g, g / 7.0, '2026-01-01' FROM generate_series(1, 20000) g
                """)
            // The order of columns and of rows is none of the rows' matter.
            try await sides.there.simple(
                "ALTER TABLE public.t DROP v; ALTER TABLE public.t ADD v text; UPDATE public.t SET v = 'v' || a",
                deadline: .seconds(20))
            var diff = try await sides.diff("t")
            #expect(diff.isEqual && diff.hereCount == 20_000 && diff.result == "equal")
            try await sides.here.simple("DELETE FROM public.t WHERE a = 7", deadline: .seconds(5))
            try await sides.there.simple(
                "DELETE FROM public.t WHERE a IN (8, 9); UPDATE public.t SET v = NULL WHERE a = 10",
                deadline: .seconds(5))
            diff = try await sides.diff("public.t")
            #expect(
                diff.rows == [
                    TableDiff.Row(key: "(k,10)", state: .different), TableDiff.Row(key: "(k,7)", state: .missingHere),
                    TableDiff.Row(key: "(k,8)", state: .missingThere),
                    TableDiff.Row(key: "(k,9)", state: .missingThere),
                ])
            #expect(diff.result == "1 missing here, 2 missing there, 1 different" && !diff.isEqual)
            #expect(diff.hereCount == 19_999 && diff.thereCount == 19_998)
            try await sides.there.simple("DELETE FROM public.t WHERE a > 500", deadline: .seconds(5))
            diff = try await sides.diff("t", limit: 50)
            #expect(diff.rows.count == 50 && diff.isCut && diff.result.hasSuffix(", and more"))
        }
    }

    @Test func whatCannotBeToldApart() async throws {
        try await with { sides in
            try await sides.both(
                """
                CREATE TABLE public.bag (v text); INSERT INTO public.bag VALUES ('a'), ('a'), (NULL);
                CREATE TABLE public.wide (id int PRIMARY KEY, v text); INSERT INTO public.wide VALUES (1, 'a');
                CREATE TABLE public."Odd ""one" ("The key" int PRIMARY KEY)
                """)
            #expect(try await sides.diff("bag").result == "equal; no key that both sides have")
            #expect(try await sides.diff(#"public.Odd "one"#).isEqual)
            try await sides.there.simple(
                "DELETE FROM public.bag WHERE v = 'a'; INSERT INTO public.bag VALUES ('a'); ALTER TABLE public.wide ADD w int",
                deadline: .seconds(5))
            let bag = try await sides.diff("bag")
            #expect(!bag.isEqual && bag.hereCount == 3 && bag.thereCount == 2 && bag.rows.isEmpty)
            let wide = try await sides.diff("wide")
            #expect(!wide.isEqual && wide.result == "different; its columns differ: w")
            try await sides.there.simple("DROP TABLE public.wide", deadline: .seconds(5))
            #expect(try await sides.diff("wide").result == "different; it is not there")
            let missing = await #expect(throws: ControlError.self) { try await sides.diff("nobody.knows") }
            #expect(missing?.description == "there is no table nobody.knows in this database")
        }
    }

    @Test func whatIsOnItsWayDoesNotCount() async throws {
        try await with { sides in
            try await sides.both("CREATE TABLE public.t (id int PRIMARY KEY)")
            try await sides.here.simple("INSERT INTO public.t VALUES (1), (2)", deadline: .seconds(5))
            let late = try await PostgresConnection.connect(
                sides.server.conninfo.with("dbname", "there"), deadline: .seconds(5))
            let diff = MeshDiff(here: sides.here, there: sides.there, limit: 10, pause: .milliseconds(500))
            let found = try #require(try await diff.tables("t").first)
            async let compared = diff.compare(found.here, found.there)
            try await Task.sleep(for: .milliseconds(200))
            try await late.simple("INSERT INTO public.t VALUES (1)", deadline: .seconds(5))
            #expect(try await compared.rows == [TableDiff.Row(key: "(2)", state: .missingThere)])
            await late.close()
        }
    }

    @Test func listings() throws {
        var diff = TableDiff(table: "public.t")
        var equal = TableDiff(table: "public.u")
        (diff.hereCount, diff.thereCount, equal.hereCount, equal.thereCount) = (2, 1, 5, 5)
        diff.rows = [TableDiff.Row(key: "(1)", state: .missingThere)]
        let listing = DiffListing(database: "app", peer: "n2", diffs: [diff, equal])
        #expect(!listing.isEqual)
        #expect(
            listing.text(.tsv) == """
                Database\tPeer\tTable\tKey\tResult
                app\tn2\tpublic.t\t(1)\tmissing there
                app\tn2\tpublic.u\t\tequal
                """)
        #expect(
            listing.text(.pretty) == """
                + Database: app, peer: n2 ----------+-----------------+
                | Table    | Rows here | Rows there | Result          |
                +----------+-----------+------------+-----------------+
                | public.t |         2 |          1 | 1 missing there |
                | public.u |         5 |          5 | equal           |
                +----------+-----------+------------+-----------------+
                + Rows ----+-----+---------------+
                | Table    | Key | Result        |
                +----------+-----+---------------+
                | public.t | (1) | missing there |
                +----------+-----+---------------+
                """)
        #expect(try JSONParser.parse(listing.text(.json)).asArray?.first?["Key"] == "(1)")
    }

    @Test func surveys() async throws {
        try await with { sides in
            try await sides.both(
                """
                CREATE TABLE public.t (id serial PRIMARY KEY, v varchar(9));
                CREATE TABLE public.log (at timestamptz NOT NULL); CREATE SEQUENCE public.free
                """)
            try await sides.there.simple("ALTER SEQUENCE public.t_id_seq INCREMENT 3 RESTART 2", deadline: .seconds(5))
            let own = try await ZoneSurvey.read(sides.here, node: "n1", database: "here")
            let other = try await ZoneSurvey.read(sides.there, node: "n2", database: "here")
            #expect(own.encoding == "UTF8" && own.collation == "C, C")
            #expect(
                own.tables["public.t"]
                    == .init(columns: ["id": "integer NOT NULL", "v": "character varying(9)"], hasKey: true))
            #expect(own.tables["public.log"]?.hasKey == false)
            #expect(own.sequences.keys.sorted() == ["public.t_id_seq"])
            #expect(own.parameters["max_wal_senders"] == 10)
            let texts = MeshPreflight.findings(own, [other], needs: ["max_wal_senders": 11]).map(\.text)
            #expect(texts.count == 3 && texts.contains { $0.contains("increments 1 and 3") })
        }
    }
}
