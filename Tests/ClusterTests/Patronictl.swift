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
    let tool: CommandLineTool
    do { tool = try await .patronictl() } catch {
        if ClusterEquipment.isContinuousIntegration { throw error }
        FileHandle.standardError.write(Data("*** SKIPPED: \(error)\n".utf8))
        try Test.cancel("patronictl is missing")
    }
    let output = try await tool.run(
        ["-c", cluster.nodes[0].place.configuration] + arguments,
        environment: ["COLUMNS": "400", "LC_ALL": "C.UTF-8"], in: cluster.folder)
    guard output.code == 0 else {
        throw SupportError("patronictl \(arguments) ended with \(output.code): \(output.out)\(output.error)")
    }
    return output.out
}
