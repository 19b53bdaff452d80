import Foundation
import LibPQ
import Support

/// One round while it runs.
struct BenchRound {
    /// As they were before the fault.
    let roles: TestCluster.Roles
    let writer: RowWriter
    let load: PgbenchLoad?
}

/// Three members of one product at an ensemble of three ZooKeeper servers.
final class BenchCluster: Sendable {
    let cluster: TestCluster
    let ensemble: ZooKeeperEnsemble
    /// What runs instead of the program under test.
    private let foreign: AgentCommand?
    /// By member, when the benchmark killed its primary.
    private let crashes = Locked<[String: [ContinuousClock.Instant]]>([:])

    /// ZooKeeper grants sessions of 20 ticks at most: so T is 6 s for both products, though Patroni takes no `ttl`
    /// below 20.
    static let tick = Duration.milliseconds(300)
    static let sessionTimeout = Duration.seconds(6)

    /// Makes the files; nothing is started.
    init(_ subject: Subject, _ ensemble: ZooKeeperEnsemble) async throws {
        var settings = ClusterSettings()
        settings.scope = "bench-\(subject)"
        if subject == .patroni { settings.ttl = 20 }
        foreign = subject == .patroni ? try await .patroni() : nil
        self.ensemble = ensemble
        cluster = try TestCluster(settings, zooKeeper: ensemble.hosts)
    }

    var isForeign: Bool { foreign != nil }
    /// Of whatever the cluster does by itself; Patroni's loops are slower.
    var deadline: Duration { isForeign ? .seconds(120) : .seconds(60) }

    var targets: [(name: String, conninfo: ConnectionInfo)] { cluster.nodes.map { ($0.name, $0.conninfo) } }

    func start(_ node: ClusterNode) throws { try node.start(foreign) }

    /// Starts what does not run, and waits until all is whole.
    func whole() async throws -> TestCluster.Roles {
        for server in ensemble.servers where server.mode == nil { try await server.start() }
        for node in cluster.nodes where !node.isRunning { try start(node) }
        return try await cluster.whole(within: deadline)
    }

    /// One round: from a whole cluster under the writer, and under the load of the mode, to a whole cluster.
    func round(_ mode: BenchMode, _ body: (BenchRound) async throws -> Outcome) async throws -> Outcome {
        let before = try await whole()
        if mode == .strict { try await confirmed(before) }
        let writer = try await RowWriter(targets, primary: before.leader.conninfo)
        let result = await Result {
            try await writer.start()
            let outcome = try await PgbenchLoad.running(
                mode, at: before.leader.conninfo, password: cluster.settings.passwords.superuser
            ) { try await body(BenchRound(roles: before, writer: writer, load: $0)) }
            _ = try await whole()
            return outcome
        }
        let rows = await writer.stop().rows
        var outcome = try result.get()
        let violations = TwoPrimariesCheck.violations(rows.map(\.write))
        outcome.counts["rows of a second primary", default: 0] += violations.count
        if let first = violations.first, !isForeign { throw SupportError("two primaries: \(first)") }
        return outcome
    }

    /// Waits until a replica is named as the synchronous one: nobody else may lead.
    private func confirmed(_ roles: TestCluster.Roles) async throws {
        try await eventually("a replica is synchronous", within: deadline, pace: .milliseconds(100)) {
            for replica in roles.replicas where await replica.rest("/synchronous") == 200 { return true }
            return false
        }
    }

    func noteCrash(of node: ClusterNode) { crashes.withLock { $0[node.name, default: []].append(.now) } }

    func crashes(of node: ClusterNode, since start: ContinuousClock.Instant) -> Int {
        crashes.withLock { $0[node.name]?.count { $0 > start } ?? 0 }
    }

    // MARK: Requests

    func ask(_ node: ClusterNode, _ method: String, _ path: String, _ body: String) async throws {
        let login = Data("admin:\(ClusterSettings().passwords.rest)".utf8).base64EncodedString()
        let answer = try await HTTPProbe.send(
            method, path, port: node.restPort, body: body, headers: ["Authorization": "Basic \(login)"],
            within: deadline)
        guard answer.status == 200 else { throw SupportError("\(method) \(path): \(answer.status) \(answer.body)") }
    }

    /// Sets keys of the shared configuration, and waits until every member has read them.
    func configure(_ settings: [(key: String, value: String)]) async throws {
        let leader = try await whole().leader
        let pairs = settings.map { "\"\($0.key)\":\($0.value)" }.joined(separator: ",")
        try await ask(leader, "PATCH", "/config", "{\(pairs)}")
        // `dcs_last_seen` counts whole seconds: a greater one than the present second began after now.
        let now = Int(Date().timeIntervalSince1970)
        for node in cluster.nodes {
            try await eventually("\(node.name) sees \(pairs)", within: deadline, pace: .milliseconds(100)) {
                guard let answer = try? await HTTPProbe.send("GET", "/patroni", port: node.restPort),
                    let object = try JSONSerialization.jsonObject(with: Data(answer.body.utf8)) as? [String: Any]
                else { return false }
                return (object["dcs_last_seen"] as? Int ?? 0) > now
            }
        }
    }
}
