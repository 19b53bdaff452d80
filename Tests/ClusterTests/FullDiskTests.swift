import Foundation
import LibPQ
import Support
import Testing

extension ClusterTests {
    /// A leader whose whole folder (data, WAL, log, runtime files) is on a file system that fills up.
    @Suite(
        .serialized, .enabled(if: !AgentCommand.isForeign), .enabled(if: geteuid() == 0, "mounting needs root"))
    struct FullDisk {
        @Test func theLeadersDiskIsFull() async throws {
            try await TestCluster.with { cluster in
                var small: [SmallDisk] = []
                defer { for disk in small { disk.unmount() } }
                for node in cluster.nodes { small.append(try await SmallDisk(under: node, megabytes: 420)) }
                try cluster.start()
                let before = try await cluster.whole("from empty folders", within: AgentCommand.deadline(40))
                let node = before.leader
                let disk = try #require(small.first { $0.folder == node.place.folder })
                let writer = try await AcknowledgedWriter(cluster, leader: node)
                writer.start()
                try await writer.progress()
                let (supervisor, agent) = (try #require(node.supervisor), try #require(node.agent))
                try disk.fill()
                // Each takes another segment, until none can be made.
                try await eventually("PostgreSQL has no room for WAL", within: AgentCommand.deadline()) {
                    do {
                        try await node.query("SELECT pg_logical_emit_message(false, 'x', 'x')")
                        try await node.query("SELECT pg_switch_wal()")
                        return false
                    } catch { return true }
                }
                let between = try await cluster.whole(
                    "led by one with room", members: before.replicas, within: AgentCommand.deadline(40))
                try await writer.progress(on: between.leader)
                #expect(node.supervisor == supervisor, "no log and no runtime file is worth its life")
                #expect(node.agent == agent)
                #expect(await node.rest("/liveness") == 200)
                #expect(await node.rest("/primary") == 503)
                try disk.free()
                let after = try await cluster.whole("with room again", within: AgentCommand.deadline(60))
                #expect(after.leader === between.leader)
                try await writer.progress()
                let history = await writer.stop()
                expectOnePrimary(history, "disk of the leader full")
                let present = try await writer.present(on: after.leader)
                // Asynchronous: what was acknowledged in the last moment before the crash may not have been sent.
                report("asynchronous: \(history.lost(present: present).count) acknowledged rows lost")
                #expect(history.invented(present: present).isEmpty)
                try await eventually("\(node.name) has every row of the new leader", within: AgentCommand.deadline()) {
                    try await writer.present(on: node) == present
                }
            }
        }
    }
}

/// A small file system in memory in the place of a node's folder, with what the folder held.
private struct SmallDisk {
    let folder: String
    private var ballast: String { folder + "/ballast" }

    init(under node: ClusterNode, megabytes: Int) async throws {
        folder = node.place.folder
        let attributes = try FileManager.default.attributesOfItem(atPath: folder)
        let owner = "uid=\(attributes[.ownerAccountID] ?? 0),gid=\(attributes[.groupOwnerAccountID] ?? 0)"
        let aside = folder + ".aside"
        try FileManager.default.moveItem(atPath: folder, toPath: aside)
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        try Self.run("/usr/bin/mount", ["-t", "tmpfs", "-o", "size=\(megabytes)m,mode=0755,\(owner)", "none", folder])
        try Self.run("/usr/bin/cp", ["-a", "\(aside)/.", folder])
        try FileManager.default.removeItem(atPath: aside)
    }

    func fill() throws {
        let file = open(ballast, O_WRONLY | O_CREAT | O_EXCL, 0o600)
        guard file >= 0 else { throw SupportError("\(ballast): \(String(cString: strerror(errno)))") }
        defer { close(file) }
        let block = [UInt8](repeating: 1, count: 4096)
        while write(file, block, block.count) > 0 {}
        guard errno == ENOSPC else { throw SupportError("\(ballast): \(String(cString: strerror(errno)))") }
    }

    func free() throws { try FileManager.default.removeItem(atPath: ballast) }

    func unmount() { try? Self.run("/usr/bin/umount", ["-l", folder]) }

    private static func run(_ program: String, _ arguments: [String]) throws {
        let process = Process()
        process.executableURL = URL(filePath: program)
        process.arguments = arguments
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw SupportError("\(program) \(arguments): failed") }
    }
}
