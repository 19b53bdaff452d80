import Foundation
import PostgresControl
import Support
import SystemPackage
import Testing

extension KeeperTests {
    @Suite(.timeLimit(.minutes(2)))
    struct RuntimeFolderTests {
        @Test func `the same data directory has the same folder, also through a link`() throws {
            let folder = try TemporaryFolder("runtime")
            defer { folder.remove() }
            let data = try folder.makeFolder("data")
            try FileManager.default.createSymbolicLink(atPath: folder.path("link"), withDestinationPath: data)
            let base = folder.path("run")
            let first = try RuntimeFolder.prepare(configured: base, dataDirectory: FilePath(data), environment: [:])
            let second = try RuntimeFolder.prepare(
                configured: base, dataDirectory: FilePath(folder.path("link")), environment: [:])
            let other = try RuntimeFolder.prepare(
                configured: base, dataDirectory: FilePath(folder.path("not-there-yet")), environment: [:])
            #expect(first == second)
            #expect(first != other)
            #expect(first.path.removingLastComponent().string == base)
            let name = try #require(first.path.lastComponent?.string)
            #expect(name.count == 12 && name.allSatisfy(\.isHexDigit))
            var found = stat()
            #expect(stat(first.path.string, &found) == 0 && found.st_mode & 0o777 == 0o700)
        }

        @Test func `systemd's folder is taken when nothing is configured`() throws {
            let folder = try TemporaryFolder("runtime")
            defer { folder.remove() }
            let prepared = try RuntimeFolder.prepare(
                configured: nil, dataDirectory: "/srv/data", environment: ["RUNTIME_DIRECTORY": "\(folder.path):/other"]
            )
            #expect(prepared.path.removingLastComponent().string == folder.path)
        }

        @Test func `links, open folders and long paths are refused`() throws {
            let folder = try TemporaryFolder("runtime")
            defer { folder.remove() }
            func prepare(_ base: String) throws(KeeperError) -> RuntimeFolder {
                try RuntimeFolder.prepare(configured: base, dataDirectory: "/srv/data", environment: [:])
            }
            func isRefused(_ base: String, _ word: String) {
                #expect(
                    performing: { _ = try prepare(base) },
                    throws: {
                        ($0 as? KeeperError)?.code == .runtimeFolder
                            && ($0 as? KeeperError)?.message.contains(word) == true
                    })
            }
            let path = try prepare(folder.path).path
            chmod(path.string, 0o755)
            isRefused(folder.path, "0700")
            rmdir(path.string)
            try FileManager.default.createSymbolicLink(atPath: path.string, withDestinationPath: "/tmp")
            isRefused(folder.path, "not a folder")
            isRefused(folder.path + "/" + String(repeating: "x", count: 90), "107")
        }
    }
}
