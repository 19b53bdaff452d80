/// Where everything stands in the lock's world: ZooKeeper's tree, sessions, two nodes with their keepers, three processes.
struct LockState {
    /// What a read sees. Sessions are numbers: 0 to 3 of node A, 4 to 7 of node B.
    struct Tree: Equatable {
        /// 0 = absent, else its session and one. Without Patroni beside, every `leader` has the mark.
        var leader: UInt8 = 0
        var hasEpoch: UInt8 = 1
        var version: UInt8 = 1
        /// Counts the moves of `epoch`, for the keeper's latch.
        var zxid: UInt8 = 1
        /// Of `epoch`'s data: nobody, released, or 2 and the session.
        var holder = Self.released
        static let nobody: UInt8 = 0
        static let released: UInt8 = 1

        /// The session that `epoch`'s data name.
        var session: UInt8? { holder > Self.released ? holder - 2 : nil }
    }

    /// A node's PostgreSQL and keeper.
    struct Node {
        var writable: UInt8 = 0
        /// Until the keeper's deadline; 0 = not armed.
        var left: UInt8 = 0
        var armedZxid: UInt8 = 0
        /// The move of `epoch` under which the keeper fenced.
        var latch: UInt8 = 0
        /// Its PostgreSQL was found running without our lock.
        var found: UInt8 = 0
    }

    enum Request: UInt8 {
        case none, acquire, renew, release, replace, adopt, createEpoch, delete, close

        /// It makes its sender the leader.
        var takesLock: Bool {
            switch self {
            case .acquire, .replace, .adopt: true
            default: false
            }
        }
    }

    enum Progress: UInt8 {
        case none, queued, done, failed
    }

    struct Process {
        var alive: UInt8 = 0
        var session: UInt8 = 0
        var leads: UInt8 = 0
        var version: UInt8 = 0
        var zxid: UInt8 = 0
        /// What is left of the lease that its session's answers prove.
        var proven: UInt8 = 0
        var request = Request.none
        var expected: UInt8 = 0
        var requestAge: UInt8 = 0
        var progress = Progress.none
        var resultZxid: UInt8 = 0
        /// The outcome of its last request is not known.
        var unknown: UInt8 = 0
        /// Peers: 0 = not asked, `clear`, else what is left to wait for a silent one, and one.
        var peers: UInt8 = 0
        static let clear: UInt8 = 7
        /// The agent has checked, and will promote (without `keeperPromotes`).
        var promoting: UInt8 = 0
        /// It deleted its own older lock, or closed its older session, to acquire anew.
        var replacing: UInt8 = 0
        /// Since `leader` was read absent at this version of a new `epoch`: what is left to wait, and one; 0 = not read.
        var watch: UInt8 = 0
        var watchVersion: UInt8 = 0
    }

    var tree = Tree()
    /// What a server that lags shows, and whether the session that its `epoch` names lives there.
    var stale = Tree()
    var staleHolderLives: UInt8 = 0
    /// 0 = over, else its age and one.
    var sessions: [8 of UInt8] = [0, 0, 0, 0, 0, 0, 0, 0]
    var nodes: [2 of Node] = [Node(), Node()]
    /// A's two slots, then B.
    var processes: [3 of Process] = [Process(), Process(), Process()]
    /// The slot that A's keeper listens to.
    var attached: UInt8 = 0
    /// The session in A's session file, and one; 0 = no file.
    var file: UInt8 = 0
    var faults: UInt8 = 0
    var leaderDeletions: UInt8 = 0
    var epochDeletions: UInt8 = 0
    /// A primary without our lock may still be found on A.
    var mayBeFound: UInt8 = 0

    static func node(of process: Int) -> Int { process < 2 ? 0 : 1 }
    static func node(ofSession session: UInt8) -> Int { session < 4 ? 0 : 1 }

    func isAttached(_ process: Int) -> Bool { process == 2 || process == Int(attached) }

    func lives(_ session: UInt8) -> Bool { sessions[Int(session)] > 0 }

    /// The session that `epoch` names is alive.
    var holderLives: UInt8 {
        guard let session = tree.session else { return 0 }
        return lives(session) ? 1 : 0
    }
}
