/// What the edge is asked to do. Each is idempotent or guarded by what the decision read.
public enum Effect: Hashable, Sendable {
    /// Stop PostgreSQL at once, whatever else runs (keeper: SIGQUIT, then SIGKILL of all that is left).
    case fence
    /// Answer 503 and stop PostgreSQL fast, before the keeper has to (rulings, Lock 5).
    case stepDown
    /// End this process; PostgreSQL stays as it is.
    case exit(code: Int32)

    /// Create what every transaction needs: `epoch` (lifted above `aboveVersion`), `status`, `sync`.
    case prepareTree(aboveVersion: Int64)
    /// Create `initialize` empty and the local marker: the winner makes the cluster (contract 4.2; rulings, Lock 11).
    case raceInitialize
    /// initdb beside the data directory, then a rename; or a command of the user's.
    case initdb
    /// Users, then the system identifier into `initialize`, `config`, and the marker away.
    case finishBootstrap(Term)
    /// Stop, move the directory to `.failed`, delete an `initialize` that is still empty.
    case cancelBootstrap
    /// Write the system identifier of existing data into `initialize`.
    case claimInitialize(SystemIdentifier)
    /// Write the dynamic configuration into a missing `config`.
    case writeConfig(Term)
    /// Find out whether a write of unknown outcome happened: `sync`, then read.
    case settle

    /// The lock's transactions (lock.md 3), each guarded by the version of `epoch` that was read.
    /// With `request`, an operator's request of that version is fulfilled by it and marked with it.
    /// `sync` is the version that the decision read: eligibility is proved at the moment of taking (rulings, Lock 2).
    case acquire(epochVersion: Int64, sync: Int64? = nil, request: Int64? = nil)
    case adopt(epochVersion: Int64)
    case replace(epochVersion: Int64)
    /// Disarm the keeper (it refuses while PostgreSQL may be writable), then the release transaction.
    case release(Term)

    /// Hand the proved lease to the keeper and wait for its answer.
    case arm(Term)
    /// Have the keeper enforce no deadline, or enforce it again.
    case pauseKeeper(Bool)
    /// Have the keeper watch PostgreSQL no more, and leave it running.
    case detach
    /// Have the keeper watch a postmaster that it did not start, or that was given back; a primary is armed in the same
    /// step with the session's proved lease, if there is one.
    case takeOver(as: StartRole)
    case start(as: StartRole, term: Term?)
    case stop
    /// Checkpoint while clients go on, then ask for a fast stop without waiting for its end (postgres.md 4).
    case stopPlanned(Term)
    /// Ask the postmaster to stop at once: there is nothing to lose.
    case stopAtOnce
    /// Checkpoint while clients go on, then stop fast and wait for the end.
    case stopForRestart
    /// Tell who asked for it how an operator's order ended.
    case finishOrder(Int, MemberOrder.Outcome)
    /// Make an order of the restart that was scheduled, if its conditions still hold; else forget it.
    case beginScheduledRestart
    /// Write `sync`, if it still has the version that was read; nil turns it off.
    case writeSync(leader: MemberID?, standbys: Set<MemberID>, version: Int64, Term)
    /// Set `synchronous_standby_names` and have the server read it.
    case setSynchronous(SynchronousNames)
    /// Write some WAL: a commit that waits is let go by a standby's next reply, not by the change of the setting.
    case wakeCommits
    /// Take an operator's request of this version back: `{}` into `failover`.
    case clearRequest(version: Int64, Term)
    /// Run the user's `pre_promote` while the lock is held.
    case prePromote(Term)
    case promote(Term)
    /// Checkpoint after a promotion, so that others may rewind from here.
    case checkpoint(Term)

    case askPeers
    /// Ask the leader for its timeline and history.
    case readUpstream(MemberID, Term)
    /// Point the standby at a member, nil for nobody, in a term; it must not be ahead of the leader's fork.
    case follow(MemberID?, Term)
    /// Wake the startup process, which sleeps up to 5 s between tries to connect (postgres.md 1, 6).
    case kick
    case rewind(from: MemberID)
    case clone(from: MemberID)
    /// Make a replica by a command of the user's that needs no leader.
    case restore
    /// A clone by an operator's order: what is here goes first.
    case reinitialize(from: MemberID)

    /// A short stable name for logs and memory.
    public var name: String {
        switch self {
        case .fence: "fence"
        case .stepDown: "step-down"
        case .exit: "exit"
        case .prepareTree: "prepare-tree"
        case .raceInitialize: "race-initialize"
        case .initdb: "initdb"
        case .finishBootstrap: "finish-bootstrap"
        case .cancelBootstrap: "cancel-bootstrap"
        case .claimInitialize: "claim-initialize"
        case .writeConfig: "write-config"
        case .settle: "settle"
        case .acquire: "acquire"
        case .adopt: "adopt"
        case .replace: "replace"
        case .release: "release"
        case .arm: "arm"
        case .pauseKeeper: "pause-keeper"
        case .detach: "detach"
        case .takeOver: "take-over"
        case .start: "start"
        case .stop: "stop"
        case .stopPlanned: "stop-planned"
        case .stopAtOnce: "stop-at-once"
        case .stopForRestart: "stop-for-restart"
        case .finishOrder: "finish-order"
        case .beginScheduledRestart: "begin-scheduled-restart"
        case .clearRequest: "clear-request"
        case .writeSync: "write-sync"
        case .setSynchronous: "set-synchronous"
        case .wakeCommits: "wake-commits"
        case .prePromote: "pre-promote"
        case .promote: "promote"
        case .checkpoint: "checkpoint"
        case .askPeers: "ask-peers"
        case .readUpstream: "read-upstream"
        case .follow: "follow"
        case .kick: "kick"
        case .rewind: "rewind"
        case .clone: "clone"
        case .restore: "restore"
        case .reinitialize: "reinitialize"
        }
    }
}
