import AdminModel
import HACore
import LibPQ
import LocalConfiguration
import Logging
import NIOConcurrencyHelpers
import PostgresControl
import SystemPackage
import ZooKeeper

/// What the loop last saw, for effects that need more of it than their decision carries.
final class Latest: Sendable {
    private struct State {
        var tree: TreeSnapshot?
        var vanished = VanishedMembers()
        var local: LocalPostgres?
        var peers: PeerRound?
        var upstream: UpstreamView?
        var following: Following?
    }

    private let state = NIOLockedValueBox(State())

    var tree: TreeSnapshot? {
        get { state.withLockedValue { $0.tree } }
        set {
            state.withLockedValue { state in
                state.tree = newValue
                if let tree = newValue { state.vanished.saw(tree.members, at: tree.view.readAt) }
            }
        }
    }
    var vanished: VanishedMembers { state.withLockedValue { $0.vanished } }
    var local: LocalPostgres? {
        get { state.withLockedValue { $0.local } }
        set { state.withLockedValue { $0.local = newValue } }
    }
    var peers: PeerRound? {
        get { state.withLockedValue { $0.peers } }
        set { state.withLockedValue { $0.peers = newValue } }
    }
    var upstream: UpstreamView? {
        get { state.withLockedValue { $0.upstream } }
        set { state.withLockedValue { $0.upstream = newValue } }
    }
    /// Whom the files of the local standby name.
    var following: Following? {
        get { state.withLockedValue { $0.following } }
        set { state.withLockedValue { $0.following = newValue } }
    }
}

/// Carries out one effect: the only place where a decision becomes an act.
struct EffectHandlers: Sendable {
    let me: MemberID
    let lock: LockEffects
    let server: LocalServer
    let monitor: PostgresMonitor
    let observer: LocalObserver
    let peers: PeerClient
    let settings: ClusterSettings
    let latest: Latest
    /// The new cluster's users are there and the user's script has run: what is left may be tried again.
    let isPopulated = NIOLockedValueBox(false)
    /// What made the new cluster that is not finished yet; nil: initdb, or there is none.
    let bootstrapped = NIOLockedValueBox<BootstrapConfig.Method?>(nil)
    let reservation = TimelineReservation()
    let orders: OrderBook
    let pending: PendingRestart
    let meshSlots: MeshSlotKeeper
    /// Ends the process with a code; PostgreSQL stays as it is.
    let exit: @Sendable (Int32) -> Void
    let logger: Logger

    func carryOut(_ effect: Effect) async throws(EffectFailure) {
        switch effect {
        case .fence: server.keeper.fence()
        case .stepDown: try await server.stop(fastFor: .seconds(60))
        case .exit(let code): exit(code)
        case .prepareTree(let highest): try await lock.prepareTree(above: highest)
        case .settle: try await lock.settle()
        case .acquire(let version, let sync, let request):
            try await lock.acquire(epochVersion: version, sync: sync, request: request)
            beginReservation()
        case .adopt(let version):
            guard let leader = latest.tree?.view.leader else { throw EffectFailure("the lock is gone") }
            try await lock.adopt(epochVersion: version, term: leader.term)
        case .replace(let version): try await lock.replace(epochVersion: version)
        case .release(let term): try await release(term)
        case .writeSync(let leader, let standbys, let version, let term):
            let record = SyncRecord(leader: leader, standbys: standbys.sorted())
            try await lock.write(
                lock.layout.sync, record.json.znode, as: term, expecting: .exactly(Version(counted: version)))
        case .setSynchronous(let names): try await setSynchronous(names)
        case .wakeCommits:
            // A commit record of a transaction without changes: it waits for nobody itself.
            do { _ = try await monitor.execute("SELECT pg_current_xact_id()", deadline: .seconds(2)) } catch {
                throw EffectFailure("\(error)")
            }
        case .clearRequest(let version, let term): try await lock.clearRequest(version: version, as: term)
        case .arm(let term): try await lock.arm(term)
        case .pauseKeeper(let paused): try await pauseKeeper(paused)
        case .detach: try await detach()
        case .takeOver(let role): try await takeOver(role)
        case .askPeers:
            let others = (latest.tree?.members ?? []).filter { $0.name != me }
            // No lease lasts longer than this after its session was closed.
            let longest = lock.guardian.lease?.terms.timeout ?? .zero
            let vanished = latest.vanished.since(Instant.now - longest).filter { $0.name != me }
            latest.peers = await peers.ask(others, vanished: vanished)
        case .raceInitialize, .initdb, .finishBootstrap, .cancelBootstrap, .claimInitialize, .writeConfig:
            try await bootstrap(effect)
        case .start, .stop, .stopPlanned, .stopAtOnce, .stopForRestart, .prePromote, .promote, .checkpoint:
            try await run(effect)
        case .readUpstream, .follow, .kick, .rewind, .clone, .restore, .reinitialize: try await replicate(effect)
        case .finishOrder(let id, let outcome): orders.finish(id, outcome)
        case .beginScheduledRestart: await beginScheduledRestart()
        }
    }

