import Foundation
import Support
import Testing

/// Runs Patroni's own command line with the file of the first member, and returns what it printed.
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
