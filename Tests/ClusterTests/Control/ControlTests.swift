import AdminModel
import Foundation
import Support
import Testing

extension ClusterTests {
    /// `matriarchctl` prints what Patroni 4.1.5's own `patronictl` prints of the same cluster, byte by byte.
    @Suite(
        .serialized,
        .cluster {
            $0.tags = ["member-b": ["zone: north", "clonefrom: true"]]
            $0.dynamic = ["synchronous_mode: true"]
        })
    struct Control {}
}

/// Runs both command lines on one cluster.
struct BothTools {
    let cluster: TestCluster
    let ours: CommandLineTool
    let theirs: CommandLineTool
    var environment: [String: String] = [:]

    init(_ cluster: TestCluster) async throws {
        self.cluster = cluster
        ours = try .matriarchctl()
        do { theirs = try await .patronictl() } catch {
            if ClusterEquipment.isContinuousIntegration { throw error }
            FileHandle.standardError.write(Data("*** SKIPPED: \(error)\n".utf8))
            try Test.cancel("patronictl is missing")
        }
    }

    func run(_ tool: CommandLineTool, _ arguments: [String], input: String = "") async throws -> CommandLineTool.Output
    {
        try await tool.run(
            ["-c", cluster.nodes[0].place.configuration] + arguments, input: input, environment: environment,
            in: cluster.folder)
    }

    /// Both, for a command that changes nothing: again when the cluster itself moved between two looks.
    /// - Parameter inAnyOrder: of the lines; members come there as ZooKeeper gives them, here by name.
    func agree(
        _ arguments: String..., input: String = "", code: Int32 = 0, inAnyOrder: Bool = false,
        location: SourceLocation = #_sourceLocation
    ) async throws {
        func masked(_ text: String) -> String {
            let text = withoutTime(text)
            return inAnyOrder ? text.split(separator: "\n").sorted().joined(separator: "\n") : text
        }
        var (mine, other) = (
            try await run(ours, arguments, input: input), try await run(theirs, arguments, input: input)
        )
        for _ in 0..<5 where masked(mine.out) != masked(other.out) {
            mine = try await run(ours, arguments, input: input)
            other = try await run(theirs, arguments, input: input)
        }
        #expect(masked(mine.out) == masked(other.out), "\(arguments)", sourceLocation: location)
        #expect(mine.error == other.error, "\(arguments)", sourceLocation: location)
        #expect(mine.code == other.code && mine.code == code, "\(arguments)", sourceLocation: location)
    }

    /// Without the time of day.
    private func withoutTime(_ text: String) -> String {
        text.replacing(
            /[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{5})?)?(?![.0-9+])/, with: "TIME")
    }
}

extension ClusterTests.Control {
    @Test func theClusterLooksTheSame() async throws {
        let both = try await BothTools(try await SharedCluster.whole().0)
        let scope = both.cluster.scope
        try await both.agree("list")
        try await both.agree("list", "-e")
        try await both.agree("list", "-t", scope, scope)
        for format in ["pretty", "tsv", "json", "yaml", "yml"] {
            try await both.agree("list", "-f", format)
            try await both.agree("list", "--extended", "--format", format)
            try await both.agree("history", "-f", format)
        }
        try await both.agree("list", "no-such-cluster")
        try await both.agree("list", "no-such-cluster", "-f", "json")
        try await both.agree("topology")
        try await both.agree("topology", scope)
        try await both.agree("show-config")
        try await both.agree("show-config", "no-such-cluster")
        try await both.agree("version")
        try await both.agree("version", scope, inAnyOrder: true)
        try await both.agree("version", scope, "member-c", "member-a", inAnyOrder: true)
    }

    @Test func whereAMemberIs() async throws {
        let (cluster, roles) = try await SharedCluster.whole()
        let both = try await BothTools(cluster)
        try await both.agree("dsn")
        #expect(try await both.run(both.ours, ["dsn"]).out == "host=127.0.0.1 port=\(roles.leader.port)\n")
        try await both.agree("dsn", "-r", "primary")
        try await both.agree("dsn", "-m", "member-b")
        try await both.agree("dsn", "-m", "nobody", code: 1)
        try await both.agree("dsn", "-r", "standby-leader", code: 1)
        try await both.agree("dsn", "-m", "member-b", "-r", "any", code: 1)
        try await both.agree("dsn", "no-such-cluster", code: 1)
    }

