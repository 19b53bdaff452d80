import Foundation
import Support

/// PostgreSQL's programs, of which one does something else at times.
struct AlteredProgram {
    let folder: TemporaryFolder

    /// - Parameter script: shell text that precedes each run, with `$real`, the arguments and `$state`, a folder; `cut` in
    ///   it says that a run is in the middle.
    init(_ program: String, before script: String) throws {
        folder = try TemporaryFolder("tools")
        let state = try folder.makeFolder("state")
        let source = ClusterSettings().binaries
        for name in try FileManager.default.contentsOfDirectory(atPath: source) where name != program {
            try FileManager.default.createSymbolicLink(
                atPath: folder.path(name), withDestinationPath: "\(source)/\(name)")
        }
        let text = """
            #!/bin/sh
            state='\(state)' real='\(source)/\(program)'
            \(script)
            exec "$real" "$@"

            """
        try folder.write(program, text, mode: 0o755)
    }

    /// - Parameter first: likewise, for the first run alone.
    init(_ program: String, first: String) throws {
        try self.init(
            program,
            before: """
                echo run >> "$state/runs"
                if [ "$(wc -l < "$state/runs")" -eq 1 ]; then
                  \(first)
                fi
                """)
    }

    var runs: Int { folder.read("state/runs")?.split(separator: "\n").count ?? 0 }

    func isInTheMiddle() async throws {
        try await eventually("a run is in the middle", within: AgentCommand.deadline(40)) {
            folder.read("state/cut") != nil
        }
    }
}
