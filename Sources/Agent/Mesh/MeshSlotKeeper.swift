import HACore
import LibPQ
import Logging
import NIOConcurrencyHelpers
import PostgresControl
import SystemPackage

/// Keeps the leader's slots of a mesh usable on this standby, so that peers can go on after its promotion
/// (design/zones.md 4). From PostgreSQL 17 on PostgreSQL does that itself, and this only makes room for it.
actor MeshSlotKeeper {
    /// What it needs to know of this member.
    struct Surroundings: Sendable {
        var me: MemberID
        var majorVersion: Int
        var dataDirectory: FilePath
        var latest: Latest
        /// Nil: the cluster is in no mesh.
        var mesh: @Sendable () -> MeshSettings?
        /// A member that never leads needs no slots.
        var mayLead: @Sendable () -> Bool
        /// The way to a member, as a user that may read its files.
        var upstream: @Sendable (MemberID) async -> Upstream?
        /// The local server, as superuser.
        var local: @Sendable () -> ConnectionInfo
        /// With which the local server is started.
        var parameters: @Sendable () async -> [String: String]
        /// Makes the loop look: what others see of this member has changed.
        var wake: @Sendable () -> Void
    }

    private let here: Surroundings
    private let restarter: SlotRestarter
    private let logger: Logger
    private let usable = NIOLockedValueBox<Set<String>?>(nil)
    private let unproved = NIOLockedValueBox<Set<String>>([])
    private let next = NIOLockedValueBox(Instant(nanoseconds: 0))

    private var isBusy = false
    private var attempts: [String: SlotCopies.Attempt] = [:]
    /// Names that are copies for certain.
    private var copies: Set<String> = []
    /// Copies that nobody needs, since when.
    private var leftovers: [String: Instant] = [:]
    private var restarts = SlotRestarts()
    private var round: Round?
    private var said: [String: String] = [:]

    /// The last round, and what it was of.
    private struct Round {
        var startedAt: Instant?
        var term: Term
    }

    /// How long a start may wait for the leader. Each question that is open then takes as long once more at most.
    static let startPatience = Duration.seconds(1)
    private static let question = Duration.milliseconds(500)

    init(_ surroundings: Surroundings, restarter: SlotRestarter, logger: Logger) {
        here = surroundings
        self.restarter = restarter
        self.logger = logger
    }

    /// Slots of the mesh with which peers could go on if this standby were promoted now; after a promotion those that
    /// it was promoted with. Nil: the cluster is in no mesh, or nothing is known yet.
    nonisolated var usableSlots: Set<String>? { usable.withLockedValue { $0 } }

    /// Copies of which that is not known; after a promotion those that it was promoted with.
    nonisolated var unprovedSlots: Set<String> { unproved.withLockedValue { $0 } }

    /// How long until `maintain` has something to do, as far as is known.
    nonisolated var pause: Duration { max(.milliseconds(200), next.withLockedValue { $0 } - Instant.now) }

    // MARK: Before a start

    /// Puts what is missing into the stopped server. A start never depends on it.
    func prepareStart() async {
        attempts = [:]
        round = nil
        next.withLockedValue { $0 = Instant(nanoseconds: 0) }
        show(here.mesh() == nil ? nil : [])
        guard let settings = here.mesh(), here.mayLead(),
            settings.slotCopier(majorVersion: here.majorVersion) == .agent, let leader = leader
        else { return }
        do {
            let installed = try await install(from: leader.member)
            guard !installed.isEmpty else { return }
            copies.formUnion(installed)
            show([])
            logger.notice("slots of the mesh copied from \(leader.member): \(Self.list(installed))")
        } catch {
            logger.warning("starting without new copies of the slots of \(leader.member): \(error)")
        }
    }

    private func install(from leader: MemberID) async throws -> [String] {
        let parameters = await here.parameters()
        // A server with logical slots and less does not start.
        guard parameters["wal_level"] == "logical" else { return [] }
        let limit = parameters["max_replication_slots"].flatMap { Int($0) } ?? 10
        let files = SlotFiles(dataDirectory: here.dataDirectory)
        let parcels = try await fetch(from: leader, into: files)
        guard !parcels.isEmpty else { return [] }
        let installed = try await files.install(parcels, limit: limit)
        if installed.count < parcels.count {
            logger.error("max_replication_slots (\(limit)) leaves no place for all slots of the mesh")
        }
        return installed
    }

    private func fetch(from leader: MemberID, into files: SlotFiles) async throws -> [SlotParcel] {
        guard let upstream = await here.upstream(leader) else { throw EffectFailure("its record names no address") }
        let (identifier, patience) = (here.latest.local?.control?.systemIdentifier, Self.startPatience)
        return try await withThrowingTaskGroup(of: [SlotParcel]?.self) { group in
            group.addTask {
                try await PostgresConnection.use(
                    upstream.connection(applicationName: "Matriarch slots"), deadline: Self.question
                ) { connection throws(PostgresError) in
                    let leader = try await SlotSurvey.read(connection, deadline: Self.question)
                    guard !leader.inRecovery, leader.systemIdentifier == identifier,
                        let found = try? await files.read(as: leader)
                    else { return [] }
                    let wanted = SlotCopies.toInstall(
                        leader: leader.slots, own: found.slots, oldestWAL: found.oldestWAL)
                    return try await SlotParcel.fetch(wanted, from: connection, deadline: Self.question)
                }
            }
            group.addTask {
                try? await Task.sleep(for: patience, clock: .continuous)
                return nil
            }
            defer { group.cancelAll() }
            guard let first = try await group.next(), let parcels = first else {
                throw EffectFailure("no answer within \(patience)")
            }
            return parcels
        }
    }

    // MARK: While it runs

    /// Another member that leads.
    private var leader: StoreView.Leader? {
        here.latest.tree?.view.leader.flatMap { $0.member.isSame(as: here.me) ? nil : $0 }
    }

    /// One round on a running standby, if it is time for one: each `copy_interval`, and when leader or server are new.
    /// Cheap to call at each look.
    /// - Parameter recorded: slots that the cluster's record or its peers' name: their copies are not dropped.
    func maintain(recorded: Set<String>) async {
        guard let settings = here.mesh() else { return show(nil) }
        guard !isBusy, let local = here.latest.local, local.isRunning, !local.promoteRequested, !local.stopRequested,
            local.sql?.inRecovery == true, let leader
        else { return }
        guard here.mayLead(), let copier = settings.slotCopier(majorVersion: here.majorVersion) else { return show([]) }
        if let round, round.startedAt == local.startedAt, round.term == leader.term,
            Instant.now < next.withLockedValue({ $0 })
        {
            return
        }
        isBusy = true
        defer { isBusy = false }
        if round?.startedAt != local.startedAt { attempts = [:] }
        var pause = settings.copyInterval
        do {
            let theirs = try await survey(of: leader.member, copier)
            guard !theirs.inRecovery, theirs.systemIdentifier == local.control?.systemIdentifier else {
                throw EffectFailure("it is no primary of this cluster")
            }
            switch copier {
            case .agent: pause = try await follow(theirs, settings, recorded)
            case .postgres: try await makeRoom(for: theirs)
            }
            say("round", nil)
        } catch {
            say("round", "cannot compare slots of the mesh with those of \(leader.member): \(error)", .warning)
        }
        round = Round(startedAt: local.startedAt, term: leader.term)
        next.withLockedValue { $0 = Instant.now + pause }
    }

    private func survey(of leader: MemberID, _ copier: SlotCopier) async throws -> SlotSurvey {
        guard let upstream = await here.upstream(leader) else { throw EffectFailure("its record names no address") }
        return try await Self.survey(upstream.connection(applicationName: "Matriarch slots"), copier)
    }

    private static func survey(_ info: ConnectionInfo, _ copier: SlotCopier) async throws -> SlotSurvey {
        try await PostgresConnection.use(info, deadline: .seconds(3)) { connection throws(PostgresError) in
            try await SlotSurvey.read(
                connection, plugins: copier == .agent ? ReplicationSlot.protectedPlugins : nil, deadline: .seconds(3))
        }
    }

    /// - Returns: when to look again.
    private func follow(
        _ theirs: SlotSurvey, _ settings: MeshSettings, _ recorded: Set<String>
    ) async throws -> Duration {
        var own = try await Self.survey(here.local(), .agent)
        var plan = judge(theirs, own, recorded)
        if !plan.advances.isEmpty {
            let tried = await SlotAdvancer.advance(plan.advances, here.local(), deadline: .seconds(30))
            // What was proved stays so: it is where it was, and holds its WAL.
            attempts.merge(tried) { known, new in if case .failed = new, known == .done { known } else { new } }
            own = try await Self.survey(here.local(), .agent)
            plan = judge(theirs, own, recorded)
        }
        guard own.inRecovery else { return settings.copyInterval }
        copies.formUnion(Set(own.slots.map(\.name)).intersection(theirs.slots.map(\.name)))
        show(plan.proved)
        tell(plan)
        // However often is looked: slots are made one after the other, and anew.
        let settle = max(settings.copyInterval, .seconds(1))
        try await drop(plan.leftovers, settle)
        let due = restarts.due(plan.needs, proved: plan.proved, settle: settle, now: Instant.now)
        if !due.isEmpty, await restarter.restart(for: due.map { "\($0) \(plan.needs[$0]?.rawValue ?? "")" }) {
            restarts.restarted(for: due, at: Instant.now)
        }
        // Replay reaches a fresh copy soon.
        let isCatchingUp = plan.waiting.contains { attempts[$0] == nil }
        return isCatchingUp ? min(settings.copyInterval, .seconds(1)) : settings.copyInterval
    }

    private func judge(_ theirs: SlotSurvey, _ own: SlotSurvey, _ recorded: Set<String>) -> SlotCopies {
        SlotCopies(
            leader: theirs.slots, own: own.slots, replayed: own.replayed, oldestWAL: own.oldestWAL,
            attempts: attempts, copies: copies, recorded: recorded)
    }

    /// Not at once: a slot that the leader makes anew is missing for a moment.
    private func drop(_ names: Set<String>, _ patience: Duration) async throws {
        let now = Instant.now
        leftovers = Dictionary(uniqueKeysWithValues: names.map { ($0, leftovers[$0] ?? now) })
        let due = Set(leftovers.filter { now - $0.value >= patience }.keys)
        guard !due.isEmpty else { return }
        let gone = try await PostgresConnection.use(here.local(), deadline: .seconds(3)) {
            connection throws(PostgresError) in
            try await SlotAdvancer.dropLeftovers(due, on: connection, deadline: .seconds(3))
        }
        copies.subtract(gone)
        for name in gone {
            attempts[name] = nil
            logger.notice("the copy of slot \(name) is dropped: the leader does not have it any more")
        }
    }

    private func makeRoom(for theirs: SlotSurvey) async throws {
        var own = try await Self.survey(here.local(), .postgres)
        // What the leader does not have is the only one of its name: it stays, and is told of.
        let former = own.own.intersection(theirs.own.union(theirs.synchronized))
        let gone = try await PostgresConnection.use(here.local(), deadline: .seconds(3)) {
            connection throws(PostgresError) in
            try await SlotAdvancer.dropFormer(former, on: connection, deadline: .seconds(3))
        }
        if !gone.isEmpty {
            logger.notice("slots of this former primary make room for copies of the leader's: \(Self.list(gone))")
            own = try await Self.survey(here.local(), .postgres)
        }
        let alone = own.own.subtracting(theirs.own).subtracting(theirs.synchronized)
        say(
            "former",
            alone.isEmpty
                ? nil : "slots from this server's time as a primary that the leader does not have: \(Self.list(alone))",
            .warning)
        show(own.synchronized.intersection(theirs.own.union(theirs.synchronized)))
    }

    // MARK: What is seen of it

    private func show(_ names: Set<String>?) {
        unproved.withLockedValue { $0 = copies.subtracting(names ?? []) }
        let before = usable.withLockedValue { value in
            defer { value = names }
            return value
        }
        if before != names { here.wake() }
    }

    private func tell(_ plan: SlotCopies) {
        say("usable", "slots of the mesh that are usable here: \(Self.list(plan.proved))")
        let needs = plan.needs.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value.rawValue)" }
        say(
            "needs", needs.isEmpty ? nil : "to be copied at a restart of this standby: \(needs.joined(separator: "; "))"
        )
        let beyond = plan.beyond.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value.rawValue)" }
        say(
            "beyond",
            beyond.isEmpty
                ? nil
                : "slots of the mesh that cannot be copied until their peers have got on, since the WAL that they need "
                    + "is not here: \(beyond.joined(separator: "; "))", .warning)
        say(
            "unknown",
            plan.unknown.isEmpty
                ? nil : "slots of a mesh that the leader does not have; they are kept: \(Self.list(plan.unknown))",
            .warning)
        for (name, attempt) in attempts {
            switch attempt {
            case .done: say("advance \(name)", nil)
            case .unusable(let why), .failed(let why):
                say("advance \(name)", "the copy of slot \(name) does not follow: \(why)", .warning)
            }
        }
    }

    /// On change.
    private func say(_ topic: String, _ text: String?, _ level: Logger.Level = .info) {
        guard said[topic] != text else { return }
        said[topic] = text
        if let text { logger.log(level: level, "\(text)") }
    }

    private static func list(_ names: some Sequence<String>) -> String {
        let sorted = names.sorted()
        return sorted.isEmpty ? "none" : sorted.joined(separator: ", ")
    }
}
