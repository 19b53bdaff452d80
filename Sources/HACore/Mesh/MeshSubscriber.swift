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
        own.origin = subscription.flatMap { database.origins[$0.slot] } ?? .zero
        if own.peerSystem == nil || subscription == nil { own.peerSystem = peer.record.systemIdentifier }
        // What begins now begins on the timeline that the peer has now.
        if isNew || subscription == nil {
            own.answered = peer.record.fork?.term
            own.followed = own.answered
            (own.setBack, own.safe) = (nil, nil)
        }
        if let subscription {
            setBack(link, subscription, &own)
            if let fork = peer.record.fork, peer.isCurrent {
                if own.answered != fork.term { answer(fork, link, subscription, &own) }
                if own.answered == fork.term, own.followed != fork.term { compare(fork, peer, link, &own) }
            }
            finishKick(link, subscription, &own)
        }
        proveSafe(peer, link, subscription, &own)
        record.links[link] = own
    }

    // MARK: After the peer's promotion

    /// With the way shut and no worker left the progress stands still: read now, it is the answer.
    private mutating func answer(
        _ fork: MeshRecord.Fork, _ link: MeshLink, _ subscription: MeshDatabase.Subscription,
        _ own: inout MeshLinkRecord
    ) {
        guard settings.applyGate == .service else {
            own.answered = fork.term
            return
        }
        recheck(.milliseconds(20))
        guard view.routes[link.peer] == .shut else { return }
        guard subscription.hasWorker else {
            own.answered = fork.term
            return
        }
        // The worker of a disabled subscription is ending by itself.
        guard subscription.isEnabled, isKickDue(link, after: .milliseconds(500)) else { return }
        kick(link, subscription)
    }

    /// The peer is open. Where it did not count with this answer, what it has written since would be skipped.
    private mutating func compare(
        _ fork: MeshRecord.Fork, _ peer: MeshView.Peer, _ link: MeshLink, _ own: inout MeshLinkRecord
    ) {
        guard peer.record.state == .open, let origin = own.origin,
            let (divergence, opened) = peer.record.unfollowed(since: own.followed), let openedAt = opened
        else { return }
        own.followed = fork.term
        guard settings.applyGate == .service else { return }
        if origin > openedAt { own.setBack = .init(to: openedAt) }
        let isNamed = peer.record.findings.contains { finding in
            finding.kind == .ahead && finding.link == MeshLink(link.database, me)
                && finding.range.map { $0.from <= divergence && $0.to >= origin } == true
        }
        if origin > divergence, !isNamed {
            find(.aheadOfPeer, link, range: MeshRange(from: divergence, to: origin))
        }
    }

    /// The way is shut until it is done and the tree says so.
    private mutating func setBack(
        _ link: MeshLink, _ subscription: MeshDatabase.Subscription, _ own: inout MeshLinkRecord
    ) {
        guard let setBack = own.setBack, setBack.finished == nil, let origin = own.origin else { return }
        recheck(.milliseconds(20))
        guard origin > setBack.to else {
            own.setBack?.finished = view.server.position
            return
        }
        // Peers count with where a worker is going to start.
        own.origin = setBack.to
        // On record first, with what is found beyond: afterwards nothing shows it any more.
        guard view.own?.links[link]?.setBack?.to == setBack.to, view.routes[link.peer] == .shut,
            !subscription.hasWorker
        else { return }
        steps.append(.run(database: link.database, .setOrigin(subscription.slot, setBack.to)))
    }

    // MARK: Kicks

    private mutating func finishKick(
        _ link: MeshLink, _ subscription: MeshDatabase.Subscription, _ own: inout MeshLinkRecord
    ) {
        if own.kick {
            if subscription.isEnabled {
                own.kick = false
                own.kicked = view.server.position
            } else {
                steps.append(.run(database: link.database, .enable(subscription: subscription.name)))
                recheck(.milliseconds(20))
            }
        } else if !subscription.isEnabled {
            problem(link, "subscription \(subscription.name) is disabled, not by this agent: it is left so")
        }
    }

    func isKickDue(_ link: MeshLink, after pause: Duration = MeshLook.kickPause) -> Bool {
        memory.kickedAt[link].map { view.now - $0 >= pause } ?? true
    }

    mutating func kick(_ link: MeshLink, _ subscription: MeshDatabase.Subscription) {
        memory.kickedAt[link] = view.now
        kicks.append((link, subscription.name))
    }

    // MARK: Proof for the peer's hold slot

    /// What every standby here has, the peer need not keep for us any longer.
    private mutating func proveSafe(
        _ peer: MeshView.Peer, _ link: MeshLink, _ subscription: MeshDatabase.Subscription?, _ own: inout MeshLinkRecord
    ) {
        guard isOpen, peer.isCurrent, case .open = view.routes[link.peer] ?? .shut, subscription != nil,
            isReturned(peer, link), view.intents.resync(of: link) == nil,
            let confirmed = word(of: peer, link)?.confirmed
        else {
            memory.pendingSafe[link] = nil
            return
        }
        // Kept until the tree has it: numbers are told at a slower pace than they are looked at.
        if let pending = memory.pendingSafe[link], pending.term == peer.record.term, pending != own.safe {
            let standbys = view.server.standbys.values
            let isThere =
                view.otherMembers == 0 || (!standbys.isEmpty && standbys.allSatisfy { $0 >= pending.position })
            guard isThere else { return recheck(.seconds(1)) }
            own.safe = pending
        } else if confirmed > own.safe?.confirmed ?? .zero {
            memory.pendingSafe[link] = MeshLinkRecord.Safe(
                confirmed: confirmed, position: view.server.position, term: peer.record.term)
            recheck(.seconds(1))
        }
    }

    /// The peer's slot has gone back to where this promoted server needs it, or nobody was promoted here.
    func isReturned(_ peer: MeshView.Peer, _ link: MeshLink) -> Bool {
        // What is copied now needs nothing of what came before.
        guard let fork = record.fork, view.intents.resync(of: link) != .copying else { return true }
        guard let rewind = word(of: peer, link)?.rewind, rewind.term == fork.term, rewind.isDone else { return false }
        return rewind.gap == nil || settings.onGap == .continue || view.intents.accepted[link] == fork.term
    }
}
