import Foundation
import HACore
import LibPQ
import Support
import SystemPackage
import Testing

@testable import PostgresControl

/// Commands that make a data directory: what becomes of what was there, and of what they leave.
@Suite(.timeLimit(.minutes(1)))
struct DirectoryCommandTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder("directory-command") }

    private var data: FilePath { FilePath(folder.path("data")) }
    private var entries: [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []).sorted()
    }

    private func run(
        _ script: String, _ purpose: DirectoryCommand.Purpose, isReplica: Bool = true,
        runner: UnprivilegedRunner = .init()
    ) async throws -> FilePath? {
        try await DirectoryCommand(dataDirectory: data, runner: runner, output: FilePath(folder.path("out"))).run(
            ["sh", "-c", script, "command", data.string], purpose, isReplica: isReplica, source: "test",
            deadline: .seconds(20))
    }

    private func read(_ name: String) -> String? { folder.read(name) }

    @Test func aCommandMakesTheDirectoryAndNothingOfItCounts() async throws {
        let marker = "\(data.string).matriarch"
        let aside = try await run("test -e \(marker) && mkdir -m 700 $1 && echo new >$1/file", .clone)
        #expect(aside == nil)
        #expect(read("data/file") == "new\n")
        #expect(await DataDirectoryInspector.isStandbySignalled(data))
        #expect(entries == ["data", "out"])
    }

    @Test func whatWasThereIsMovedAside() async throws {
        try folder.makeFolder("data")
        try folder.write("data/mine", "old")
        let aside = try #require(try await run("mkdir $1 && echo new >$1/file", .clone, isReplica: false))
        #expect(try String(contentsOfFile: aside.appending("mine").string, encoding: .utf8) == "old")
        #expect(!FileManager.default.fileExists(atPath: folder.path("data/standby.signal")))
    }

    @Test func aCommandThatFailsLeavesNothing() async throws {
        let error = await #expect(throws: PostgresControlError.self) {
            try await run("mkdir $1; echo half >$1/file; echo why not; exit 7", .clone)
        }
        #expect(error?.message.contains("exit code 7: why not") == true)
        #expect(entries == ["out"])
        let empty = await #expect(throws: PostgresControlError.self) { try await run("true", .clone) }
        #expect(empty?.message.contains("empty") == true)
    }

    /// `keep_data`: the command works on what is there, and what it leaves half done is not started.
    @Test func aRestoreKeepsWhatWasThere() async throws {
        try folder.makeFolder("data", mode: 0o700)
        try folder.write("data/mine", "old")
        await #expect(throws: PostgresControlError.self) { try await run("echo half >$1/file; exit 1", .restore) }
        #expect(read("data/mine") == "old")
        let inspector = DataDirectoryInspector(
            installation: Installation(binDir: FilePath("/nonexistent")), majorVersion: nil)
        guard case .unfinished(_, .clone) = await inspector.inspect(data) else {
            Issue.record("a half restored directory would be started")
            return
        }
        _ = try await run("echo whole >$1/file", .restore)
        #expect(read("data/mine") == "old")
        #expect(read("data/file") == "whole\n")
        #expect(entries == ["data", "out"])
    }

    @Test func whatWasCutOffIsClearedAwayByTheNext() async throws {
        var killer = UnprivilegedRunner()
        killer.killWhenMade = folder.path("data/half")
        await #expect(throws: PostgresControlError.self) {
            try await run("mkdir $1; echo half >$1/half; sleep 100", .clone, runner: killer)
        }
        try folder.makeFolder("data", mode: 0o700)
        try folder.write("data/half", "left by the dead")
        try UnfinishedMarker(operation: "clone", source: "test").write(for: data)
        let aside = try await run("mkdir -p $1; test ! -e $1/half && echo new >$1/file", .clone)
        #expect(aside == nil)
        #expect(read("data/half") == nil)
        #expect(read("data/file") == "new\n")
    }
}
