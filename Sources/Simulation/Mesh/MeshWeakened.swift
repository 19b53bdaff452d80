import HACore

/// The decision as it would be without one of its guards.
extension MeshWeakness {
    func decide(_ view: MeshView, _ memory: MeshMemory) -> MeshDecision {
        var decision = decideMesh(weakened(view), memory)
        decision.actions = weakened(decision.actions, view)
        return decision
    }

    private func weakened(_ view: MeshView) -> MeshView {
        var view = view
        let own = view.own
        switch self {
        case .noBurn where own?.state == .gated: view.server.position = LSN(1 << 60)
        case .noWaiting:
            guard let fork = own?.fork, own?.state == .gated else { return view }
            changeWords(&view) { word, _ in word.answered = fork.term }
        case .workerStays:
            for name in view.databases.keys {
                for index in view.databases[name]!.subscriptions.indices where isShut(view, name, index) {
                    view.databases[name]?.subscriptions[index].hasWorker = false
                }
            }
        case .noRewind:
            guard let fork = own?.fork else { return view }
            changeWords(&view) { word, _ in word.rewind = .init(term: fork.term, isDone: true) }
        case .holdUnproved:
            let (term, databases) = (view.term, view.databases)
            changeWords(&view) { word, link in
                guard let slot = word.slot, let real = databases[link.database]?.slots[slot] else { return }
                word.safe = .init(confirmed: real.confirmed, position: .zero, term: term)
            }
        case .noSettingBack:
            for index in view.peers.indices {
                view.peers[index].record.earlierForks = []
                guard view.peers[index].record.fork?.openedAt != nil else { continue }
                view.peers[index].record.fork?.openedAt = LSN(1 << 60)
            }
        case .senderStays:
            for peer in view.peers {
                for (link, word) in peer.record.links where link.peer == view.settings.node {
                    let rewind = own?.links[MeshLink(link.database, peer.record.node)]?.rewind
                    guard let slot = word.slot, let fork = peer.record.fork, rewind?.term != fork.term else { continue }
                    view.databases[link.database]?.slots[slot]?.activePID = nil
                }
            }
        case .copyTrusted where own?.term != view.term:
            for link in own?.links.keys.sorted() ?? [] { view.own?.links[link]?.rewind?.isMoved = false }
        case .forksForgotten:
            for index in view.peers.indices { view.peers[index].record.earlierForks = [] }
        default: break
        }
        return view
    }

    private func isShut(_ view: MeshView, _ name: String, _ index: Int) -> Bool {
        view.routes[view.databases[name]!.subscriptions[index].provider] == .shut
    }

    /// What the peers say of their links with this cluster.
    private func changeWords(_ view: inout MeshView, _ change: (inout MeshLinkRecord, MeshLink) -> Void) {
        for index in view.peers.indices {
            for link in view.peers[index].record.links.keys where link.peer == view.settings.node {
                change(&view.peers[index].record.links[link]!, link)
            }
        }
    }

    private func weakened(_ actions: [MeshAction], _ view: MeshView) -> [MeshAction] {
        switch self {
        case .openEarly:
            return actions.filter { $0 == .openClients } + actions.filter { $0 != .openClients }
        case .kickUnrecorded:
            return actions.map { action in
                guard case .publish(var record) = action else { return action }
                for link in record.links.keys { record.links[link]?.kick = false }
                return .publish(record)
            }
        default: return actions
        }
    }
}
