/// The gate of clients after a promotion (design/zones.md 3, steps 1 to 4 and 6).
extension MeshLook {
    /// A segment of WAL: by so much at a time positions are moved, and so much a second may have been written unseen.
    private static let segment: UInt64 = 16 << 20
    /// No more is burnt for a peer that has not answered, however long it has been silent.
    private static let largestMargin: UInt64 = 64 * segment
    /// A peer without a leader that has been silent for so long is not waited for.
    private static let goneFor = Duration.seconds(60)

    /// Who has not said yet how far it has applied us, and how far the others have.
    private struct Answers {
        var silent: Set<String> = []
        var furthest = LSN.zero
        /// Beyond the fork: applied there, and not here.
        var ahead: [(link: MeshLink, range: MeshRange)] = []
    }

    /// Decides whether a gated cluster opens.
    mutating func passGate() {
        guard record.state == .gated, let fork = record.fork else {
            memory.gatedSince = nil
            return
        }
        // First the peers are told: who reads our positions shuts its way to us and answers.
        guard published?.state == .gated, published?.fork == fork else { return recheck(.milliseconds(50)) }
        if memory.gatedSince == nil || memory.gatedTerm != fork.term {
            memory.gatedSince = view.now
            memory.gatedTerm = fork.term
        }
        let waited = view.now - (memory.gatedSince ?? view.now)
        let isPatient = waited < settings.maxGateWait
        let answers = answers(to: fork)
        let unread = settings.databases.filter { view.databases[$0] == nil }
        if isPatient, !answers.silent.isEmpty || !unread.isEmpty { return recheck(.milliseconds(100)) }
        guard view.server.position > answers.furthest else {
            steps.append(.burn(past: answers.furthest))
            return recheck(.zero)
        }
        for (link, range) in answers.ahead { find(.ahead, link, range: range) }
        checkSlots(fork)
        record.state = .open
        record.fork?.openedAt = view.server.position
    }

    private func answers(to fork: MeshRecord.Fork) -> Answers {
        var answers = Answers()
        for peer in peers {
            for (link, word) in peer.record.links.sorted(by: { $0.key < $1.key })
            where link.peer == me && word.subscription != nil {
                // A gated peer answers as well: a record that says gated may have been read late.
                let origin = word.origin ?? .zero
                if word.origin != nil, word.answered == fork.term {
                    answers.furthest = max(answers.furthest, origin)
                    let divergence = record.unfollowed(since: word.followed)?.divergence ?? fork.position
                    if origin > divergence {
                        let range = MeshRange(from: divergence, to: origin)
                        answers.ahead.append((MeshLink(link.database, peer.record.node), range))
                    }
                } else {
                    let silence = view.now - peer.writtenAt
                    if peer.leaderTerm != nil || silence < Self.goneFor { answers.silent.insert(peer.record.node) }
                    let seconds = UInt64(max(1, silence.milliseconds / 1000))
                    let margin = min(Self.largestMargin, seconds * Self.segment)
                    answers.furthest = max(answers.furthest, LSN(origin.rawValue + margin))
                }
            }
        }
        return answers
    }

    /// A slot that is missing is not made anew: what was written since would be skipped in silence.
    private mutating func checkSlots(_ fork: MeshRecord.Fork) {
        for peer in peers {
            for (link, database) in links(with: peer) {
                guard let name = word(of: peer, link)?.slot else { continue }
                if database.slots[name].map(\.isLost) ?? true {
                    miss(link, of: peer, since: fork.position)
                } else if view.unprovedSlots.contains(name) {
                    find(.slotUnproved, link, range: lacking(link, of: peer, since: fork.position))
                }
            }
        }
    }

    /// The peer gets nothing beyond what it has applied.
    mutating func miss(_ link: MeshLink, of peer: MeshView.Peer, since position: LSN) {
        find(.slotMissing, link, range: lacking(link, of: peer, since: position))
        record.links[link]?.provided = nil
    }

    private func lacking(_ link: MeshLink, of peer: MeshView.Peer, since position: LSN) -> MeshRange {
        MeshRange(from: min(word(of: peer, link)?.origin ?? .zero, position), to: view.server.position)
    }
}
