/// This cluster as the provider of its peers: their slots, and the hold slots behind them (design/zones.md 3, 4).
extension MeshLook {
    mutating func keepSlots() {
        for peer in peers {
            for (link, database) in links(with: peer) {
                guard let name = word(of: peer, link)?.slot else {
                    // Who does not subscribe misses nothing.
                    settle(peer, link)
                    continue
                }
                keep(Slots(link, name, database), for: peer)
            }
        }
    }

    /// The slots of one link, as they are.
    private struct Slots {
        let link: MeshLink
        let name: String
        let holdName: String
        let real: MeshDatabase.Slot?
        let hold: MeshDatabase.Slot?

        init(_ link: MeshLink, _ name: String, _ database: MeshDatabase) {
            self.link = link
            self.name = name
            holdName = MeshLook.holdSlot(link)
            real = database.slots[name]
            hold = database.slots[holdName].flatMap { $0.isLost ? nil : $0 }
        }
    }

    private mutating func keep(_ slots: Slots, for peer: MeshView.Peer) {
        var own = record.links[slots.link] ?? MeshLinkRecord()
        own.confirmed = slots.real?.confirmed
        own.holdSlot = slots.hold == nil ? nil : slots.holdName
        record.links[slots.link] = own
        guard isOpen else { return }
        if let fork = peer.record.fork, own.rewind?.term != fork.term || own.rewind?.isDone == false {
            // Only its present leader knows how far it has applied us.
            if peer.isCurrent { rewind(slots, to: fork, of: peer, own) }
            return
        }
        guard withinBudget(slots) else { return }
        hold(slots, for: peer)
    }

    /// Nothing of this link has to go back.
    private mutating func settle(_ peer: MeshView.Peer, _ link: MeshLink) {
        guard isOpen, peer.isCurrent, let fork = peer.record.fork else { return }
        record.links[link, default: MeshLinkRecord()].rewind = .init(term: fork.term, isDone: true)
    }

    // MARK: The way back

    /// The promoted standby lacks what its predecessor had confirmed: its slot goes back to the hold slot.
    private mutating func rewind(
        _ slots: Slots, to fork: MeshRecord.Fork, of peer: MeshView.Peer, _ own: MeshLinkRecord
    ) {
        guard let origin = word(of: peer, slots.link)?.origin else { return recheck(.milliseconds(100)) }
        let hasBegun = own.rewind?.term == fork.term
        var outcome = MeshLinkRecord.Rewind(term: fork.term, isDone: true)
        guard let hold = slots.hold else {
            // Keepalives move a slot, too: without a hold slot a gap can only be suspected.
            if let real = slots.real, real.confirmed > origin {
                outcome.gap = MeshRange(from: origin, to: real.confirmed)
            }
            record.links[slots.link]?.rewind = outcome
            return
        }
        let safe = word(of: peer, slots.link)?.safe
        let isProof =
            hold.confirmed <= origin
            || safe.map { $0.confirmed >= hold.confirmed && fork.position >= $0.position } == true
        if !isProof { outcome.gap = MeshRange(from: origin, to: hold.confirmed) }
        if let real = slots.real, real.confirmed <= max(origin, hold.confirmed) {
            record.links[slots.link]?.rewind = outcome
            return
        }
        outcome.isDone = false
        record.links[slots.link]?.rewind = outcome
        // On record first: whoever leads next finishes it.
        guard hasBegun, published?.links[slots.link]?.rewind?.term == fork.term else {
            return recheck(.milliseconds(20))
        }
        if slots.real != nil { steps.append(.run(database: slots.link.database, .dropSlot(slots.name))) }
        steps.append(.run(database: slots.link.database, .copySlot(from: slots.holdName, to: slots.name)))
    }

    // MARK: Hold slots

    static func holdSlot(_ link: MeshLink) -> String {
        let name = MemberID("hold_\(link.database)_\(link.peer)").slotName
        return name
    }

    private mutating func hold(_ slots: Slots, for peer: MeshView.Peer) {
        guard settings.holdSlots, peer.isCurrent, peer.record.state == .open else { return }
        guard let hold = slots.hold else {
            guard let real = slots.real, !real.isLost, real.activePID != nil else { return }
            steps.append(.run(database: slots.link.database, .copySlot(from: slots.name, to: slots.holdName)))
            return
        }
        if let safe = word(of: peer, slots.link)?.safe, safe.term == view.term, safe.confirmed > hold.confirmed,
            let real = slots.real, safe.confirmed <= real.confirmed
        {
            steps.append(.run(database: slots.link.database, .advanceSlot(slots.holdName, safe.confirmed)))
        }
    }

    /// A peer that stays away must not fill the disk here.
    private mutating func withinBudget(_ slots: Slots) -> Bool {
        func kept(_ slot: MeshDatabase.Slot) -> UInt64 { view.server.position.bytesAhead(of: slot.restart) }
        let database = slots.link.database
        if let hold = slots.hold, kept(hold) > settings.holdMaxWAL {
            find(.holdDropped, slots.link, range: MeshRange(from: hold.confirmed, to: view.server.position))
            steps.append(.run(database: database, .dropSlot(slots.holdName)))
            return false
        }
        guard let limit = settings.slotMaxWAL, let real = slots.real, real.activePID == nil else { return true }
        if kept(real) > limit {
            find(.slotDropped, slots.link, range: MeshRange(from: real.confirmed, to: view.server.position))
            steps.append(.run(database: database, .dropSlot(slots.name)))
            if slots.hold != nil { steps.append(.run(database: database, .dropSlot(slots.holdName))) }
            return false
        }
        if kept(real) > limit / 2 {
            problem(slots.link, "slot \(slots.name) keeps \(kept(real)) bytes of WAL; at \(limit) it is removed")
        }
        return true
    }
}
