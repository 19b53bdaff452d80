import AdminModel
import HACore
import LibPQ
import LocalConfiguration
import Logging
import NIOConcurrencyHelpers
import PostgresControl

/// Keeps this server's replication slots what they should be, and remembers where they stand for `status`
/// (contract/patroni.md 1.4, 4.13).
actor SlotMaintenance {
    private let me: MemberID
    private let settings: ClusterSettings
    private let info: @Sendable () -> ConnectionInfo
    private let logger: Logger
    /// Those that should be here, as they are.
    private var slots: [ReplicationSlot] = []
    /// By slot name, when its member was last there: the slot outlives it by `member_slots_ttl`.
    private var seen: [String: Instant] = [:]
    private var wasLeader = false
    private var running = false
    private var complaints: [String: String] = [:]
    /// Kept: to authenticate each time would cost more than all else that an agent at rest does.
    private var kept: (info: ConnectionInfo, connection: PostgresConnection)?
    private let lost = NIOLockedValueBox<[String]>([])

    init(me: MemberID, settings: ClusterSettings, info: @escaping @Sendable () -> ConnectionInfo, logger: Logger) {
        self.me = me
        self.settings = settings
        self.info = info
        self.logger = logger
    }

    /// Slots that are never dropped and have lost what they need: their subscribers do not get on by themselves.
    nonisolated var lostSlots: [String] { lost.withLockedValue { $0 } }

    /// What `status` says of slots: the member's own name with its position, and the slots it keeps.
    func record(position: LSN) -> (slots: [StatusRecord.Slot], retained: [String]) {
        let values = settings.dynamic.values
        let permanent = Set(values.permanentSlots.map(\.name))
        var known = [StatusRecord.Slot(name: me.slotName, position: position)]
        for slot in slots where slot.name != me.slotName && (values.memberSlotsTTL > 0 || permanent.contains(slot.name))
        {
            if let restart = slot.restartLSN { known.append(.init(name: slot.name, position: restart)) }
        }
        guard values.memberSlotsTTL > 0 else { return (known, []) }
        return (known, (Array(seen.keys) + [me.slotName]).filter { !permanent.contains($0) }.sorted())
    }

    /// Brings the slots of this server in line with the members. One round at a time; a failure waits for the next.
    func maintain(
        members: [(name: MemberID, record: MemberRecord)], leader: MemberID?, status: StatusRecord?, own: LSN
    ) async {
        let values = settings.dynamic.values
        let isLeader = leader == me
        guard values.useSlots, !running else { return }
        running = true
        defer { running = false }
        remember(members, isLeader: isLeader, status, ttl: .seconds(values.memberSlotsTTL))
        let wishes = SlotWishes(
            me: me, leader: leader, nofailover: settings.tags.nofailover,
            members: members.map { SlotWishes.Member($0.name, $0.record) },
            retained: isLeader ? Set(seen.keys) : Set(status?.retainSlots ?? []).union(seen.keys),
            permanent: Set(values.permanentSlots.filter { $0.clusterType != .standby }.map(\.name)),
            keepsAll: values.memberSlotsTTL > 0,
            published: Dictionary(
                (status?.slots ?? []).map { ($0.name, $0.position) }, uniquingKeysWith: { first, _ in first }))
        await bring(wishes.desired, own)
    }

    private func remember(
        _ members: [(name: MemberID, record: MemberRecord)], isLeader: Bool, _ status: StatusRecord?, ttl: Duration
    ) {
        let now = Instant.now
        // A new leader gives what its predecessor retained the whole time once more (contract 1.4).
        if isLeader, !wasLeader {
            for name in status?.retainSlots ?? [] where name != me.slotName { seen[name] = now }
        }
        wasLeader = isLeader
        for (name, record) in members where name != me {
            seen[name.slotName] = record.tags.nostream ? nil : now
        }
        seen = seen.filter { now - $0.value < max(ttl, .seconds(1)) }
    }

    /// In pause nothing is dropped, nor while the configuration names slots that this version does not keep.
    private var dropRule: SlotPlan.DropRule {
        let dynamic = settings.dynamic
        let keys = ["slots", "permanent_replication_slots", "permanent_slots", "ignore_slots"]
        let isUnclear = dynamic.rejected.contains { keys.contains($0.key.components.first ?? "") }
        guard !dynamic.values.pause, !isUnclear else { return .nothing }
        return .allExcept(dynamic.values.ignoreSlots.map(SlotMatcher.init))
    }

    private func bring(_ desired: [String: DesiredSlot], _ own: LSN) async {
        do throws(PostgresError) {
            var (connection, found) = try await list()
            let steps = SlotPlan.steps(desired: desired, existing: found, dropping: dropRule, limit: own)
            complain(try await SlotKeeper.carryOut(steps, on: connection, deadline: .seconds(2)))
            if !steps.isEmpty { found = try await SlotKeeper.list(connection, deadline: .seconds(2)) }
            slots = found.filter { $0.kind == .physical && !$0.temporary && desired[$0.name] != nil }
            note(lost: found.filter { $0.isProtected && $0.isLost }.map(\.name).sorted())
        } catch {
            kept = nil
            logger.warning("cannot look after replication slots: \(error)")
        }
    }

    /// The slots that are there, and the connection that they were read through.
    private func list() async throws(PostgresError) -> (PostgresConnection, [ReplicationSlot]) {
        let info = info()
        if let kept, kept.info == info {
            do throws(PostgresError) {
                return (kept.connection, try await SlotKeeper.list(kept.connection, deadline: .seconds(2)))
            } catch  where error.isConnectionLoss && error.code != .timedOut {
                self.kept = nil  // the server was started anew since
            }
        }
        let made = try await PostgresConnection.connect(info, deadline: .seconds(3))
        kept = (info, made)
        return (made, try await SlotKeeper.list(made, deadline: .seconds(2)))
    }

    /// Once for each, until it changes.
    private func complain(_ failures: [SlotKeeper.Failure]) {
        let now = Dictionary(failures.map { ($0.step.slot, "\($0.error)") }, uniquingKeysWith: { first, _ in first })
        for (slot, why) in now.sorted(by: { $0.key < $1.key }) where complaints[slot] != why {
            logger.warning("slot \(slot): \(why)")
        }
        complaints = now
    }

    private func note(lost names: [String]) {
        let before = lost.withLockedValue { last in
            defer { last = names }
            return last
        }
        for name in names where !before.contains(name) {
            logger.error("slot \(name) is lost: the WAL that its subscriber needs is gone; it is kept, and of no use")
        }
    }
}

extension SlotWishes.Member {
    init(_ name: MemberID, _ record: MemberRecord) {
        self.init(
            name, isRunning: record.state == .running, replicatefrom: record.tags.replicatefrom.map { MemberID($0) },
            nostream: record.tags.nostream, position: record.walPosition)
    }
}

extension SlotMatcher {
    /// - Parameter entry: of `ignore_slots`; every value was checked to be text.
    init(_ entry: JSONObject) {
        self.init(
            name: entry["name"]?.asString, type: entry["type"]?.asString, database: entry["database"]?.asString,
            plugin: entry["plugin"]?.asString)
    }
}
