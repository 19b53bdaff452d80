public import HACore

/// Which physical slots one member should have (contract/patroni.md 4.13). Pure.
public struct SlotWishes: Sendable {
    /// What matters of a member, this one included.
    public struct Member: Hashable, Sendable {
        public var name: MemberID
        public var isRunning: Bool
        /// Tag `replicatefrom`.
        public var replicatefrom: MemberID?
        public var nostream: Bool
        /// As its record says.
        public var position: LSN?

        public init(
            _ name: MemberID, isRunning: Bool = true, replicatefrom: MemberID? = nil, nostream: Bool = false,
            position: LSN? = nil
        ) {
            self.name = name
            self.isRunning = isRunning
            self.replicatefrom = replicatefrom
            self.nostream = nostream
            self.position = position
        }
    }

    public var me: MemberID
    /// Nil: nobody leads.
    public var leader: MemberID?
    /// This member never leads: it keeps slots for those that stream from it alone.
    public var nofailover: Bool
    public var members: [Member]
    /// Slots of members that are away.
    public var retained: Set<String>
    /// `slots` of the configuration.
    public var permanent: Set<String>
    /// `member_slots_ttl` is not zero: whoever may lead one day keeps slots for all members.
    public var keepsAll: Bool
    /// `slots` in `status`.
    public var published: [String: LSN]

    public init(
        me: MemberID, leader: MemberID?, nofailover: Bool = false, members: [Member], retained: Set<String> = [],
        permanent: Set<String> = [], keepsAll: Bool = true, published: [String: LSN] = [:]
    ) {
        self.me = me
        self.leader = leader
        self.nofailover = nofailover
        self.members = members
        self.retained = retained
        self.permanent = permanent
        self.keepsAll = keepsAll
        self.published = published
    }

    private var isLeader: Bool { leader == me }
    private var mayLead: Bool { isLeader || !nofailover }

    public var desired: [String: DesiredSlot] {
        var slots: [String: DesiredSlot] = [:]
        for member in members where member.name != me && !member.nostream {
            let slot = member.name.slotName
            let source = source(of: member)
            if source == me {
                slots[slot] = DesiredSlot(expectedActive: true)
            } else if keepsAll, mayLead {
                slots[slot] = DesiredSlot(expectedActive: false, position: position(slot, member, source))
            }
        }
        guard mayLead else { return slots }
        let away = keepsAll ? retained : []
        for slot in away.union(permanent) where slots[slot] == nil && slot != me.slotName {
            slots[slot] = DesiredSlot(position: isLeader ? nil : published[slot])
        }
        return slots
    }

    /// Only the leader's word says how far those are that stream from it; others say it themselves.
    private func position(_ slot: String, _ member: Member, _ source: MemberID?) -> LSN? {
        let known = isLeader ? nil : published[slot]
        guard source != leader, let own = member.position else { return known }
        return max(known ?? .zero, own)
    }

    /// As the member decides itself (`Situation.source`).
    private func source(of member: Member) -> MemberID? {
        if member.name == leader { return nil }
        guard let wanted = member.replicatefrom, wanted != member.name,
            members.contains(where: { $0.name == wanted && $0.isRunning })
        else { return leader }
        return wanted
    }
}
