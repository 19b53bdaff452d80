import HACore

/// The anchored lease, or one of the formulas that look right and are not: the simulation has to find what is wrong
/// with each of them.
struct SimLease {
    private var real: AnchoredLease
    private let weakness: Weakness?
    private var claimed: Instant?
    private var earlier: [(sentAt: Instant, acknowledgedAt: Instant)] = []

    init(_ real: AnchoredLease, _ weakness: Weakness?) {
        self.real = real
        self.weakness = weakness
    }

    var session: Int64 { real.session }
    var terms: LeaseTerms { real.terms }
    var provenUntil: Instant { max(claimed ?? real.provenUntil, real.provenUntil) }

    var view: LeaseView {
        LeaseView(session: session, anchor: real.anchor, provenUntil: provenUntil, terms: terms)
    }

    mutating func reconnected(generation: UInt64, terms: LeaseTerms, handshake: Instant) {
        if generation != real.generation { earlier = [] }
        real.reconnected(generation: generation, terms: terms, handshake: handshake)
    }

    mutating func acknowledged(sentAt: Instant, acknowledgedAt: Instant, generation: UInt64) -> Bool {
        let before = provenUntil
        real.acknowledged(sentAt: sentAt, acknowledgedAt: acknowledgedAt, generation: generation)
        defer { earlier.append((sentAt, acknowledgedAt)) }
        switch weakness {
        case .countFromAcknowledgement: claimed = terms.end(from: acknowledgedAt)
        case .countFromSending: claimed = terms.end(from: sentAt)
        case .noGap:
            // j, i, k one after the other, without the pause that a ping needs.
            if earlier.count >= 2 { claimed = terms.end(from: earlier[earlier.count - 2].sentAt) }
        case .noThirdLeg:
            if let j = earlier.last(where: { $0.acknowledgedAt + terms.gap <= sentAt }) {
                claimed = terms.end(from: j.sentAt)
            }
        default: break
        }
        if earlier.count > 64 { earlier.removeFirst(32) }
        return provenUntil > before
    }
}
