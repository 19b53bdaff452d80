/// Which ways to the peers are open: the gate of the apply workers (design/zones.md 1).
extension MeshLook {
    /// The way to each peer from now on. Closed first, opened last.
    mutating func routes() -> [String: MeshRoute] {
        var routes: [String: MeshRoute] = [:]
        for peer in view.peers where peer.record.node != me { routes[peer.record.node] = .shut }
        for name in view.routes.keys { routes[name] = .shut }
        for peer in peers where mayReach(peer) { routes[peer.record.node] = .open(peer.record.address) }
        return routes
    }

    private mutating func mayReach(_ peer: MeshView.Peer) -> Bool {
        guard isOpen, peer.isCurrent, peer.record.state == .open, !peer.record.address.host.isEmpty else {
            return false
        }
        if let copiedPeer, copiedPeer != peer.record.node { return false }
        var isFree = true
        for (link, database) in links(with: peer) {
            if let known = record.links[link]?.peerSystem, known != peer.record.systemIdentifier {
                find(.peerReplaced, link)
                problem(link, "the peer was made anew: resync or remove it")
                isFree = false
            }
            guard database.subscription(to: link.peer) != nil, settings.applyGate == .service else { continue }
            isFree = mayApply(peer, link) && isFree
        }
        // What cannot be read now is neither opened nor shut for that.
        for name in settings.databases where view.databases[name] == nil {
            let link = MeshLink(name, peer.record.node)
            guard case .open = view.routes[link.peer] ?? .shut, settings.applyGate == .service else { return false }
            if record.links[link]?.subscription != nil { isFree = mayApply(peer, link) && isFree }
        }
        return isFree
    }

    private mutating func mayApply(_ peer: MeshView.Peer, _ link: MeshLink) -> Bool {
        if let fork = peer.record.fork {
            guard hasFollowed(record.links[link], fork), hasFollowed(view.own?.links[link], fork) else { return false }
        }
        if let gap = gap(peer, link) { find(.gap, link, range: gap) }
        guard isReturned(peer, link) else {
            explain(peer, link)
            return false
        }
        return true
    }

    /// In the tree, too: whoever leads next does not set back what a worker has applied since.
    private func hasFollowed(_ word: MeshLinkRecord?, _ fork: MeshRecord.Fork) -> Bool {
        guard let word, word.answered == fork.term, word.followed == fork.term else { return false }
        return word.setBack == nil || word.setBack?.finished != nil
    }

    private func gap(_ peer: MeshView.Peer, _ link: MeshLink) -> MeshRange? {
        guard let fork = record.fork, let rewind = word(of: peer, link)?.rewind, rewind.term == fork.term else {
            return nil
        }
        return rewind.isDone ? rewind.gap : nil
    }

    private mutating func explain(_ peer: MeshView.Peer, _ link: MeshLink) {
        guard let gap = gap(peer, link) else {
            recheck(.milliseconds(500))
            return problem(link, "waiting for the peer to bring its slot back to where this server is")
        }
        if settings.onGap == .resync, view.intents.resync(of: link) == nil {
            steps.append(.amend(.resync(MeshIntents.Resync(link))))
        }
        problem(
            link, "changes of the peer from \(gap) may be missing here: nothing of it is applied until that is mended")
    }
}