    @Test func queries() async throws {
        var both = try await BothTools(try await SharedCluster.whole().0)
        both.environment = ["PGUSER": "postgres", "PGPASSWORD": both.cluster.settings.passwords.superuser]
        let sql = """
            SELECT 1 AS a, NULL AS b, true AS c, 1.50 AS d, 'x'::text AS e, ARRAY[1,2] AS f, 0.1::float8 AS g,
                '{"k": [1, null]}'::jsonb AS h, '2026-01-02 03:04:05.6+00'::timestamptz AS i, 'a''b'::name AS j,
                '2026-01-02'::date AS k, 12345678901234567890 AS l, ARRAY['a b', NULL] AS m, false AS n,
                '03:04:05'::time AS o, current_setting('search_path') AS p
            """
        for format in ["tsv", "pretty"] {
            try await both.agree("query", "--format", format, "-c", sql, "-d", "postgres")
        }
        let plain = "SELECT n, 'text ' || n AS t, n > 1 AS b FROM generate_series(1, 3) n"
        for format in ["tsv", "pretty", "json", "yaml"] {
            try await both.agree("query", "-d", "postgres", "--format", format, "-c", plain)
        }
        try await both.agree("query", "-dpostgres", "--delimiter", ";", "-r", "replica", "-c", plain)
        try await both.agree("query", "-d", "postgres", "-m", "member-b", "-c", "SELECT 'one'; SELECT 'two'")
        try await both.agree("query", "-d", "postgres", "-c", "SELECT 1 / 0")
        try await both.agree("query", "-d", "postgres", "-c", "SELEKT")
        try await both.agree("query", "-d", "postgres", "-c", "SET application_name = 'x'")
        try await both.agree("query", "-d", "postgres", "-c", "SELECT 1 WHERE false")
        try await both.agree("query", "-d", "postgres", "-c", "SHOW application_name")
        try await both.agree("query", "-d", "nowhere", "-c", "SELECT 1")
        try await both.agree("query", "-d", "postgres", "-m", "nobody", "-c", "SELECT 1")
        try await both.agree("query", "-d", "postgres", "-m", "nobody", "-c", "SELECT 1", "--format", "json")
        try await both.agree("query", "-d", "postgres", code: 1)
        let file = try both.cluster.folder.write("query.sql", plain)
        try await both.agree("query", "-d", "postgres", "-f", file)
        try await both.agree("query", "-d", "postgres", "-f", file, "-c", "SELECT 1", code: 1)
        both.environment["PGPASSWORD"] = "wrong"
        try await both.agree("query", "-d", "postgres", "-c", "SELECT 1")
    }

    @Test func questionsAndTheirRefusals() async throws {
        let (cluster, roles) = try await SharedCluster.whole()
        let both = try await BothTools(cluster)
        let (scope, leader, replica) = (cluster.scope, roles.leader.name, roles.replicas[0].name)
        try await both.agree("switchover", input: "\n\n\nn\n", code: 1)
        try await both.agree("switchover", input: "\n\(replica)\n2099-01-01T12:00+01:00\nn\n", code: 1)
        try await both.agree("switchover", input: "nobody\n", code: 1)
        try await both.agree("switchover", input: "", code: 1)
        try await both.agree("switchover", "--candidate", leader, "--force", code: 1)
        try await both.agree("switchover", "--candidate", "nobody", "--force", code: 1)
        try await both.agree("switchover", "--leader", replica, "--force", code: 1)
        try await both.agree("switchover", "--force", "--scheduled", "someday", code: 1)
        try await both.agree("switchover", "no-such-cluster", code: 1)
        try await both.agree("failover", "--force", code: 1)
        try await both.agree("failover", input: "\n", code: 1)
        try await both.agree("failover", input: "\(leader)\n", code: 1)
        try await both.agree("failover", "--candidate", replica, input: "n\nn\n", code: 1)
        try await both.agree("failover", "no-such-cluster", "--force", code: 1)
        try await both.agree("reload", scope, replica, input: "perhaps\nn\n", code: 1)
        try await both.agree("reload", scope, "nobody", code: 1)
        try await both.agree("reload", scope, "-r", "replica", leader, code: 1)
        try await both.agree("reload", "no-such-cluster", code: 1)
        try await both.agree("restart", scope, replica, input: "\nn\n", code: 1)
        try await both.agree("restart", scope, replica, input: "2099-01-01 12:00\nn\n", code: 1)
        try await both.agree("restart", scope, replica, "--pending", input: "2099-01-01 12:00\nn\n", code: 1)
        try await both.agree("restart", scope, replica, input: "\ny\n9.5\n", code: 1)
        try await both.agree("restart", scope, replica, "--force", "--pg-version", "x", code: 1)
        try await both.agree("reinit", scope, leader, code: 1)
        try await both.agree("reinit", scope, replica, input: "n\n", code: 1)
        try await both.agree("flush", scope, "switchover")
        try await both.agree("flush", scope, replica, "restart", input: "n\n", code: 1)
        try await both.agree("flush", scope, replica, "restart", "--force")
        try await both.agree("resume", code: 1)
        try await both.agree("remove", scope, input: "other\n", code: 1)
        try await both.agree("remove", scope, input: "\(scope)\nyes\n", code: 1)
        try await both.agree("remove", scope, input: "\(scope)\nYes I am aware\nnobody\n", code: 1)
        try await both.agree("demote-cluster", code: 1)
        let after = try await cluster.whole()
        #expect(after.leader === roles.leader && after.timeline == roles.timeline)
    }

    @Test func usageErrorsEndWithTwo() async throws {
        let both = try await BothTools(try await SharedCluster.whole().0)
        for arguments in [
            ["reload"], ["list", "--nonsense"], ["nonsense"], ["list", "-f", "xml"], ["flush", "a", "b"],
        ] {
            for tool in [both.ours, both.theirs] {
                let output = try await both.run(tool, arguments)
                #expect(output.code == 2 && output.out.isEmpty && output.error.contains("Error: "), "\(arguments)")
            }
        }
        let completion = try await both.ours.run(["--generate-completion-script", "bash"], in: both.cluster.folder)
        #expect(completion.code == 0 && completion.out.contains("switchover") && completion.error.isEmpty)
        let missing = try await both.ours.run(["-c", "/nowhere/x.yml", "list"], in: both.cluster.folder)
        #expect(try await both.theirs.run(["-c", "/nowhere/x.yml", "list"], in: both.cluster.folder) == missing)
        let refused = try await both.run(both.ours, ["demote-cluster", "--host", "h"])
        #expect(refused.code == 1 && refused.error.hasPrefix("Error: demote-cluster is not yet supported"))
    }
}
