import HACore

/// The lock's transactions (design/lock.md 3) and what an acknowledgement of each proves.
extension SimAgent {
    func carryOutLock(_ effect: Effect, _ done: @escaping Completion) {
        guard let handle, handle.isConnected, isPrepared else { return done(.failed("not connected")) }
        let session = handle.session
        nonces += 1
        let taken = SimData.holder(.taken(by: node.name, session: session, nonce: "\(number).\(nonces)"))
        let lock: [SimOperation] = [
            .create(.leader, .name(node.name), ephemeral: true), .set(.leader, .name(node.name), expected: 0),
        ]
        switch effect {
        case .acquire(let version, let sync, let request):
            var more = request.map { [SimOperation.set(.failover, .fulfilled, expected: $0)] } ?? []
            if let sync, !world.weakened(.eligibilityUnchecked) { more.append(.check(.sync, sync)) }
            transaction(handle, [.set(.epoch, taken, expected: version)] + lock + more, done) { [self] result in
                lead(epoch: result.znodes[0], term: result.znodes[1]?.czxid)
            }
        case .replace(let version):
            let move = SimOperation.set(.epoch, taken, expected: version)
            let delete = SimOperation.delete(.leader, expected: 1)
            if world.weakened(.deleteThenCreate) {
                handle.multi([delete]) { [self] result in
                    guard case .success = result else { return done(.failed("no lock")) }
                    transaction(handle, [move] + lock, done) { [self] result in
                        lead(epoch: result.znodes[0], term: result.znodes[1]?.czxid)
                    }
                }
                return
            }
            lowered(done) { [self] in
                transaction(handle, [move, delete] + lock, done) { [self] result in
                    lead(epoch: result.znodes[0], term: result.znodes[2]?.czxid)
                }
            }
        case .adopt(let version):
            let operations: [SimOperation] = [.set(.epoch, taken, expected: version), .check(.leader, 1)]
            lowered(done) { [self] in
                transaction(handle, operations, done) { [self] result in
                    lead(epoch: result.znodes[0], term: result.znodes[1]?.czxid)
                }
            }
        case .release(let term): release(term, handle, done)
        case .writeSync(let leader, let standbys, let version, _):
            let data = SimData.synchronous(leader: leader, standbys: standbys)
            simple(handle, guards + [.set(.sync, data, expected: version)], done)
        case .clearRequest(let version, _): simple(handle, guards + [.set(.failover, .empty, expected: version)], done)
        case .arm(let term): arm(term, done)
        case .settle:
            limited(done) { settled in
                handle.sync { ok in settled(ok ? .done : .failed("connection lost")) }
            }
            markDirty()
        case .prepareTree(let above):
            let lifts = above > 0 ? above + 16 : 0
            let operations =
                [SimOperation.create(.epoch, .empty, ephemeral: false)]
                + (0..<lifts).map { .set(.epoch, .empty, expected: $0) }
            simple(handle, operations, done)
        case .raceInitialize:
            handle.read(watches: []) { [self] tree in
                guard let tree else { return done(.failed("connection lost")) }
                let abandoned = tree[.initialize]?.data == .empty && tree[.bootstrap] == nil
                let delete: [SimOperation] = abandoned ? [.delete(.initialize, expected: 1)] : []
                simple(
                    handle,
                    delete + [
                        .create(.initialize, .empty, ephemeral: false), .set(.initialize, .empty, expected: 0),
                        .create(.bootstrap, .empty, ephemeral: true),
                    ], done)
            }
        case .claimInitialize(let system):
            handle.read(watches: []) { [self] tree in
                guard let tree else { return done(.failed("connection lost")) }
                switch tree[.initialize]?.data {
                case nil: simple(handle, [.create(.initialize, .system(system), ephemeral: false)], done)
                case .empty?: simple(handle, guards + [.set(.initialize, .system(system), expected: nil)], done)
                default: done(.failed("written already"))
                }
            }
        case .writeConfig:
            simple(handle, guards + [.create(.config, .empty, ephemeral: false)], done)
        default: done(.failed("no effect of the lock"))
        }
    }

    private var guards: [SimOperation] {
        guard let leadership = renewals.leadership else { return [] }
        return [.check(.epoch, leadership.epochVersion), .check(.leader, 1)]
    }

    /// From here on the lock lasts as long as this session: a keeper that was armed for a longer one must not outlast it.
    private func lowered(_ done: @escaping Completion, _ action: @escaping () -> Void) {
        guard let end = renewals.lease?.provenUntil else { return done(.failed("nothing is proved")) }
        // Where it changes nothing it costs no chance, so that seeds stay the worlds that they were.
        guard let armed = node.keeper.armedUntil, end < armed, !world.weakened(.deadlineKept) else { return action() }
        askKeeper({
            $0.lower(to: end)
            return nil
        }) { refusal in
            if let refusal { done(.failed(refusal)) } else { action() }
        }
    }

    /// The first of an answer and the deadline.
    private func limited(_ done: @escaping Completion, _ action: (@escaping Completion) -> Void) {
        var isDone = false
        let once: Completion = { outcome in
            guard !isDone else { return }
            isDone = true
            done(outcome)
        }
        world.after(deadline) { [self] in timer { once(.unknown("no answer in time")) } }
        action(once)
    }

