import HACore

extension Measurements {
    /// Decisions of the leader of one zone of three.
    func addMeshDecisions() {
        var atRest = MeshScene()
        atRest.settle()
        let rest = decideMesh(atRest.view, atRest.memory)
        precondition(rest.actions.isEmpty && rest.problems.isEmpty, "not at rest: \(rest.actions) \(rest.problems)")
        add("decideMesh: at rest") { [view = atRest.view, memory = atRest.memory] _ in decideMesh(view, memory) }

        var promoted = atRest
        promoted.promote()
        let fork = decideMesh(promoted.view, promoted.memory)
        precondition(
            fork.actions.contains { if case .publish(let record) = $0 { record.state == .gated } else { false } })
        add("decideMesh: just promoted") { [view = promoted.view, memory = promoted.memory] _ in
            decideMesh(view, memory)
        }

        var gated = promoted
        gated.settle()
        let waiting = decideMesh(gated.view, gated.memory)
        precondition(gated.view.own?.state == .gated && !waiting.actions.contains(.openClients), "\(waiting.actions)")
        add("decideMesh: waiting for the peers") { [view = gated.view, memory = gated.memory] _ in
            decideMesh(view, memory)
        }
    }
}
