/// Looks at the mesh once, as the leader of a cluster. Pure: the same view and memory give the same decision.
///
/// What is to be shut is shut first; then comes the record, which tells only what was seen and what is about to begin;
/// then what opens, on record already; then the server's work, which may fail without holding up the rest.
public func decideMesh(_ view: MeshView, _ memory: MeshMemory) -> MeshDecision {
    var look = MeshLook(view, memory)
    look.refuseNames()
    look.passGate()
    look.followPeers()
    look.keepSlots()
    look.reconcile()
    return look.decision(look.routes())
}

extension MeshLook {
    /// Registers, removes and copies; in pause it says only that it would (contract/patroni.md 4.18). What keeps rows from
    /// being lost has no pause.
    fileprivate mutating func reconcile() {
        var look = self
        look.plan()
        look.resync()
        guard view.isPaused else {
            self = look
            return
        }
        problems = look.problems
        let waiting = look.steps.count - steps.count
        if waiting > 0 { problem(nil, "the cluster is paused; steps that wait until it is resumed: \(waiting)") }
    }

    fileprivate mutating func decision(_ routes: [String: MeshRoute]) -> MeshDecision {
        // A peer that has moved is shut before it is opened at its new place.
        let shut = routes.merging(routes.filter { view.routes[$0.key] != $0.value }.mapValues { _ in .shut }) { $1 }
        for peer in peers where routes[peer.record.node] != shut[peer.record.node] { wake(peer) }
        for (link, _) in kicks { record.links[link]?.kick = true }
        var actions: [MeshAction] = []
        if shut != view.routes { actions.append(.route(shut)) }
        if isWorthPublishing {
            actions.append(.publish(record))
            memory.publishedAt = view.now
        }
        if routes != shut { actions.append(.route(routes)) }
        for (database, kicks) in Dictionary(grouping: kicks, by: \.link.database).sorted(by: { $0.key < $1.key }) {
            actions.append(.run(database: database, .kick(subscriptions: kicks.map(\.subscription))))
        }
        if record.state == .open, view.server.clientsAreShut { actions.append(.openClients) }
        actions += steps
        var decision = MeshDecision(reason: reason, memory: memory, recheckAfter: pause)
        decision.actions = actions
        decision.problems = problems
        return decision
    }

    /// The way to it opens: a worker that has given up, or hangs on a dead connection, connects at once.
    private mutating func wake(_ peer: MeshView.Peer) {
        for (link, database) in links(with: peer) {
            guard let subscription = database.subscription(to: link.peer), subscription.isEnabled,
                !kicks.contains(where: { $0.link == link })
            else { continue }
            kick(link, subscription)
        }
    }

    /// Numbers that move all the time are told at a slower pace than the rest.
    private var isWorthPublishing: Bool {
        guard let own = view.own else { return true }
        if own == record { return false }
        if own.steady != record.steady || record.state == .gated { return true }
        return memory.publishedAt.map { view.now - $0 >= settings.copyInterval } ?? true
    }

    private var reason: String {
        switch record.state {
        case .gated: "promoted: clients wait until every peer has said how far it has applied this cluster"
        case .open:
            problems.isEmpty ? "the mesh is as it should be" : "something in the mesh is not as it should be"
        }
    }
}

extension MeshRecord {
    /// Without the positions of a mesh at work.
    fileprivate var steady: MeshRecord {
        var record = self
        for link in links.keys {
            record.links[link]?.origin = links[link]?.origin.map { _ in .zero }
            record.links[link]?.confirmed = links[link]?.confirmed.map { _ in .zero }
            record.links[link]?.safe = nil
            record.links[link]?.status = nil
        }
        return record
    }
}
