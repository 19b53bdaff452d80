/// This cluster as the provider of its peers: their slots, and the hold slots behind them (design/zones.md 3, 4).
extension MeshLook {
    mutating func keepSlots() {
        record.earlierForks = record.earlierForks.filter { fork in !peers.allSatisfy { hasFollowed($0, fork) } }
        for peer in peers {
            for (link, database) in links(with: peer) {
                let word = word(of: peer, link)
                guard let name = word?.slot else {
                    // Who does not subscribe misses nothing; who has not looked since its promotion may subscribe.
                    if word?.subscription == nil || word?.origin != nil { settle(peer, link) }
                    continue
                }
                keep(Slots(link, name, database), for: peer)
            }
        }
    }

    private func hasFollowed(_ peer: MeshView.Peer, _ fork: MeshRecord.Fork) -> Bool {
        peer.record.links.allSatisfy { link, word in
            link.peer != me || word.subscription == nil || word.followed.map { $0 >= fork.term } == true
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
        let known = own.confirmed
        let origin = word(of: peer, slots.link)?.origin
        own.confirmed = slots.real?.confirmed
        own.holdSlot = slots.hold == nil ? nil : slots.holdName
        if let real = slots.real, !real.isLost { own.provided = slots.name }
        record.links[slots.link] = own
        guard isOpen else { return }
        if slots.real == nil { missFurther(slots, of: peer) }
        // Only its present leader knows how far it has applied us.
        if let fork = peer.record.fork, own.rewind?.term != fork.term || own.rewind?.isDone == false {
            if !peer.isCurrent || !rewind(slots, to: fork, of: peer, own) { _ = withinBudget(slots, origin) }
        } else if own.provided == slots.name, slots.real?.isLost ?? true {
            miss(slots.link, of: peer, since: known ?? .zero)
        } else if withinBudget(slots, origin) {
            hold(slots, for: peer)
            keepOnStandbys(slots.name, slots.real, slots.link)
            keepOnStandbys(slots.holdName, slots.hold, slots.link)
        }
    }

    /// PostgreSQL's copy of a slot leaves that out, and so do versions of Spock: after a promotion it would be missing.
    /// - Returns: whether something is to be done.
    @discardableResult
    private mutating func keepOnStandbys(_ name: String, _ slot: MeshDatabase.Slot?, _ link: MeshLink) -> Bool {
        guard settings.slotCopier(majorVersion: view.server.version / 10_000) == .postgres,
            let slot, !slot.isLost, slot.isOnStandbys == false
        else { return false }
        steps.append(.run(database: link.database, .keepOnStandbys(slot: name)))
        return true
    }

    /// A peer that was promoted has less than the one whose slot was missed.
    private mutating func missFurther(_ slots: Slots, of peer: MeshView.Peer) {
        guard peer.isCurrent, let origin = word(of: peer, slots.link)?.origin,
            let known = record.findings.last(where: {
                $0.link == slots.link && [.slotMissing, .slotDropped].contains($0.kind)
            }),
            let from = known.range?.from, origin < from
        else { return }
        miss(slots.link, of: peer, since: from)
    }

    /// Nothing of this link has to go back.
    private mutating func settle(_ peer: MeshView.Peer, _ link: MeshLink) {
        guard isOpen, peer.isCurrent, let fork = peer.record.fork else { return }
        record.links[link, default: MeshLinkRecord()].rewind = .init(term: fork.term, isDone: true)
    }

    // MARK: Hold slots

    /// PostgreSQL keeps the names of all slots together and takes 63 bytes of them: what would not be told apart by them
    /// carries a hash.
    static func holdSlot(_ link: MeshLink) -> String {
        let plain = "hold_\(link.database)_\(link.peer)"
        let name = MemberID(plain).slotName
        guard name != plain else { return name }
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in "\(link.database)/\(link.peer)".utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        let digits = String(hash, radix: 16)
        return "\(name.prefix(46))_\(digits)"
    }

    private mutating func hold(_ slots: Slots, for peer: MeshView.Peer) {
        guard settings.holdSlots, peer.isCurrent, peer.record.state == .open, !view.intents.removed.contains(me) else {
            return
        }
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
    /// - Parameter origin: how far the peer has applied, which is less than its slot says where it has to go back.
    private mutating func withinBudget(_ slots: Slots, _ origin: LSN?) -> Bool {
        func kept(_ slot: MeshDatabase.Slot) -> UInt64 { view.server.position.bytesAhead(of: slot.restart) }
        if let hold = slots.hold, kept(hold) > settings.holdMaxWAL {
            giveUp(slots, .holdDropped, from: hold.confirmed, [slots.holdName])
            return false
        }
        guard let limit = settings.slotMaxWAL, let real = slots.real, real.activePID == nil else { return true }
        if kept(real) > limit {
            let names = [slots.name] + (slots.hold == nil ? [] : [slots.holdName])
            giveUp(slots, .slotDropped, from: min(real.confirmed, origin ?? .zero), names)
            record.links[slots.link]?.provided = nil
            return false
        }
        if kept(real) > limit / 2 {
            problem(slots.link, "slot \(slots.name) keeps \(kept(real)) bytes of WAL; at \(limit) it is removed")
        }
        return true
    }

    /// On record first: afterwards nothing shows any more what was kept.
    private mutating func giveUp(_ slots: Slots, _ kind: MeshFinding.Kind, from: LSN, _ names: [String]) {
        let known = view.own?.findings.contains { $0.kind == kind && $0.link == slots.link && $0.range?.from == from }
        find(kind, slots.link, range: MeshRange(from: from, to: view.server.position))
        guard known == true else { return recheck(.milliseconds(50)) }
        for name in names { steps.append(.run(database: slots.link.database, .dropSlot(name))) }
    }

    // MARK: The way back

    /// The promoted standby lacks what its predecessor had confirmed: its slot goes back to the hold slot.
    /// - Returns: whether it goes on; false: there is nothing to be done before the peer has looked.
    private mutating func rewind(
        _ slots: Slots, to fork: MeshRecord.Fork, of peer: MeshView.Peer, _ own: MeshLinkRecord
    ) -> Bool {
        let word = word(of: peer, slots.link)
        // Progress that the peer read before it answered our own promotion may have moved on.
        guard let origin = word?.origin, record.fork == nil || word?.answered == record.fork?.term else {
            recheck(.milliseconds(100))
            return false
        }
        let judged = own.rewind.flatMap { $0.term == fork.term ? $0 : nil }
        // Copies that an earlier rewind left behind are still there.
        var outcome = judged ?? .init(term: fork.term, isDone: false, isMoved: own.rewind?.isMoved ?? false)
        guard let hold = slots.hold else {
            endWithoutHold(slots, origin, &outcome)
            return true
        }
        // The peer's word of what is safe is true of its present server.
        let isProof = hold.confirmed <= origin || word?.safe.map { $0.confirmed >= hold.confirmed } == true
        if judged == nil, !isProof { outcome.gap = MeshRange(from: origin, to: hold.confirmed) }
        // While somebody uses it, it may move yet.
        let isReturned =
            slots.real.map { !$0.isLost && $0.activePID == nil && $0.confirmed <= max(origin, hold.confirmed) } ?? false
        if isReturned {
            // Before anybody uses it.
            outcome.isDone = !keepOnStandbys(slots.name, slots.real, slots.link)
        } else {
            (outcome.isDone, outcome.isMoved) = (false, true)
        }
        record.links[slots.link]?.rewind = outcome
        guard !outcome.isDone else { return true }
        recheck(.milliseconds(20))
        // On record first: whoever leads next finishes it.
        guard !isReturned, let begun = published?.links[slots.link]?.rewind, begun.term == fork.term, begun.isMoved
        else {
            return true
        }
        if slots.real != nil { steps.append(.run(database: slots.link.database, .dropSlot(slots.name))) }
        steps.append(.run(database: slots.link.database, .copySlot(from: slots.holdName, to: slots.name)))
        return true
    }

    /// Keepalives move a slot, too: without a hold slot a gap can only be suspected.
    private mutating func endWithoutHold(_ slots: Slots, _ origin: LSN, _ outcome: inout MeshLinkRecord.Rewind) {
        if let real = slots.real, real.activePID != nil {
            steps.append(.run(database: slots.link.database, .endSender(slot: slots.name)))
            return recheck(.milliseconds(20))
        }
        if let real = slots.real, real.confirmed > origin {
            let from = min(origin, outcome.gap?.from ?? origin)
            outcome.gap = MeshRange(from: from, to: max(real.confirmed, outcome.gap?.to ?? .zero))
        }
        outcome.isDone = true
        record.links[slots.link]?.rewind = outcome
    }
}