    private func transaction(
        _ handle: SimHandle, _ operations: [SimOperation], _ done: @escaping Completion,
        _ proved: @escaping (SimResult) -> Void
    ) {
        limited({ [self] outcome in
            markDirty()
            done(outcome)
        }) { once in
            var isLate = false
            world.after(deadline) { [self] in timer { isLate = true } }
            handle.multi(operations) { result in
                switch result {
                case .success(let result):
                    // Nobody waits for it any more: read back instead.
                    guard !isLate else { return }
                    proved(result)
                    once(.done)
                case .failure(let failure):
                    once(failure.isUnknown ? .unknown("\(failure.code)") : .failed("\(failure.code)"))
                }
            }
        }
    }

    private func simple(_ handle: SimHandle, _ operations: [SimOperation], _ done: @escaping Completion) {
        limited({ [self] outcome in
            markDirty()
            done(outcome)
        }) { once in
            handle.multi(operations) { result in
                switch result {
                case .success: once(.done)
                case .failure(let failure):
                    once(failure.isUnknown ? .unknown("\(failure.code)") : .failed("\(failure.code)"))
                }
            }
        }
    }

    private func lead(epoch: SimZNode?, term: Int64?) {
        guard let epoch, let term else { return }
        highestEpochSeen = max(highestEpochSeen, epoch.version)
        renewals.lead(
            Leadership(term: Term(term), epochVersion: epoch.version, epochZxid: epoch.mzxid, provedAt: now))
    }

    /// Disarm, then the transaction: the keeper refuses while PostgreSQL may be writable (lock.md 4.C).
    private func release(_ term: Term, _ handle: SimHandle, _ done: @escaping Completion) {
        guard let leadership = renewals.leadership, leadership.term == term else {
            return done(.failed("the lock is not held any more"))
        }
        askKeeper({ $0.disarm() }) { [self] refusal in
            if let refusal { return done(.failed(refusal)) }
            let operations: [SimOperation] = [
                .set(.epoch, .holder(.released), expected: leadership.epochVersion), .delete(.leader, expected: 1),
            ]
            transaction(handle, operations, done) { [self] _ in renewals.standDown() }
        }
    }

    private func arm(_ term: Term, _ done: @escaping Completion) {
        guard let leadership = renewals.leadership, leadership.term == term, let lease = renewals.lease else {
            return done(.failed("the lock is not held any more"))
        }
        askKeeper({ $0.arm(until: lease.provenUntil, zxid: leadership.epochZxid) }) { [self] refusal in
            if refusal == nil { renewals.armed(term) }
            done(Self.outcome(refusal))
        }
    }

    /// Reserves the number of the new timeline first, so that no two promotions ever make the same (Weakness has why).
    func promote(_ term: Term, _ done: @escaping Completion) {
        guard let handle, handle.isConnected, let leadership = renewals.leadership, leadership.term == term else {
            return done(.failed("the lock is not held any more"))
        }
        let own = node.postgres.timeline?.number ?? 1
        if world.weakened(.timelineUnreserved) {
            askKeeper({ $0.promote(to: own + 1) }) { done(Self.outcome($0)) }
            return
        }
        let guards = self.guards
        handle.read(watches: []) { [self] tree in
            guard let tree else { return done(.failed("connection lost")) }
            var next = own + 1
            var version: Int64?
            if case .timeline(let used)? = tree[.timeline]?.data {
                next = max(next, used.rawValue + 1)
                version = tree[.timeline]?.version
            }
            let data = SimData.timeline(Timeline(next))
            let write: SimOperation =
                version == nil ? .create(.timeline, data, ephemeral: false) : .set(.timeline, data, expected: version)
            simple(handle, guards + [write]) { [self] outcome in
                guard outcome == .done else { return done(outcome == .done ? .done : .failed("timeline not reserved")) }
                askKeeper({ $0.promote(to: next) }) { done(Self.outcome($0)) }
            }
        }
    }

    // MARK: Bootstrap

    func finishBootstrap(_ term: Term, _ done: @escaping Completion) {
        guard let handle, handle.isConnected, let leadership = renewals.leadership, leadership.term == term else {
            return done(.failed("the lock is not held any more"))
        }
        let system = SystemIdentifier(rawValue: node.postgres.systemIdentifier)
        handle.read(watches: []) { [self] tree in
            guard let tree else { return done(.unknown("connection lost")) }
            var operations = guards
            operations.append(
                tree[.initialize] == nil
                    ? .create(.initialize, .system(system), ephemeral: false)
                    : .set(.initialize, .system(system), expected: tree[.initialize]?.version))
            if tree[.config] == nil { operations.append(.create(.config, .empty, ephemeral: false)) }
            simple(handle, operations, done)
        }
    }

    func cancelBootstrap(_ done: @escaping Completion) {
        guard node.postgres.phase == .absent else { return done(.failed("PostgreSQL runs")) }
        guard let handle, handle.isConnected else { return done(.failed("not connected")) }
        world.invariants.discarded(node.index)
        handle.read(watches: []) { [self] tree in
            guard let tree else { return done(.failed("connection lost")) }
            node.postgres.clear()
            var operations: [SimOperation] = tree[.bootstrap] == nil ? [] : [.delete(.bootstrap, expected: nil)]
            if let znode = tree[.initialize], znode.data == .empty {
                operations.append(.delete(.initialize, expected: znode.version))
            }
            simple(handle, operations, done)
        }
    }
}
