import Foundation
import HACore
import LocalConfiguration
import Logging
import PostgresControl
import Support
import SystemPackage
import Testing
import ZooKeeper

@testable import Agent

/// A runtime folder with the session file of one member.
private struct Kept {
    let folder: TemporaryFolder
    let layout: ZNodeLayout
    var file: SessionFile { SessionFile(RuntimeFolder(path: FilePath(folder.path))) }
    static let keeper = KeeperIdentity(pid: 4711, startedAt: 99)

    init(_ layout: ZNodeLayout) throws {
        folder = try TemporaryFolder("session")
        self.layout = layout
    }

    func vault(
        keeper: KeeperIdentity? = Kept.keeper, member: MemberID = "node-0", base: ZNodePath? = nil
    ) -> SessionVault {
        SessionVault(file: file, base: base ?? layout.base, member: member, keeper: { keeper }, logger: silent)
    }

    var text: String? { folder.read("session") }
}

private let timeout = Duration.seconds(3)

private func credentials(_ session: Int64 = -5) -> SessionCredentials {
    let password = Array(UInt8(0)..<16).map { $0 * 16 + 3 }
    // 16 bytes, so it is not nil.
    return SessionCredentials(
        session: SessionID(rawValue: session), password: password, requestedTimeout: timeout)!
}

@Suite("The session file", .timeLimit(.minutes(2)))
struct SessionFileTests {
    @Test("what one process keeps the next one takes, and nobody else reads")
    func roundTrip() async throws {
        let kept = try Kept(try SharedZooKeeper.layout())
        defer { kept.folder.remove() }
        #expect(await kept.vault().take(timeout: timeout) == nil)
        await kept.vault().keep(credentials())
        #expect(await kept.vault().take(timeout: timeout)?.credentials == credentials())
        var found = stat()
        #expect(lstat(kept.folder.path("session"), &found) == 0 && found.st_mode & 0o777 == 0o600)
        let text = try #require(kept.text)
        let ticket = try #require(SessionTicket(text: text))
        #expect(!"\(ticket)".contains("03132333"), "the password")
        #expect(await kept.vault().take(timeout: timeout)?.tickTime == nil)
        await kept.vault().keep(credentials(77), tickTime: .milliseconds(500))
        #expect(await kept.vault().take(timeout: timeout)?.tickTime == .milliseconds(500))
        #expect(await kept.vault().take(timeout: timeout)?.credentials.session.rawValue == 77)
    }

    @Test("of another member, cluster, keeper, timeout or boot it is not taken")
    func others() async throws {
        let kept = try Kept(try SharedZooKeeper.layout())
        defer { kept.folder.remove() }
        await kept.vault().keep(credentials())
        #expect(await kept.vault(member: "node-1").take(timeout: timeout) == nil)
        let other: ZNodePath = "/service/other"
        #expect(await kept.vault(base: other).take(timeout: timeout) == nil)
        #expect(await kept.vault(keeper: KeeperIdentity(pid: 4711, startedAt: 100)).take(timeout: timeout) == nil)
        #expect(await kept.vault(keeper: KeeperIdentity(pid: 4712, startedAt: 99)).take(timeout: timeout) == nil)
        #expect(await kept.vault(keeper: nil).take(timeout: timeout) == nil)
        #expect(await kept.vault().take(timeout: timeout + .seconds(1)) == nil)
        let boot = try #require(SessionTicket.Place.currentBoot())
        let text = try #require(kept.text)
        #expect(text.contains(boot))
        try kept.folder.write("session", text.replacing(boot, with: String(boot.reversed())), mode: 0o600)
        #expect(await kept.vault().take(timeout: timeout) == nil)
        try kept.folder.write("session", text, mode: 0o600)
        #expect(await kept.vault().take(timeout: timeout)?.credentials == credentials())
    }

    @Test("a file that is damaged or open to others is not taken")
    func damaged() async throws {
        let kept = try Kept(try SharedZooKeeper.layout())
        defer { kept.folder.remove() }
        await kept.vault().keep(credentials())
        let text = try #require(kept.text)
        for part in ["", "version=1\n", text.replacing("version=1", with: "version=2"), String(text.dropLast(120))] {
            try kept.folder.write("session", part, mode: 0o600)
            #expect(await kept.vault().take(timeout: timeout) == nil)
        }
        try kept.folder.write("session", text, mode: 0o640)
        chmod(kept.folder.path("session"), 0o640)
        #expect(await kept.vault().take(timeout: timeout) == nil)
    }

    @Test("once discarded, nothing is kept any more")
    func discarded() async throws {
        let kept = try Kept(try SharedZooKeeper.layout())
        defer { kept.folder.remove() }
        let vault = kept.vault()
        await vault.keep(credentials())
        #expect(await vault.discard())
        await vault.keep(credentials(8))
        #expect(kept.text == nil)
        #expect(await vault.discard(), "nothing there is removed already")
    }
}

@Suite(
    "A session taken up by the next process", .serialized, .timeLimit(.minutes(2)),
    .enabled(if: ZooKeeperServer.isInstalled))
