import Foundation
import HACore
import Support
import SystemPackage
import Testing

@testable import PostgresControl

/// The files by which PostgreSQL passes over timelines that were given away.
struct TimelineFilesTests {
    private func folder(_ present: [String]) throws -> (TemporaryFolder, FilePath) {
        let folder = try TemporaryFolder("timelines")
        try folder.makeFolder("pg_wal")
        for name in present { try folder.write("pg_wal/\(name)", "") }
        return (folder, FilePath("\(folder.path)/pg_wal"))
    }

    @Test(
        arguments: [
            ([], 1, nil, 2, []), ([], 1, 1, 2, []), ([], 1, 4, 5, [2, 3, 4]), ([2], 1, 4, 5, [2, 3, 4]),
            ([2, 5], 3, nil, 6, [2, 4, 5]), ([3], 3, 2, 4, [3]), ([0x1F], 9, nil, 0x20, Array(10...0x1F)),
        ] as [([UInt32], UInt32, UInt32?, UInt32, [UInt32])])
    func theNextTimelineIsAboveAll(
        present: [UInt32], own: UInt32, reserved: UInt32?, next: UInt32, files: [UInt32]
    ) async throws {
        let (folder, wal) = try folder(present.map(TimelineFiles.name) + ["000000010000000000000001"])
        defer { folder.remove() }
        let chosen = try await TimelineFiles(dataDirectory: FilePath(folder.path))
            .next(own: Timeline(own), reserved: reserved.map { Timeline($0) })
        #expect(chosen == Timeline(next))
        let found = try FileManager.default.contentsOfDirectory(atPath: wal.string).compactMap(TimelineFiles.number)
        #expect(found.sorted() == files)
    }

    @Test("Empty files above the last that says something are taken out")
    func removeTrailingEmpty() async throws {
        let (folder, wal) = try folder(["00000003.history", "00000005.history", "00000006.history", "0000001F.history"])
        defer { folder.remove() }
        for number in ["00000002", "00000004"] {
            try "1\t0/3000000\twhy\n".write(toFile: "\(wal)/\(number).history", atomically: true, encoding: .utf8)
        }
        let files = TimelineFiles(dataDirectory: FilePath(folder.path))
        for _ in 0..<2 {
            try await files.removeTrailingEmpty()
            let found = try FileManager.default.contentsOfDirectory(atPath: wal.string)
                .compactMap(TimelineFiles.number)
            #expect(found.sorted() == [2, 3, 4])
        }
    }

    @Test func aForkIsTheLastLineOfTheTimelinesOwnFile() async throws {
        let (folder, wal) = try folder(["00000002.history"])
        defer { folder.remove() }
        let files = TimelineFiles(dataDirectory: FilePath(folder.path))
        try "1\t0/3000000\tno recovery target specified\n\n2\t0/5000A0\tbefore 2000-01-01\n".write(
            toFile: "\(wal)/0000000A.history", atomically: true, encoding: .utf8)
        #expect(try await files.fork(of: Timeline(10)) == LSN("0/5000A0"))
        #expect(try await files.fork(of: Timeline(1)) == nil)
        for passedOver in [Timeline(2), Timeline(3)] {
            let error = await #expect(throws: PostgresControlError.self) { try await files.fork(of: passedOver) }
            #expect(error?.code == .unexpected && error?.message.contains("timeline \(passedOver)") == true)
        }
    }
}
