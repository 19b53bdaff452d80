import Foundation
import Support
import Testing

/// Patroni 4.1.5's own command line, unmodified, on a cluster of a test.
/// - Returns: what it printed.
/// - Throws: when it ends with another code than 0.
@discardableResult
func patronictl(_ cluster: TestCluster, _ arguments: String...) async throws -> String {
    try await patronictl(cluster, arguments)
}

func patronictl(_ cluster: TestCluster, _ arguments: [String]) async throws -> String {
    let program: String
    do {
        let named = ProcessInfo.processInfo.environment["MATRIARCH_TEST_PATRONICTL"]
        if let named {
            program = named
        } else {
            program = try await PythonEnvironment.patroni.folder() + "/venv/bin/patronictl"
        }
    } catch {
        if ClusterEquipment.isContinuousIntegration { throw error }
        FileHandle.standardError.write(Data("*** SKIPPED: \(error)\n".utf8))
        try Test.cancel("patronictl is missing")
    }
    let output = cluster.folder.path("patronictl-\(UInt32.random(in: 0...UInt32.max)).out")
    try await PostgresInstance.run(
        program, ["-c", cluster.nodes[0].place.configuration] + arguments,
        environment: ["COLUMNS": "400", "LC_ALL": "C.UTF-8"], log: output)
    return try String(contentsOfFile: output, encoding: .utf8)
}