struct SessionTakeUpTests {
    /// Runs an owner with this vault; then ends it in order.
    private func withOwner(
        _ kept: Kept, _ body: (SessionOwner, LeaseGuard, Locked<[String]>) async throws -> Void
    ) async throws {
        let wakeup = Wakeup()
        let guardian = LeaseGuard(
            transactions: LockTransactions(layout: kept.layout, me: "node-0"), tickTime: .milliseconds(200),
            keeper: try KeeperHost.link(nil, wakeup), wakeup: wakeup)
        guardian.start()
        let admitted = Locked<[String]>([])
        let owner = SessionOwner(
            configuration: try configuration(try await SharedZooKeeper.ownHost(), timeout: timeout),
            layout: kept.layout, me: "node-0", guardian: guardian, wakeup: wakeup, vault: kept.vault(),
            logger: silent,
            admit: { record in admitted.withLock { $0.append(String(decoding: record, as: UTF8.self)) } }
        )
        let running = Task { await owner.run() }
        let result: Result<Void, any Error>
        do {
            try await body(owner, guardian, admitted)
            result = .success(())
        } catch {
            result = .failure(error)
        }
        guardian.stop()
        #expect(await owner.forget())
        running.cancel()
        await running.value
        try result.get()
    }

    /// A session whose process is dead: alive at the server, and nobody can use its connection any more.
    private func withDeadProcess(
        _ kept: Kept, _ body: (SessionCredentials) async throws -> Void
    ) async throws {
        let port = try await SharedZooKeeper.host().split(separator: ":").last.flatMap { UInt16($0) }
        let wire = try Wire(to: try #require(port))
        try await withSession("127.0.0.1:\(wire.port)", timeout: timeout) { dead in
            let credentials = try #require(dead.credentials)
            try await dead.put(kept.layout.bootstrap, "", .ephemeral)
            try await dead.put(kept.layout.member("node-0"), #"{"state":"running"}"#, .ephemeral)
            wire.cut()
            await kept.vault().keep(credentials)
            try await body(credentials)
        }
    }

    @Test("it goes on, with its znodes; nobody of this name is asked, and no cluster is being made by the dead")
    func takenUp() async throws {
        let kept = try Kept(try SharedZooKeeper.layout())
        defer { kept.folder.remove() }
        try await withDeadProcess(kept) { dead in
            try await withOwner(kept) { owner, guardian, admitted in
                let session = try await eventually("the session is prepared") { owner.session }
                #expect(try session.id == dead.session)
                #expect(guardian.lease?.session == dead.session.rawValue)
                #expect(admitted.withLock { $0 }.isEmpty)
                #expect(try await session.text(kept.layout.bootstrap) == nil)
                let member = try await session.exists(kept.layout.member("node-0"), deadline: patience)
                #expect(member?.ephemeralOwner == dead.session)
                #expect(kept.text?.contains("session=\(dead.session.rawValue)\n") == true)
                let before = try #require(guardian.lease).provenUntil
                try await eventually("its lease is proved by writes") {
                    guardian.lease.map { $0.provenUntil > before } ?? false
                }
            }
            #expect(kept.text == nil, "an orderly end leaves nothing to take up")
        }
    }

    @Test("one that is over is followed by a new one, which is kept instead; then a member of this name is asked about")
    func over() async throws {
        let kept = try Kept(try SharedZooKeeper.layout())
        defer { kept.folder.remove() }
        try await withSession(try await SharedZooKeeper.host(), timeout: timeout) { third in
            try await third.put(kept.layout.member("node-0"), "{}")
            let ended = try await withSession(try await SharedZooKeeper.host(), timeout: timeout) { session in
                try #require(session.credentials)
            }
            await kept.vault().keep(ended)
            try await withOwner(kept) { owner, _, admitted in
                let id = try await eventually("a new session is prepared") { try owner.session?.id }
                #expect(id != ended.session)
                #expect(admitted.withLock { $0 } == ["{}"])
                try await eventually("it is kept") { kept.text?.contains("session=\(id.rawValue)\n") == true }
            }
        }
    }

    @Test("a question about a member of this name that was cut off is asked again")
    func cutOff() async throws {
        let kept = try Kept(try SharedZooKeeper.layout())
        defer { kept.folder.remove() }
        let port = try await SharedZooKeeper.host().split(separator: ":").last.flatMap { UInt16($0) }
        let wire = try Wire(to: try #require(port))
        try await withSession(try await SharedZooKeeper.host(), timeout: timeout) { third in
            try await third.put(kept.layout.member("node-0"), "{}")
            let asked = Locked(0)
            let wakeup = Wakeup()
            let guardian = LeaseGuard(
                transactions: LockTransactions(layout: kept.layout, me: "node-0"), tickTime: .milliseconds(200),
                keeper: try KeeperHost.link(nil, wakeup), wakeup: wakeup)
            let owner = SessionOwner(
                configuration: try configuration("127.0.0.1:\(wire.port)", timeout: timeout), layout: kept.layout,
                me: "node-0",
                guardian: guardian, wakeup: wakeup, logger: silent,
                admit: { _ in
                    let times = asked.withLock { count in
                        count += 1
                        return count
                    }
                    // The first answer does not come before the connection is lost.
                    if times == 1 { try? await Task.sleep(for: patience) }
                })
            let running = Task { await owner.run() }
            try await eventually("the first question") { asked.withLock { $0 } == 1 }
            #expect(owner.session == nil)
            wire.mend()  // ends the connection
            try await eventually("the second question, and then the session") {
                asked.withLock { $0 } == 2 && owner.session != nil
            }
            running.cancel()
            await running.value
        }
    }
}
