/// This cluster as the subscriber of its peers: what it has applied, and when a worker may go on (design/zones.md 3).
extension MeshLook {
    /// How long a worker may take to connect by itself before it gets a hand, and between two such.
    static let kickPause = Duration.seconds(5)

    mutating func followPeers() {
        for peer in peers {
            for (link, database) in links(with: peer) { follow(peer, link, database) }
        }
    }

    private mutating func follow(_ peer: MeshView.Peer, _ link: MeshLink, _ database: MeshDatabase) {
        let subscription = database.subscription(to: link.peer)
        let isNew = record.links[link] == nil
        var own = record.links[link] ?? MeshLinkRecord()
        own.subscription = subscription?.name
        own.slot = subscription?.slot
        own.status = subscription?.status
        own.origin = subscription.flatMap { database.origins[$0.slot] }
        if own.peerSystem == nil || subscription == nil { own.peerSystem = peer.record.systemIdentifier }
        // What begins now begins on the timeline that the peer has now.
        if isNew || subscription == nil { own.answered = peer.record.fork?.term }
        if let fork = peer.record.fork, own.answered != fork.term, peer.isCurrent, let subscription {
            answer(fork, link, subscription, &own)
            // Too late: the peer has opened without this answer, and what it has written since would be skipped.
            if own.answered == fork.term, let openedAt = peer.record.openedAt, let origin = own.origin,
                origin > openedAt
            {
                own.setBack = openedAt
                find(.ahead, link, range: MeshRange(from: fork.position, to: origin))
            }
        }
        if let setBack = own.setBack, let subscription, let origin = own.origin {
            if origin <= setBack {
                own.setBack = nil
            } else if view.routes[link.peer] == .shut, !subscription.hasWorker {
                steps.append(.run(database: link.database, .setOrigin(subscription.slot, setBack)))
            }
        }
        if let subscription, own.kick {
            own.kick = !subscription.isEnabled
            if own.kick { steps.append(.run(database: link.database, .enable(subscription: subscription.name))) }
        } else if let subscription, !subscription.isEnabled {
            problem(link, "subscription \(subscription.name) is disabled, not by this agent: it is left so")
        }
        proveSafe(peer, link, subscription, &own)
        record.links[link] = own
    }

    /// With the way shut and no worker left the progress stands still: read now, it is the answer.
    private mutating func answer(
        _ fork: MeshRecord.Fork, _ link: MeshLink, _ subscription: MeshDatabase.Subscription,
        _ own: inout MeshLinkRecord
    ) {
        guard settings.applyGate == .service else {
            own.answered = fork.term
            return
        }
        guard view.routes[link.peer] == .shut else { return recheck(.milliseconds(20)) }
        guard subscription.hasWorker else {
            own.answered = fork.term
            return
        }
        recheck(.milliseconds(20))
        guard isKickDue(link, after: .milliseconds(500)) else { return }
        kick(link, subscription)
    }

    /// What every standby here has, the peer need not keep for us any longer.
    private mutating func proveSafe(
        _ peer: MeshView.Peer, _ link: MeshLink, _ subscription: MeshDatabase.Subscription?, _ own: inout MeshLinkRecord
    ) {
        guard isOpen, peer.isCurrent, case .open = view.routes[link.peer] ?? .shut, subscription != nil,
            isReturned(peer, link), let confirmed = word(of: peer, link)?.confirmed
        else {
            memory.pendingSafe[link] = nil
            return
        }
        if let pending = memory.pendingSafe[link], pending.term == peer.record.term {
            let standbys = view.server.standbys.values
            let isThere =
                view.otherMembers == 0 || (!standbys.isEmpty && standbys.allSatisfy { $0 >= pending.position })
            guard isThere else { return recheck(.seconds(1)) }
            own.safe = pending
            memory.pendingSafe[link] = nil
        } else if confirmed > own.safe?.confirmed ?? .zero {
            memory.pendingSafe[link] = MeshLinkRecord.Safe(
                confirmed: confirmed, position: view.server.position, term: peer.record.term)
            recheck(.seconds(1))
        }
    }

    /// The peer's slot has gone back to where this promoted server needs it, or nobody was promoted here.
    func isReturned(_ peer: MeshView.Peer, _ link: MeshLink) -> Bool {
        guard let fork = record.fork else { return true }
        guard let rewind = word(of: peer, link)?.rewind, rewind.term == fork.term, rewind.isDone else { return false }
        return rewind.gap == nil || settings.onGap == .continue || view.intents.accepted.contains(link)
    }

    func isKickDue(_ link: MeshLink, after pause: Duration = MeshLook.kickPause) -> Bool {
        memory.kickedAt[link].map { view.now - $0 >= pause } ?? true
    }

    mutating func kick(_ link: MeshLink, _ subscription: MeshDatabase.Subscription) {
        memory.kickedAt[link] = view.now
        kicks.append((link, subscription.name))
    }
}
