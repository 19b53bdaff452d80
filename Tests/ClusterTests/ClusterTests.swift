import Foundation
import Support
import Testing

/// All tests of whole processes: one cluster at a time, whatever else the test process runs.
///
/// When an expectation fails, the ends of all logs of the cluster go to standard error.
@Suite(
    .serialized, .timeLimit(.minutes(10)),
    .enabled(if: ClusterEquipment.mayRun, "ZooKeeper, PostgreSQL 15 and the built programs"),
    .compactMapIssues { issue in
        guard issue.isFailure else { return issue }
        let reports = TestCluster.reports()
        if !reports.isEmpty { FileHandle.standardError.write(Data("\(issue)\n\(reports)".utf8)) }
        return issue
    })
enum ClusterTests {}

/// A cluster that the tests of a suite share: each finds it whole, and a new one when the last test broke it.
actor SharedCluster {
    @TaskLocal static var current: SharedCluster?

    private let settings: ClusterSettings
    private let kind: SuiteZooKeeper.Kind
    private var zooKeeper: SuiteZooKeeper?
    private var cluster: TestCluster?

    init(_ settings: ClusterSettings, _ kind: SuiteZooKeeper.Kind) {
        self.settings = settings
        self.kind = kind
    }

    private func whole() async throws -> (TestCluster, TestCluster.Roles) {
        if let cluster {
            for node in cluster.nodes where !node.isRunning { try node.start() }
            do { return (cluster, try await cluster.whole()) } catch {
                FileHandle.standardError.write(Data("the last test left its cluster broken: \(error)\n".utf8))
                await discard()
            }
        }
        let servers = try await SuiteZooKeeper.start(kind, members: settings.members)
        zooKeeper = servers
        let made = try TestCluster(settings, zooKeeper: servers.hosts, hosts: servers.memberHosts)
        cluster = made
        try made.start()
        return (made, try await made.whole("from empty folders", within: AgentCommand.deadline(40)))
    }

    func discard() async {
        await cluster?.discard()
        cluster = nil
        try? await zooKeeper?.stop()
        zooKeeper = nil
    }

    /// What the suite's cluster goes by.
    static func zooKeeper() async throws -> SuiteZooKeeper {
        guard let found = await current?.zooKeeper else { throw SupportError("the suite's cluster was not started") }
        return found
    }

    /// The suite's cluster, whole.
    static func whole() async throws -> (TestCluster, TestCluster.Roles) {
        guard let current else { throw SupportError("the suite has no .cluster trait") }
        return try await current.whole()
    }
}

/// Gives a suite its cluster, which ends with the suite.
struct ClusterTrait: SuiteTrait, TestScoping {
    let settings: ClusterSettings
    let zooKeeper: SuiteZooKeeper.Kind
    var isRecursive: Bool { false }

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @concurrent @Sendable () async throws -> Void
    ) async throws {
        let shared = SharedCluster(settings, zooKeeper)
        do {
            try await SharedCluster.$current.withValue(shared) { try await function() }
        } catch {
            await shared.discard()
            throw error
        }
        await shared.discard()
    }
}

extension Trait where Self == ClusterTrait {
    static func cluster(
        _ zooKeeper: SuiteZooKeeper.Kind = .shared, _ change: (inout ClusterSettings) -> Void = { _ in }
    ) -> ClusterTrait {
        var settings = ClusterSettings()
        change(&settings)
        return ClusterTrait(settings: settings, zooKeeper: zooKeeper)
    }
}

extension TestCluster {
    /// A cluster of a test's own, discarded at its end; the logs are shown when the test throws.
    static func with(
        _ settings: ClusterSettings = ClusterSettings(), zooKeeper: String? = nil, hosts: [String: String] = [:],
        _ body: (TestCluster) async throws -> Void
    ) async throws {
        let servers: String
        if let zooKeeper { servers = zooKeeper } else { servers = try await SharedZooKeeper.shared.server().host }
        let cluster = try TestCluster(settings, zooKeeper: servers, hosts: hosts)
        do { try await body(cluster) } catch {
            FileHandle.standardError.write(Data("\(error)\n\(cluster.report())".utf8))
            await cluster.discard()
            throw error
        }
        await cluster.discard()
    }
}

/// What a scenario says about itself in the test's output: numbers are reported, not asserted.
func report(_ words: String) { FileHandle.standardError.write(Data("    \(words)\n".utf8)) }

/// The two checks that every scenario with a writer ends with.
func expectOnePrimary(_ history: WriteHistory, _ words: String, sourceLocation: SourceLocation = #_sourceLocation) {
    report("\(words): \(history.summary)")
    let violations = TwoPrimariesCheck.violations(history.acknowledged)
    #expect(violations.isEmpty, "two writable primaries", sourceLocation: sourceLocation)
}

/// Watches that something stays true for a while: for what must *not* happen, where no event ends the wait.
func stays(_ words: String, for duration: Duration, _ property: () async throws -> Bool) async throws {
    let end = ContinuousClock.now + duration
    repeat {
        guard try await property() else { throw SupportError("did not stay: \(words)") }
        try await Task.sleep(for: .milliseconds(50))
    } while ContinuousClock.now < end
}
