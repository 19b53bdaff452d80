import Support
import Testing

/// A whole cluster with a writer at work: where a scenario begins, and the checks that it ends with.
struct Scenario {
    let cluster: TestCluster
    let before: TestCluster.Roles
    let writer: AcknowledgedWriter
    private let postmaster: ProcessTable.Entry?

    var leader: ClusterNode { before.leader }

    init(_ cluster: TestCluster, _ before: TestCluster.Roles) async throws {
        self.cluster = cluster
        self.before = before
        postmaster = before.leader.postmaster
        writer = try await AcknowledgedWriter(cluster, leader: before.leader)
        writer.start()
        try await writer.progress()
    }

    /// With the cluster of the suite.
    static func begin() async throws -> Scenario {
        let (cluster, before) = try await SharedCluster.whole()
        return try await Scenario(cluster, before)
    }

    /// What a lease bears at its worst moment at T = 6 s, less the early stop and some reserve.
    static let fast = Duration.seconds(3)

    /// Runs a scenario again, at most three times, when the machine was too slow to show what it is to show.
    /// - Parameter body: returns whether it was fast enough.
    static func untilFast(_ body: (Scenario) async throws -> Bool) async throws {
        for _ in 0..<3 {
            let scene = try await begin()
            if try await body(scene) { return }
            expectOnePrimary(await scene.writer.stop(), "too slow")
        }
        Issue.record("this machine is too slow to show it")
    }

    // MARK: Steps

    /// Waits until the former primary is gone and acknowledges nothing any more.
    /// - Returns: how long after `start` its last row was acknowledged.
    func fenced(since start: ContinuousClock.Instant) async throws -> Duration {
        func rows() -> [WriteHistory.Acknowledged] { writer.soFar.acknowledged.filter { $0.node == leader.name } }
        let deadline = AgentCommand.deadline()
        try await eventually("\(leader.name) is fenced", within: deadline) { leader.postmaster != postmaster }
        try await eventually("no reply of \(leader.name) is on its way", within: deadline) {
            let count = rows().count
            try await Task.sleep(for: .milliseconds(500))
            return rows().count == count
        }
        return (rows().last?.acknowledged ?? start) - start
    }

    /// Nobody says that it is a primary, nor acknowledges a row.
    func nobodyLeads(for duration: Duration) async throws {
        let rows = writer.soFar.acknowledged.count
        try await stays("nobody leads", for: duration) {
            for node in cluster.nodes where await node.rest("/primary") == 200 { return false }
            return writer.soFar.acknowledged.count == rows
        }
    }

    // MARK: Ends

    /// Ends the writer; nobody wrote twice, and the leader has every row that its own timeline acknowledged.
    @discardableResult
    func end(
        _ after: TestCluster.Roles, _ words: String, sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> WriteHistory {
        let history = await writer.stop()
        expectOnePrimary(history, words, sourceLocation: sourceLocation)
        let present = try await writer.present(on: after.leader)
        #expect(history.invented(present: present).isEmpty, sourceLocation: sourceLocation)
        let lost = history.lost(present: present)
        #expect(!lost.contains { $0.timeline == after.timeline }, sourceLocation: sourceLocation)
        if !lost.isEmpty { report("asynchronous: \(lost.count) acknowledged rows lost") }
        return history
    }

    /// The same PostgreSQL leads, and no write was refused or left without an answer.
    func endUnchanged(
        _ after: TestCluster.Roles, _ words: String, sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let history = try await end(after, words, sourceLocation: sourceLocation)
        #expect(after.leader === leader && after.timeline == before.timeline, sourceLocation: sourceLocation)
        #expect(leader.postmaster == postmaster, sourceLocation: sourceLocation)
        #expect(history.unknown.isEmpty && history.refused.isEmpty, sourceLocation: sourceLocation)
    }
}
