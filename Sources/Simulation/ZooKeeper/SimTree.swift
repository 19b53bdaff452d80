import HACore

/// The znodes of the cluster.
enum SimPath: Hashable {
    case leader, epoch, status, sync, initialize, config, history, failover
    /// Ephemeral: somebody is at making the cluster.
    case bootstrap
    /// The highest timeline number that a promotion reserved.
    case timeline
    case member(Int)
    /// `lease/NAME.SESSION`: one for each session.
    case lease(Int, Int64)
}

enum SimData: Hashable {
    case empty
    case name(MemberID)
    case holder(StoreView.Epoch.Holder)
    case optime(LSN)
    case member(MemberView, epochSeen: Int64)
    case system(SystemIdentifier)
    case timeline(Timeline)
    case synchronous(leader: MemberID?, standbys: Set<MemberID>)
    case request(leader: MemberID?, candidate: MemberID?, dueAt: Nanoseconds?)
    case fulfilled
}

struct SimZNode: Hashable {
    var data: SimData
    var version: Int64 = 0
    var czxid: Int64
    var mzxid: Int64
    /// Session of an ephemeral, else 0.
    var owner: Int64
}

enum SimOperation {
    case create(SimPath, SimData, ephemeral: Bool)
    case set(SimPath, SimData, expected: Int64?)
    case delete(SimPath, expected: Int64?)
    case check(SimPath, Int64)
}

struct SimFailure: Error {
    enum Code { case noNode, nodeExists, badVersion, expired, moved, lost }
    var code: Code
    /// The failing operation.
    var index = 0

    /// It may have happened.
    var isUnknown: Bool { code == .lost || code == .moved }
}

struct SimResult {
    var zxid: Int64
    /// The znode after each operation; nil after a delete.
    var znodes: [SimZNode?]
}

/// The tree after one transaction: a value, so that each server has its own and a lagging one an old one.
struct SimTree {
    private(set) var znodes: [SimPath: SimZNode] = [:]
    private(set) var zxid: Int64 = 0

    subscript(path: SimPath) -> SimZNode? { znodes[path] }

    /// Carries out all or nothing; the transaction number is used up only when something is written.
    mutating func apply(_ operations: [SimOperation], session: Int64) -> Result<(SimResult, [SimPath]), SimFailure> {
        var new = self
        new.zxid += 1
        var stats: [SimZNode?] = []
        var changed: [SimPath] = []
        for (index, operation) in operations.enumerated() {
            switch new.apply(operation, session: session, &changed) {
            case .success(let znode): stats.append(znode)
            case .failure(let code): return .failure(SimFailure(code: code, index: index))
            }
        }
        self = new
        return .success((SimResult(zxid: zxid, znodes: stats), changed))
    }

    private mutating func apply(
        _ operation: SimOperation, session: Int64, _ changed: inout [SimPath]
    ) -> Outcome {
        switch operation {
        case .create(let path, let data, let ephemeral):
            guard znodes[path] == nil else { return .failure(.nodeExists) }
            znodes[path] = SimZNode(data: data, czxid: zxid, mzxid: zxid, owner: ephemeral ? session : 0)
            changed.append(path)
        case .set(let path, let data, let expected):
            guard var znode = znodes[path] else { return .failure(.noNode) }
            if let expected, expected != znode.version { return .failure(.badVersion) }
            znode.data = data
            znode.version += 1
            znode.mzxid = zxid
            znodes[path] = znode
            changed.append(path)
        case .delete(let path, let expected):
            guard let znode = znodes[path] else { return .failure(.noNode) }
            if let expected, expected != znode.version { return .failure(.badVersion) }
            znodes[path] = nil
            changed.append(path)
            return .success(nil)
        case .check(let path, let version):
            guard let znode = znodes[path] else { return .failure(.noNode) }
            if version != znode.version { return .failure(.badVersion) }
        }
        return .success(operation.path.flatMap { znodes[$0] })
    }

    private enum Outcome {
        case success(SimZNode?)
        case failure(SimFailure.Code)
    }

    /// The end of a session removes all that it owned in one transaction.
    mutating func close(session: Int64) -> [SimPath] {
        zxid += 1
        // In a fixed order: dictionaries have none, and a run has to repeat itself.
        let paths = znodes.filter { $0.value.owner == session }.map(\.key).sorted { "\($0)" < "\($1)" }
        for path in paths { znodes[path] = nil }
        return paths
    }

    /// Owners of `members/*` and `lease/*`.
    var livingSessions: Set<Int64> {
        var sessions: Set<Int64> = []
        for (path, znode) in znodes {
            switch path {
            case .member, .lease: sessions.insert(znode.owner)
            default: break
            }
        }
        return sessions
    }
}

extension SimOperation {
    /// A change of `epoch`: acquire, adopt, replace, release.
    var changesLock: Bool {
        if case .set(.epoch, _, _) = self { return true }
        return false
    }

    var path: SimPath? {
        switch self {
        case .create(let path, _, _), .set(let path, _, _), .delete(let path, _), .check(let path, _): path
        }
    }
}
