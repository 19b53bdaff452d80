import AdminModel
import HACore
import LocalConfiguration
import PostgresControl
import ZooKeeper

/// Why an effect did not succeed: in order, so that the next view says so, or with an outcome nobody knows yet.
struct EffectFailure: Error, CustomStringConvertible {
    let description: String
    let isUnknown: Bool

    init(_ description: String, isUnknown: Bool = false) {
        self.description = description
        self.isUnknown = isUnknown
    }
}

/// Carries out the lock's transactions and tells the lease guard what they proved.
struct LockEffects: Sendable {
    let layout: ZNodeLayout
    let transactions: LockTransactions
    let sessions: SessionOwner
    let guardian: LeaseGuard
    let keeper: KeeperLink

    /// Enough for a ZooKeeper under load; what is unknown after it is read back.
    private var deadline: Duration {
        min(.seconds(2), (guardian.lease?.terms.timeout ?? .seconds(4)) / 2)
    }

    private func session() throws(EffectFailure) -> (ZooKeeperSession, SessionID) {
        guard let session = sessions.session, let id = session.connection?.session else {
            throw EffectFailure("not connected to ZooKeeper")
        }
        return (session, id)
    }

    /// Runs one transaction; what it changes is read anew afterwards, whatever came of it.
    private func run(
        _ session: ZooKeeperSession, _ operations: [Operation], changing change: TreeChange = .lock
    ) async throws(EffectFailure) -> [OperationResult] {
        defer { sessions.mark(change) }
        do throws(ZooKeeperError) {
            return try await session.multi(operations, deadline: deadline)
        } catch {
            throw EffectFailure(Self.sentence(error), isUnknown: error.outcome == .unknown)
        }
    }

    private static func sentence(_ error: ZooKeeperError) -> String {
        switch error.code {
        case .nodeExists: "another member was faster"
        case .badVersion: "the tree changed meanwhile (\(error.path?.description ?? "?"))"
        default: "\(error)"
        }
    }

    private static func nonce() -> String { String(UInt64.random(in: .min ... .max), radix: 16) }

    func acquire(epochVersion: Int64, sync: Int64?, request: Int64? = nil) async throws(EffectFailure) {
        let (session, id) = try session()
        let results = try await run(
            session,
            transactions.acquire(
                epoch: Version(counted: epochVersion), sync: sync.map(Version.init(counted:)),
                request: request.map(Version.init(counted:)), session: id, nonce: Self.nonce()),
            changing: request == nil ? .lock : .all)
        try lead(id, epoch: results[0].stat, leader: results[2].stat?.czxid)
    }

    func replace(epochVersion: Int64) async throws(EffectFailure) {
        let (session, id) = try session()
        try await lowerToProved(id)
        let results = try await run(
            session,
            transactions.replace(epoch: Version(counted: epochVersion), session: id, nonce: Self.nonce()))
        try lead(id, epoch: results[0].stat, leader: results[3].stat?.czxid)
    }

    func adopt(epochVersion: Int64, term: Term) async throws(EffectFailure) {
        let (session, id) = try session()
        try await lowerToProved(id)
        let results = try await run(
            session, transactions.adopt(epoch: Version(counted: epochVersion), session: id, nonce: Self.nonce()))
        try lead(id, epoch: results[0].stat, leader: term.rawValue)
    }

    /// From here on the lock lasts as long as this session: a keeper that was armed for a longer one must not outlast it
    /// (lock.md 2.4).
    private func lowerToProved(_ session: SessionID) async throws(EffectFailure) {
        guard let lease = guardian.lease, lease.session == session.rawValue else {
            throw EffectFailure("nothing is proved of this session yet")
        }
        do {
            let client = try keeper.client()
            guard client.lower(to: lease.provenUntil) else {
                throw KeeperError(.queueFull, outcome: .didNotHappen, "the deadline could not be handed over")
            }
            // Answered in order: what was said before is done.
            try await client.ping(deadline: .seconds(1))
        } catch {
            throw EffectFailure("the keeper did not take the deadline: \(error)")
        }
    }

    private func lead(_ session: SessionID, epoch: ZNodeStat?, leader czxid: Int64?) throws(EffectFailure) {
        guard let epoch, let czxid else { throw EffectFailure("ZooKeeper gave no Stat", isUnknown: true) }
        guardian.lead(
            Leadership(
                term: Term(czxid), epochVersion: Int64(epoch.version.rawValue), epochZxid: epoch.mzxid,
                provedAt: Instant.now), in: session)
    }

    /// Disarm, then the release transaction (lock.md 4.C): the keeper refuses while PostgreSQL may be writable.
    /// - Parameters:
    ///   - status: written with it: where the released timeline ends; nil after a stop that was not in order.
    ///   - isRunning: what is left of a PostgreSQL that was shut down need not end first (rulings, Lock 10).
    func release(_ term: Term, status: [UInt8]?, isRunning: Bool) async throws(EffectFailure) {
        guard let leadership = guardian.leadership, leadership.term == term else {
            throw EffectFailure("the lock of term \(term) is not held any more")
        }
        let (session, _) = try session()
        do { try await keeper.client().disarm(planned: isRunning) } catch {
            throw EffectFailure("the keeper did not disarm: \(error)", isUnknown: error.outcome == .unknown)
        }
        _ = try await run(
            session,
            transactions.release(
                epoch: Version(counted: leadership.epochVersion), status: status))
        guardian.standDown()
    }