    private func run(_ effect: Effect) async throws(EffectFailure) {
        switch effect {
        case .start(let role, let term):
            if role == .primary, lock.guardian.leadership?.term != term {
                throw EffectFailure("the lock is not held any more")
            }
            let zxid = lock.guardian.leadership?.epochZxid ?? 0
            let promised = latest.tree?.view.sync.standbys ?? []
            server.synchronous.withLockedValue {
                $0 = SynchronousNames(startingAs: role, promised: promised, settings.policy)
            }
            if role == .primary, let method = try await unfinishedMethod() {
                return try await startBootstrapped(by: method, epochZxid: zxid)
            }
            if role == .standby {
                try await removePassedOver()
                await meshSlots.prepareStart()
            }
            let upstream = followed()
            // Whose record is gone is not followed from here on: it is pointed at again when that is back.
            if upstream == nil, latest.following?.member != nil { latest.following = nil }
            try await server.start(as: role, following: upstream, epochZxid: zxid)
        case .stop:
            await runBeforeStop()
            try await server.stop(fastFor: .seconds(60))
            await observer.invalidateDirectory()
        case .stopPlanned(let term): try await stopPlanned(term)
        case .stopForRestart: try await stopForRestart()
        case .stopAtOnce: try await server.stopAtOnce()
        case .prePromote(let term): try await runPrePromote(term)
        case .promote(let term): try await promote(term)
        case .checkpoint:
            do { _ = try await monitor.execute("CHECKPOINT", deadline: .seconds(300)) } catch {
                throw EffectFailure("\(error)")
            }
            await observer.invalidateDirectory()
        default: break
        }
    }

    /// Writes the checkpoint while clients go on, so that the stop has little left to write, and asks for the stop.
    private func stopPlanned(_ term: Term) async throws(EffectFailure) {
        await checkpointBeforeStop()
        await runBeforeStop()
        guard lock.guardian.leadership?.term == term else { throw EffectFailure("the lock is not held any more") }
        try await server.beginStop()
    }

    /// Into the file first, so that a restart keeps it, then into the running server.
    private func setSynchronous(_ names: SynchronousNames) async throws(EffectFailure) {
        server.synchronous.withLockedValue { $0 = names }
        _ = try await writeConfiguration()
        try await server.reload()
    }

    /// Of a server that somebody else started. Its role is read again: a standby may have been promoted meanwhile.
    private func takeOver(_ role: StartRole) async throws(EffectFailure) {
        guard let (pid, found) = await ServerFiles(dataDirectory: server.dataDirectory).runningPostmaster(),
            found == role
        else { throw EffectFailure("it has changed meanwhile") }
        do {
            try await server.keeper.client().takeOver(
                postmaster: pid, as: role, until: role == .primary ? lock.guardian.lease?.provenUntil : nil)
        } catch { throw EffectFailure("the keeper did not take it over: \(error)") }
        await observer.invalidateDirectory()
    }

    /// `status` says where the released timeline ends, for whoever compares positions with it (contract 1.4).
    private func release(_ term: Term) async throws(EffectFailure) {
        var status: StatusRecord?
        if let control = latest.local?.control, control.state == .shutDown {
            status = latest.tree?.status ?? StatusRecord()
            status?.optime = control.checkpoint
        }
        try await lock.release(term, status: status?.json.znode, isRunning: latest.local?.isRunning == true)
    }

    /// Has the keeper promote, once the number of the new timeline is reserved.
    private func promote(_ term: Term) async throws(EffectFailure) {
        guard let leadership = lock.guardian.leadership, leadership.term == term, let sql = latest.local?.sql else {
            throw EffectFailure("the lock of term \(term) is not held any more")
        }
        do {
            if await !reservation.isMade(for: term) { try await reserveTimeline(after: sql.timeline, term) }
            let clearing = Task { await clearReplay() }
            defer { clearing.cancel() }
            // Bounded by replay of what was received; the keeper's deadline ends it when the lease does.
            try await server.keeper.client().promote(
                epochZxid: leadership.epochZxid, promoteFile: server.dataDirectory.appending("promote"),
                deadline: max(settings.policy.primaryStartTimeout, .seconds(60)))
        } catch {
            throw EffectFailure("\(error)")
        }
        latest.following = nil
        await observer.invalidateDirectory()
    }

    /// A standby that has taken the lock is to be promoted next: its timeline's number is reserved while peers are asked.
    private func beginReservation() {
        // Not one that was promoted before: it keeps its timeline.
        guard let term = lock.guardian.leadership?.term, let sql = latest.local?.sql, sql.inRecovery else { return }
        let timeline = sql.timeline
        reservation.begin(term) { () async throws(EffectFailure) in
            try await reserveTimeline(after: timeline, term)
        }
    }

    private func removePassedOver() async throws(EffectFailure) {
        reservation.forget()
        do { try await TimelineFiles(dataDirectory: server.dataDirectory).removeTrailingEmpty() } catch {
            throw EffectFailure("\(error)")
        }
    }

    /// On record before it can exist: a leader that dies right after its promotion has not wasted it (I-8).
    private func reserveTimeline(after own: Timeline, _ term: Term) async throws(EffectFailure) {
        do {
            let timeline = try await TimelineFiles(dataDirectory: server.dataDirectory)
                .next(own: own, reserved: latest.tree?.reservedTimeline)
            try await lock.write(
                lock.layout.timeline, Array(String(timeline.rawValue).utf8), as: term, isReadAgain: false)
        } catch {
            throw EffectFailure("\(error)")
        }
    }

    /// Whom the local standby was last pointed at, as its record names it now.
    func followed() -> Upstream? {
        latest.following?.member.flatMap { latest.tree?.record(of: $0) }.flatMap { server.upstream($0) }
    }
}
