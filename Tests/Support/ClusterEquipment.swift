import Foundation

/// What tests of whole clusters need of the machine.
///
/// A machine without it fails in CI; elsewhere the tests are skipped, and standard error says so.
public enum ClusterEquipment {
    public static let isContinuousIntegration = ProcessInfo.processInfo.environment["CI"] == "true"

    /// What is missing; nil when everything is here.
    public static let problem: String? = {
        var missing: [String] = []
        if !ZooKeeperServer.isInstalled { missing.append("Debian's ZooKeeper jars and java") }
        if !FileManager.default.isExecutableFile(atPath: "/usr/lib/postgresql/15/bin/postgres") {
            missing.append("PostgreSQL 15")
        }
        if geteuid() == 0, UnprivilegedProcess.user == nil { missing.append("the user postgres") }
        do { _ = try AgentCommand.find() } catch { missing.append("\(error)") }
        return missing.isEmpty ? nil : "whole-cluster tests lack: " + missing.joined(separator: "; ")
    }()

    /// Whether the tests run here; says it loudly when they do not.
    public static let mayRun: Bool = {
        guard let problem, !isContinuousIntegration else { return true }
        FileHandle.standardError.write(Data("*** SKIPPED: \(problem)\n".utf8))
        return false
    }()
}

/// The ZooKeeper server that all clusters of a test process share, each under a scope of its own.
public actor SharedZooKeeper {
    public static let shared = SharedZooKeeper()
    private var starting: Task<ZooKeeperServer, any Error>?

    /// A running server with a tick of 500 ms: sessions of 1 to 10 s.
    public func server() async throws -> ZooKeeperServer {
        if let starting { return try await starting.value }
        let task = Task { try await ZooKeeperServer.standalone(tick: SuiteZooKeeper.tick) }
        starting = task
        return try await task.value
    }
}
