import AdminModel
import HACore
import LibPQ
import Logging
import PostgresControl

/// Keeps a physical slot for each member, and remembers where they stand for `status` (contract/patroni.md 1.4, 4.13).
actor SlotMaintenance {
    private let me: MemberID
    private let settings: ClusterSettings
    private let info: @Sendable () -> ConnectionInfo
    private let logger: Logger
    private var slots: [PhysicalSlot] = []
    /// By slot name, when its member was last there: the slot outlives it by `member_slots_ttl`.
    private var seen: [String: Instant] = [:]
    /// Slots of members that have been away for longer: these, and no others, are ours to drop.
    private var expired: Set<String> = []
    private var wasLeader = false
    private var running = false

    init(me: MemberID, settings: ClusterSettings, info: @escaping @Sendable () -> ConnectionInfo, logger: Logger) {
        self.me = me
        self.settings = settings
        self.info = info
        self.logger = logger
    }

    /// What `status` says of slots: the member's own name with its position, and the slots it keeps.
    func record(position: LSN) -> (slots: [StatusRecord.Slot], retained: [String]) {
        var known = [StatusRecord.Slot(name: me.slotName, position: position)]
        for slot in slots where !slot.temporary && slot.name != me.slotName {
            if let restart = slot.restartLSN { known.append(.init(name: slot.name, position: restart)) }
        }
        return (known, (Array(seen.keys) + [me.slotName]).sorted())
    }

    /// Brings the slots of this server in line with the members. One round at a time; a failure waits for the next.
    func maintain(members: [(name: MemberID, record: MemberRecord)], isLeader: Bool, status: StatusRecord?, own: LSN)
        async
    {
        let values = settings.dynamic.values
        guard values.useSlots, !running, isLeader || values.memberSlotsTTL > 0 else { return }
        running = true
        defer { running = false }
        remember(members, isLeader: isLeader, status, ttl: .seconds(values.memberSlotsTTL))
        var desired: [String: DesiredSlot] = [:]
        for name in seen.keys {
            let position = status?.slots.first { $0.name == name }?.position
            desired[name] = DesiredSlot(expectedActive: isLeader, position: isLeader ? nil : position)
        }
        for slot in values.permanentSlots where slot.name != me.slotName { desired[slot.name] = DesiredSlot() }
        expired.subtract(desired.keys)
        await bring(desired, own)
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
        for (name, record) in members where name != me && !record.tags.nostream { seen[name.slotName] = now }
        let gone = seen.filter { now - $0.value >= max(ttl, .seconds(1)) }.map(\.key)
        for name in gone { seen[name] = nil }
        expired.formUnion(gone)
    }

    private func bring(_ desired: [String: DesiredSlot], _ own: LSN) async {
        do {
            try await PostgresConnection.use(info(), deadline: .seconds(3)) { connection throws(PostgresError) in
                slots = try await SlotKeeper.list(connection, deadline: .seconds(2))
                let steps = SlotPlan.steps(desired: desired, existing: slots, dropping: .only(expired), limit: own)
                for failure in try await SlotKeeper.carryOut(steps, on: connection, deadline: .seconds(2)) {
                    logger.warning("slot \(failure.step.slot): \(failure.error)")
                }
                if !steps.isEmpty { slots = try await SlotKeeper.list(connection, deadline: .seconds(2)) }
            }
        } catch {
            logger.warning("cannot look after replication slots: \(error)")
        }
    }
}
