/// Copying a peer's rows over ours on request: the way out of a gap that is held, of a replaced peer, and of rows that
/// differ. For one table Spock's `sub_resync_table`; for everything the subscription is dropped and made anew with a copy,
/// which makes its slot, too.
///
/// What is lost with our rows must have reached the peer before, and no other peer's worker may bring rows that the copy
/// has as well: the ways to them are shut until it is done.
extension MeshLook {
    /// The peer is near enough to be waited for under a lock.
    private static let nearby: UInt64 = 16 << 20

    /// Whose rows come now; one peer after the other.
    var copiedPeer: String? {
        let asked = peers.filter { peer in view.intents.resyncs.keys.contains { $0.link.peer == peer.record.node } }
        let begun = asked.first { peer in
            view.intents.resyncs.contains { $0.key.link.peer == peer.record.node && $0.value == .copying }
        }
        return (begun ?? asked.first { $0.isCurrent && $0.record.state == .open })?.record.node
    }

    mutating func resync() {
        // What copies connects as a client does: behind the gate it could write nothing.
        guard isOpen, !view.server.clientsAreShut else { return }
        for (resync, stage) in view.intents.resyncs.sorted(by: { $0.key < $1.key }) {
            guard let peer = peers.first(where: { $0.record.node == resync.link.peer }),
                let database = view.databases[resync.link.database]
            else {
                problem(resync.link, "a copy was asked for; the peer or the database cannot be seen now")
                continue
            }
            switch stage {
            case .requested: begin(resync, peer, database)
            case .copying: finish(resync, peer, database)
            }
        }
    }

    // MARK: The beginning

    private mutating func begin(_ resync: MeshIntents.Resync, _ peer: MeshView.Peer, _ database: MeshDatabase) {
        let link = resync.link
        guard copiedPeer == link.peer, peer.isCurrent, peer.record.state == .open else {
            return problem(link, "the copy that was asked for waits until the peer is open and no other copy runs")
        }
        guard isQuiet(but: link.peer) else {
            return problem(link, "the copy that was asked for waits for the workers of the other peers to end")
        }
        guard hasHeard(peer, link, database) else {
            return problem(link, "the copy that was asked for waits until the peer has applied what was written here")
        }
        let subscription = database.subscription(to: link.peer)
        let isReachable = settings.connection.mode != .service || view.routes[link.peer].map { $0 != .shut } ?? false
        if let table = resync.table {
            guard let subscription, subscription.isEnabled, isReachable else {
                return problem(link, "the copy of \(table) waits until changes of the peer are applied here")
            }
            copy(link, peer, .table(subscription: subscription.name, table: table))
            steps.append(.amend(.copies(resync)))
        } else if let subscription {
            copy(link, peer, .leave(subscription: subscription.name, slot: subscription.slot))
        } else if isReachable {
            let name = settings.subscription(to: link.peer)
            record.links[link]?.subscription = name
            // As for any new subscription: on record first, and no older slot has to go back on the peer.
            guard view.own?.links[link]?.subscription == name, hasSettled(peer, link) else {
                return recheck(.milliseconds(50))
            }
            let dsn = dsn(of: link.peer, peer.record, link.database)
            copy(link, peer, .begin(subscription: name, dsn: dsn, forwardOrigins: settings.forwardOrigins))
            steps.append(.amend(.copies(resync)))
        }
        recheck(.milliseconds(50))
    }

    private mutating func copy(_ link: MeshLink, _ peer: MeshView.Peer, _ step: MeshCopy.Step) {
        steps.append(
            .copy(
                MeshCopy(
                    link: link, address: peer.record.address, fixed: peer.record.fixed, sets: settings.subscribedSets,
                    slotOfPeer: word(of: peer, link).flatMap { $0.subscription == nil ? nil : $0.slot }, step: step)))
    }

    /// No worker of another peer applies anything: with the ways shut none comes back.
    private mutating func isQuiet(but peer: String) -> Bool {
        guard settings.connection.mode == .service else { return true }
        var isQuiet = true
        for other in peers where other.record.node != peer {
            for (link, database) in links(with: other) {
                guard let subscription = database.subscription(to: link.peer), subscription.hasWorker else { continue }
                isQuiet = false
                recheck(.milliseconds(50))
                if view.routes[link.peer] == .shut, isKickDue(link, after: .milliseconds(500)) {
                    kick(link, subscription)
                }
            }
        }
        return isQuiet
    }

    /// A peer that takes our changes has nearly all of them; one that takes none misses nothing by the copy.
    private func hasHeard(_ peer: MeshView.Peer, _ link: MeshLink, _ database: MeshDatabase) -> Bool {
        guard let word = word(of: peer, link), word.subscription != nil, let name = word.slot,
            let slot = database.slots[name], !slot.isLost
        else { return true }
        return slot.activePID != nil && view.server.position.bytesAhead(of: slot.confirmed) < Self.nearby
    }

    private func hasSettled(_ peer: MeshView.Peer, _ link: MeshLink) -> Bool {
        guard let fork = record.fork else { return true }
        return word(of: peer, link)?.rewind.map { $0.term == fork.term && $0.isDone } ?? false
    }

    // MARK: The end

    private mutating func finish(_ resync: MeshIntents.Resync, _ peer: MeshView.Peer, _ database: MeshDatabase) {
        let link = resync.link
        recheck(.milliseconds(500))
        guard let subscription = database.subscription(to: link.peer) else {
            return problem(link, "the subscription that copies is gone: ask for the copy again")
        }
        if subscription.status == "replicating", subscription.copying.isEmpty {
            steps.append(.amend(.ended(resync, accepted: resync.table == nil ? filledGap(link, peer) : nil)))
        } else if subscription.status == "down" {
            problem(
                link,
                "the copy stands still: PostgreSQL's log says why. Ask for it again to begin anew; rows that somebody "
                    + "writes here meanwhile can be in its way")
        } else {
            copy(link, peer, .wake)
        }
    }

    /// The fork whose gap the peer still has on record.
    private func filledGap(_ link: MeshLink, _ peer: MeshView.Peer) -> Term? {
        guard let fork = record.fork, let rewind = word(of: peer, link)?.rewind, rewind.term == fork.term,
            rewind.gap != nil
        else { return nil }
        return fork.term
    }
}
