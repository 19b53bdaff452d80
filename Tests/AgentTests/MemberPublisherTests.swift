import AdminModel
import HACore
import LocalConfiguration
import Support
import Testing
import ZooKeeper

@testable import Agent

@Suite("The member's own znode", .serialized, .timeLimit(.minutes(2)), .enabled(if: ZooKeeperServer.isInstalled))
struct MemberPublisherTests {
    private struct Setting {
        let path: ZNodePath
        let layout: ZNodeLayout
        let own: ZooKeeperSession
        let third: ZooKeeperSession
        let publisher: MemberPublisher
        let log: LogCollector

        func stat() async throws -> ZNodeStat { try #require(try await third.exists(path, deadline: patience)) }
    }

    private func withSetting(_ body: (Setting) async throws -> Void) async throws {
        let host = try await SharedZooKeeper.host()
        let layout = try SharedZooKeeper.layout()
        try await withSession(host) { third in
            try await third.prepare(layout)
            try await withSession(host) { own in
                let log = LogCollector()
                try await body(
                    Setting(
                        path: try layout.member("node-0"), layout: layout, own: own, third: third,
                        publisher: MemberPublisher(layout: layout, me: "node-0", logger: log.logger), log: log))
            }
        }
    }

    private func record(_ position: UInt64 = 1) -> MemberRecord {
        var record = MemberRecord()
        record.connURL = "postgres://127.0.0.1:5432/postgres"
        record.state = .running
        record.role = .replica
        record.walPosition = LSN(position)
        return record
    }

    @Test("it is made, and written only when it changes")
    func writes() async throws {
        try await withSetting { setting async throws in
            await setting.publisher.publish(record(), through: setting.own, exists: false)
            #expect(try await setting.stat().ephemeralOwner == setting.own.id)
            #expect(try await setting.third.text(setting.path) == record().json.text(.compact))
            for _ in 0..<3 { await setting.publisher.publish(record(), through: setting.own, exists: true) }
            #expect(try await setting.stat().version == .initial)
            await setting.publisher.publish(record(2), through: setting.own, exists: true)
            #expect(try await setting.stat().version == Version.initial.next)
            #expect(try await setting.third.text(setting.path)?.contains(#""xlog_location":2"#) == true)
        }
    }

    @Test("before the tree was read again it is written where it stands")
    func notReadYet() async throws {
        try await withSetting { setting async throws in
            await setting.publisher.publish(record(), through: setting.own, exists: false)
            let made = try await setting.stat().czxid
            await setting.publisher.publish(record(2), through: setting.own, exists: false)
            #expect(try await setting.stat().czxid == made)
            #expect(try await setting.third.text(setting.path) == record(2).json.text(.compact))
            #expect(setting.log.count("ownership") == 0)
        }
    }

    @Test("one that somebody deleted is made again", arguments: [false, true])
    func deleted(treeKnows: Bool) async throws {
        try await withSetting { setting async throws in
            await setting.publisher.publish(record(), through: setting.own, exists: false)
            try await setting.third.remove(setting.path)
            // The tree as it was read before still shows it.
            await setting.publisher.publish(record(treeKnows ? 1 : 2), through: setting.own, exists: !treeKnows)
            #expect(try await setting.stat().ephemeralOwner == setting.own.id)
        }
    }

    @Test("also with the folder of all members")
    func parentDeleted() async throws {
        try await withSetting { setting async throws in
            await setting.publisher.publish(record(), through: setting.own, exists: false)
            try await setting.third.removeAll(setting.layout.members)
            await setting.publisher.publish(record(), through: setting.own, exists: false)
            #expect(try await setting.stat().ephemeralOwner == setting.own.id)
        }
    }

    @Test("an earlier session's is replaced, so that it ends with ours")
    func ownership() async throws {
        try await withSetting { setting async throws in
            try await setting.third.put(setting.path, "{}", .ephemeral)
            await setting.publisher.publish(record(), through: setting.own, exists: false)
            #expect(try await setting.stat().ephemeralOwner == setting.own.id)
            #expect(setting.log.count("Recreating the member ZNode due to ownership mismatch") == 1)
        }
    }

    @Test("one that became another session's after ours was written is replaced, too")
    func ownershipLater() async throws {
        try await withSetting { setting async throws in
            await setting.publisher.publish(record(), through: setting.own, exists: false)
            try await setting.third.remove(setting.path)
            try await setting.third.put(setting.path, "{}", .ephemeral)
            await setting.publisher.publish(record(), through: setting.own, exists: false)
            #expect(try await setting.stat().ephemeralOwner == setting.own.id)
            #expect(try await setting.third.text(setting.path) == record().json.text(.compact))
        }
    }

    @Test("a new session writes it anew although nothing changed")
    func newSession() async throws {
        try await withSetting { setting async throws in
            await setting.publisher.publish(record(), through: setting.own, exists: false)
            try await withSession(try await SharedZooKeeper.host()) { next async throws in
                await setting.publisher.publish(record(), through: next, exists: false)
                #expect(try await setting.stat().ephemeralOwner == next.id)
            }
        }
    }

    @Test("a write that fails is said and tried again")
    func failing() async throws {
        try await withSetting { setting async throws in
            let closed = try await ZooKeeperSession.open(
                try configuration(try await SharedZooKeeper.host()), logger: silent)
            try await closed.connected(deadline: patience)
            await setting.publisher.publish(record(), through: setting.own, exists: false)
            await closed.close()
            // Without a session there is nothing to write through.
            await setting.publisher.publish(record(2), through: closed, exists: false)
            #expect(try await setting.third.text(setting.path) == record().json.text(.compact))
            try await setting.third.removeAll(setting.layout.members)
            try await setting.third.put(setting.layout.members, "", .ephemeral)
            await setting.publisher.publish(record(2), through: setting.own, exists: true)
            #expect(setting.log.count("cannot write \(setting.path)") == 1)
            try await setting.third.remove(setting.layout.members)
            await setting.publisher.publish(record(2), through: setting.own, exists: true)
            #expect(try await setting.third.text(setting.path) == record(2).json.text(.compact))
        }
    }
}
