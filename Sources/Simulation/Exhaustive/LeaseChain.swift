import HACore

/// The agent's share of the lease's world: what an acknowledgement proves. It calls the product's `AnchoredLease`; one
/// unit is a second, so that the 300 ms of its margin and its 0.1 % for drift never reach a whole unit.
struct LeaseChain {
    let setting: LeaseSetting
    private static let now = Instant(nanoseconds: 1_000_000_000_000)

    /// What the agent counts with. The gap of a unit is a tick whose half, with the jitter, makes one second.
    static func terms(timeout: UInt8, margin: UInt8, gap: UInt8) -> LeaseTerms {
        let tick = (Duration.seconds(Int64(gap)) - LeaseTerms.jitter) * 2
        return LeaseTerms(timeout: .seconds(Int64(timeout) - Int64(margin)), tickTime: tick)
    }

    private func terms(_ state: LeaseState) -> LeaseTerms {
        let timeout = state.agentHasShorter == 1 ? setting.shorterTimeout : setting.timeout
        var terms = Self.terms(timeout: timeout, margin: setting.margin, gap: setting.gap)
        if setting.rule == .withoutGap { terms.gap = .zero }
        return terms
    }

    private static func moment(_ age: UInt8) -> Instant { now - .seconds(Int64(age)) }

    /// Whole units at whose beginning the lease is valid, from the present one on.
    private static func units(_ end: Instant) -> UInt8 {
        end <= now ? 0 : UInt8(((end - now).nanoseconds + 999_999_999) / 1_000_000_000)
    }

    /// The answer to the oldest outstanding write is looked at.
    func acknowledge(_ state: inout LeaseState) {
        let sentAge = state.outstanding[0]
        state.outstanding[0] = state.outstanding[1]
        state.outstanding[1] = 0
        state.outstandingCount -= 1
        state.answers -= 1
        if setting.reconnects + setting.leaderChanges > 0 { state.acknowledgedAge = sentAge }
        let terms = terms(state)
        let claim = { (age: UInt8) in Self.units(terms.end(from: Self.moment(age))) }
        switch setting.rule {
        case .anchored, .withoutGap:
            var lease = lease(state, terms)
            lease.acknowledged(sentAt: Self.moment(sentAge), acknowledgedAt: Self.now, generation: 1)
            state.leaseLeft = max(state.leaseLeft, Self.units(lease.provenUntil))
        case .anchoredStrictly:
            // i's acknowledgement was processed in an earlier unit than the one in which k was sent.
            if let i = lastIndex(state, where: { state.acknowledged[$0] > sentAge }), let j = anchor(state, before: i) {
                state.leaseLeft = max(state.leaseLeft, claim(state.sent[j]))
            }
        case .fromAcknowledgement: state.leaseLeft = max(state.leaseLeft, claim(0))
        case .fromSending: state.leaseLeft = max(state.leaseLeft, claim(sentAge))
        case .fromSendingLessPing:
            state.leaseLeft = max(state.leaseLeft, claim(sentAge + setting.gap + setting.pause))
        case .withoutThirdLeg:
            if let j = lastIndex(state, where: { state.acknowledged[$0] >= sentAge + setting.gap }) {
                state.leaseLeft = max(state.leaseLeft, claim(state.sent[j]))
            }
        }
        remember(sentAge, &state)
    }

    /// A reconnect within the session was accepted, by the event that the library gives.
    func reconnected(_ state: inout LeaseState) {
        var lease = lease(state, terms(state))
        state.agentHasShorter = state.leaderHasShorter
        lease.reconnected(generation: 2, terms: terms(state), handshake: Self.moment(state.handshakeAge))
        state.leaseLeft = Self.units(lease.provenUntil)
        forget(&state)
    }

    /// The product's lease in this state: the same proof, and the renewals that can still become i or j.
    func lease(_ state: LeaseState, _ terms: LeaseTerms) -> AnchoredLease {
        // The whole unit from which what is left counts.
        let anchor = Self.now + .seconds(Int64(state.leaseLeft)) - terms.timeout
        var lease = AnchoredLease(session: 1, terms: terms, generation: 1, handshake: anchor)
        for index in 0..<Int(state.renewals) {
            lease.acknowledged(
                sentAt: Self.moment(state.sent[index]), acknowledgedAt: Self.moment(state.acknowledged[index]),
                generation: 1)
        }
        return lease
    }

    private func lastIndex(_ state: LeaseState, where matches: (Int) -> Bool) -> Int? {
        (0..<Int(state.renewals)).last(where: matches)
    }

    private func anchor(_ state: LeaseState, before i: Int) -> Int? {
        lastIndex(state) { state.acknowledged[$0] >= state.sent[i] + setting.gap }
    }

    private func remember(_ sentAge: UInt8, _ state: inout LeaseState) {
        if state.renewals == 5 { drop(first: &state) }
        let index = Int(state.renewals)
        state.sent[index] = sentAge
        state.acknowledged[index] = 0
        state.renewals += 1
        trim(&state)
    }

    /// Mirrors `AnchoredLease.remember`, and leaves out what is older than any lease.
    func trim(_ state: inout LeaseState) {
        while state.renewals > 0, state.sent[0] >= setting.timeout { drop(first: &state) }
        guard setting.rule != .anchoredStrictly else { return }
        let gap = setting.rule == .withoutGap ? 0 : setting.gap
        while state.renewals > 2, state.acknowledged[1] >= state.sent[Int(state.renewals) - 1] + gap {
            drop(first: &state)
        }
    }

    private func drop(first state: inout LeaseState) {
        for index in 0..<4 {
            state.sent[index] = state.sent[index + 1]
            state.acknowledged[index] = state.acknowledged[index + 1]
        }
        state.sent[4] = 0
        state.acknowledged[4] = 0
        state.renewals -= 1
    }

    func forget(_ state: inout LeaseState) {
        while state.renewals > 0 { drop(first: &state) }
    }
}
