import AdminModel
import HACore
import LocalConfiguration
import ZooKeeper

/// The transactions that change who leads (design/lock.md 3), all or nothing, each guarded by the version of `epoch`.
struct LockTransactions: Sendable {
    let layout: ZNodeLayout
    let me: MemberID

    /// The `leader` znode's data version that marks a lock of ours: created and set once in the same transaction.
    static let mark = Version.initial.next

    private func taken(_ session: SessionID, _ nonce: String) -> [UInt8] {
        EpochRecord(.taken(by: me, session: session.rawValue, nonce: nonce)).znode
    }

    private var lockOperations: [Operation] {
        [
            .create(layout.leader, Array(me.rawValue.utf8), .ephemeral),
            .set(layout.leader, Array(me.rawValue.utf8), .exactly(.initial)),
        ]
    }

    /// - Parameters:
    ///   - sync: the version of `sync` that the decision read: eligibility is proved at the moment of taking.
    ///   - request: the version of `failover`, when an operator's request is fulfilled by it.
    func acquire(
        epoch: Version, sync: Version?, request: Version? = nil, session: SessionID, nonce: String
    ) -> [Operation] {
        [.set(layout.epoch, taken(session, nonce), .exactly(epoch))] + lockOperations
            + (sync.map { [.check(layout.sync, $0)] } ?? [])
            + (request.map { [.set(layout.failover, fulfilled.json.znode, .exactly($0))] } ?? [])
    }

    private var fulfilled: FailoverRecord { FailoverRecord(candidate: me, isFulfilled: true) }

    func replace(epoch: Version, session: SessionID, nonce: String) -> [Operation] {
        [.set(layout.epoch, taken(session, nonce), .exactly(epoch)), .delete(layout.leader, .exactly(Self.mark))]
            + lockOperations
    }

    func adopt(epoch: Version, session: SessionID, nonce: String) -> [Operation] {
        [.set(layout.epoch, taken(session, nonce), .exactly(epoch)), .check(layout.leader, Self.mark)]
    }

    /// - Parameter status: what others read of where the released timeline ends.
    func release(epoch: Version, status: [UInt8]? = nil) -> [Operation] {
        [
            .set(layout.epoch, EpochRecord(.released).znode, .exactly(epoch)),
            .delete(layout.leader, .exactly(Self.mark)),
        ] + (status.map { [.set(layout.status, $0, .any)] } ?? [])
    }

    func renew(epoch: Version, status: [UInt8]) -> [Operation] {
        [.check(layout.epoch, epoch), .check(layout.leader, Self.mark), .set(layout.status, status, .any)]
    }

    static let renewEpochIndex = 0
    /// When this operation of `renew` fails, the lock is lost.
    static let renewLeaderIndex = 1
    static let renewStatusIndex = 2

    /// What any other write of a leader carries in front (rulings, Lock 1).
    func guards(_ leadership: Leadership) -> [Operation] {
        [.check(layout.epoch, Version(counted: leadership.epochVersion)), .check(layout.leader, Self.mark)]
    }

    /// More sets than this would not fit into a request of ZooKeeper (1 MB).
    static let highestLift: Int64 = 10_000

    /// Creates `epoch` with a version above every one ever used: versions must never restart (lock.md 3).
    func createEpoch(above highest: Int64) -> [Operation] {
        let lifts = highest > 0 ? Int(highest) + 16 : 0
        return [.create(layout.epoch, [], .persistent)]
            + (0..<lifts).map { .set(layout.epoch, [], .exactly(Version(counted: Int64($0)))) }
            + [.create(layout.epochKeep, [], .persistent)]
    }
}

extension Version {
    /// The version as the core counts it. -1 would take two thousand million changes of the lock.
    init(counted: Int64) { self = Version(rawValue: Int32(truncatingIfNeeded: counted)) ?? .initial }
}
