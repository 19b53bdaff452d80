/// Whether an absent `leader` means that its last holder cannot be writable any more: judged by `epoch`'s data, never by
/// the last `leader` seen (lock.md 5, M2).
enum AbsenceProof {
    case proven
    /// Somebody else removed the lock of a session that lives: only that member may take it.
    case reserved(for: MemberID)
    case wait(until: Instant)

    init(_ s: Situation, store: StoreView, epoch: StoreView.Epoch) {
        switch epoch.holder {
        case .released: self = .proven
        case .taken(let member, let session, _):
            if !store.livingSessions.contains(session) || member == s.view.me {
                self = .proven
            } else {
                self = .reserved(for: member)
            }
        case .nobody:
            // Nobody of ours has led since a Patroni's lock was first seen beside this `epoch`: its end is proof that its
            // holder let go, who is asked like everybody else.
            guard let terms = s.view.lease?.terms, let since = s.memory.foreignSince ?? s.memory.absentSince else {
                self = .wait(until: s.view.now + .seconds(1))
                return
            }
            let until = since + terms.timeout + LeaseTerms.margin
            self = s.view.now >= until ? .proven : .wait(until: until)
        }
    }
}
