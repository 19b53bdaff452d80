import HACore

/// How far an agent has come in changing to a session with another timeout.
struct SimTimeoutChange {
    /// Being made, not used yet.
    var preparing: SimHandle?
    /// Connected, with its lease znode: takes the place of the present one at the next look between effects.
    var ready: SimHandle?
    /// Still alive, until neither the lock nor the member's record is its own.
    var former: SimHandle?
}

/// A changed `ttl`: a second session takes the first one's place, then the lock moves to it (design/lock.md 2.4).
extension SimAgent {
    /// Between effects only, and not in a hand-over: none may begin in one session and end in the next.
    func followTimeout() {
        guard let first = handle, first.isConnected, isPrepared, running == nil, !unsettled, !isHandingOver,
            change.former == nil
        else { return }
        if let ready = change.ready {
            change.ready = nil
            guard ready.timeout == world.sessionTimeout, ready.isConnected else { return ready.close() }
            change.former = first
            use(ready)
            return
        }
        guard change.preparing == nil, first.timeout != world.sessionTimeout else { return }
        let second = makeHandle(session: 0)
        change.preparing = second
        second.open()
    }

    /// An event of a session that is not the present one.
    func otherSessionEvent(_ event: SimHandle.Event, of other: SimHandle) {
        switch event {
        case .connected where other === change.preparing:
            let path = SimPath.lease(node.index, other.session)
            other.multi([.create(path, .empty, ephemeral: true)]) { [self] result in
                guard other === change.preparing else { return }
                change.preparing = nil
                if case .success = result { change.ready = other } else { other.close() }
                wake(urgent: true)
            }
        case .expired:
            if other === change.preparing { change.preparing = nil }
            if other === change.ready { change.ready = nil }
            if other === change.former { change.former = nil }
        default: break
        }
    }

    /// The present session is over. True when the one before, which may still hold the lock, takes its place back.
    func fallBack() -> Bool {
        change.preparing?.close()
        change.ready?.close()
        change.preparing = nil
        change.ready = nil
        guard let former = change.former else { return false }
        change.former = nil
        renewals.sessionEnded()
        use(former)
        return true
    }

    /// The former session ends once nothing of ours goes with it.
    func retire(_ tree: SimTree) {
        guard let former = change.former, tree[.leader]?.owner != former.session,
            tree[.member(node.index)]?.owner != former.session
        else { return }
        change.former = nil
        former.close()
        let session = former.session
        world.after(world.latency) { [self] in world.zookeeper.close(session) }
    }
}
