/// Whom a standby streams from, and whose copy a new one begins with (contract 4.3, 4.5.2).
extension Situation {
    /// This member's standby is pointed at whom it is to stream from in the leader's term.
    func follows(_ leader: StoreView.Leader) -> Bool {
        view.following == Following(member: source(under: leader), term: leader.term)
    }

    /// Whom this member's standby streams from while `leader` leads: by its tags, else the leader. Nil for nobody: it
    /// reads the archive alone (`nostream`).
    func source(under leader: StoreView.Leader) -> MemberID? {
        if policy.nostream { return nil }
        guard let wanted = policy.replicatefrom, wanted != view.me, isRunning(wanted) else { return leader.member }
        // Around in a circle, nobody of it would get anything.
        var passed: Set<MemberID> = [view.me]
        var next = wanted
        while next != leader.member {
            guard passed.insert(next).inserted else { return leader.member }
            guard let further = store?.members[next]?.replicatefrom, isRunning(further) else { break }
            next = further
        }
        return wanted
    }

    /// It streams from another standby that is there, and not from this member.
    func isCascading(_ member: MemberView) -> Bool {
        member.nostream || member.replicatefrom.map { $0 != view.me && isRunning($0) } ?? false
    }

    private func isRunning(_ member: MemberID) -> Bool { store?.members[member]?.isRunning == true }

    /// A member that offers itself for clones, not always the same one for everybody; nil without one.
    ///
    /// What it has must have come over to the leader's timeline: else the copy would have to be made again.
    func cloneOffer(under leader: StoreView.Leader) -> MemberID? {
        let timeline = store?.members[leader.member]?.timeline
        let offers = others.filter {
            $0.view.clonefrom && $0.view.isRunning && $0.name != leader.member
                && (timeline == nil || $0.view.timeline == timeline)
        }
        guard !offers.isEmpty else { return nil }
        return offers[view.me.rawValue.utf8.reduce(0) { $0 &+ Int($1) } % offers.count].name
    }
}