    /// Hands the keeper the proved deadline and waits for its answer; later ones follow from the guard by themselves.
    func arm(_ term: Term) async throws(EffectFailure) {
        guard let leadership = guardian.leadership, leadership.term == term, let lease = guardian.lease else {
            throw EffectFailure("the lock of term \(term) is not held any more")
        }
        do {
            try await keeper.client().arm(until: lease.provenUntil, epochZxid: leadership.epochZxid)
        } catch {
            throw EffectFailure("the keeper did not arm: \(error)")
        }
        guardian.armed(term)
    }

    /// After an unknown outcome: whatever is still on its way is settled by `sync` on the present connection (4.A3).
    func settle() async throws(EffectFailure) {
        let (session, _) = try session()
        defer { sessions.mark(.all) }
        do throws(ZooKeeperError) {
            try await session.sync(layout.base, deadline: deadline)
        } catch {
            throw EffectFailure("\(error)")
        }
    }

    func prepareTree(above highest: Int64) async throws(EffectFailure) {
        guard highest <= LockTransactions.highestLift else {
            throw EffectFailure(
                "\(layout.epoch) is gone and was at version \(highest): no transaction can lift it so far")
        }
        let (session, _) = try session()
        defer { sessions.mark(.all) }
        do throws(ZooKeeperError) {
            try await session.multi(transactions.createEpoch(above: highest), deadline: deadline)
        } catch  where error.code == .nodeExists {
            return
        } catch {
            throw EffectFailure("\(error)")
        }
    }

    /// Takes an operator's request back, if it is still the one that was read.
    func clearRequest(version: Int64, as term: Term) async throws(EffectFailure) {
        try await write(
            layout.failover, FailoverRecord().json.znode, as: term, expecting: .exactly(Version(counted: version)))
    }

    /// A write that only the leader may do: guarded by `epoch` and the mark (rulings, Lock 1).
    /// - Parameter isReadAgain: decisions depend on it.
    func write(
        _ path: ZNodePath, _ data: [UInt8], as term: Term?, expecting version: ExpectedVersion = .any,
        isReadAgain: Bool = true
    ) async throws(EffectFailure) {
        let (session, _) = try session()
        var guards: [Operation] = []
        if let term {
            guard let leadership = guardian.leadership, leadership.term == term else {
                throw EffectFailure("the lock of term \(term) is not held any more")
            }
            guards = transactions.guards(leadership)
        }
        defer { if isReadAgain { sessions.mark(.any) } }
        do throws(ZooKeeperError) {
            do throws(ZooKeeperError) {
                try await session.multi(guards + [.set(path, data, version)], deadline: deadline)
            } catch  where error.code == .noNode && error.path == path && version == .any {
                try await session.multi(guards + [.create(path, data, .persistent)], deadline: deadline)
            }
        } catch {
            throw EffectFailure("\(path): \(error)")
        }
    }

    /// As `write`, for what must not be there yet.
    func create(_ path: ZNodePath, _ data: [UInt8], as term: Term) async throws(EffectFailure) {
        let (session, _) = try session()
        guard let leadership = guardian.leadership, leadership.term == term else {
            throw EffectFailure("the lock of term \(term) is not held any more")
        }
        defer { sessions.mark(.any) }
        do throws(ZooKeeperError) {
            try await session.multi(
                transactions.guards(leadership) + [.create(path, data, .persistent)], deadline: deadline)
        } catch {
            throw EffectFailure("\(path): \(error)", isUnknown: error.outcome == .unknown)
        }
    }

    /// Creates `initialize` with our mark, and the ephemeral that says that somebody is at it; takes the place of one
    /// that an agent of ours gave up. Fails when another member was faster.
    func raceInitialize(abandoned: Bool) async throws(EffectFailure) {
        let (session, _) = try session()
        let operations: [Operation] =
            (abandoned ? [.delete(layout.initialize, .exactly(LockTransactions.mark))] : []) + [
                .create(layout.initialize, [], .persistent), .set(layout.initialize, [], .exactly(.initial)),
                .create(layout.bootstrap, [], .ephemeral),
            ]
        _ = try await run(session, operations, changing: .all)
    }

    /// Deletes what `raceInitialize` made, when `initialize` is still empty.
    func withdrawInitialize() async throws(EffectFailure) {
        let (session, _) = try session()
        defer { sessions.mark(.any) }
        do throws(ZooKeeperError) {
            if let (data, stat) = try await session.get(layout.initialize, deadline: deadline), data.isEmpty {
                try await session.delete(layout.initialize, expecting: .exactly(stat.version), deadline: deadline)
            }
            try await session.delete(layout.bootstrap, expecting: .any, deadline: deadline)
        } catch  where error.code == .noNode {
            return
        } catch {
            throw EffectFailure("\(layout.initialize): \(error)")
        }
    }
}
