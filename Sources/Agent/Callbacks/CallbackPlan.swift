import AdminModel
import HACore

/// What a command of the user's is told.
struct Callback: Hashable {
    enum Action: String, Hashable, CaseIterable {
        case onStart = "on_start"
        case onStop = "on_stop"
        case onRestart = "on_restart"
        case onReload = "on_reload"
        case onRoleChange = "on_role_change"
    }

    var action: Action
    /// `promoted` is told as `primary`.
    var role: MemberRole
}

/// Which callbacks a change of the local PostgreSQL fires (contract/patroni.md 4.15). Pure: what was seen before, and
/// what is seen now.
struct CallbackPlan: Hashable {
    /// What matters of one look.
    struct Sight: Hashable {
        enum Server: Hashable {
            /// Accepting, in this role, since this moment.
            case up(MemberRole, since: Instant?)
            /// Ended, and whether the agent or its keeper had it stopped.
            case down(stopped: Bool)
            /// Starting, going down, not answering, or not ours: nothing can be said.
            case unclear
        }

        var server: Server
        /// The lock is ours.
        var holdsLock = false
        /// A new cluster is being made here.
        var isBootstrapping = false
        /// An operator wants it stopped and started again: `POST /restart`.
        var isRestarting = false
    }

    /// The last role that was told, or seen while nothing may be told; nil: nothing yet by this process.
    private var role: MemberRole?
    /// When the server that was up last was started; nil while it is down.
    private var up: Up?
    private var heldLock = false
    /// A stop and a start from now on are one restart.
    private var isRestarting = false
    private(set) var isBootstrapping = false

    private struct Up: Hashable { var since: Instant? }

    init() {}

    /// The role that a reload is told with; nil while nothing may be told.
    var reloadRole: MemberRole? { isBootstrapping ? nil : role }

    /// Takes in a look.
    /// - Returns: what it fires, in order.
    mutating func look(_ sight: Sight) -> [Callback] {
        defer { heldLock = sight.holdsLock }
        isBootstrapping = sight.isBootstrapping
        guard !sight.isBootstrapping else { return [] }
        switch sight.server {
        case .unclear:
            // An order may end before the server that it started accepts connections.
            isRestarting = isRestarting || sight.isRestarting
            return []
        case .down(let stopped):
            defer { isRestarting = sight.isRestarting }
            isRestarting = isRestarting || sight.isRestarting
            return ended(stopped, lostLock: heldLock && !sight.holdsLock)
        case .up(let now, let since):
            if let up, up.since == since {
                isRestarting = sight.isRestarting
                return changed(now)
            }
            isRestarting = isRestarting || sight.isRestarting
            // Stopped and started between two looks.
            let stop = up == nil ? [] : ended(true, lostLock: false)
            up = Up(since: since)
            return stop + started(now)
        }
    }

    private mutating func ended(_ stopped: Bool, lostLock: Bool) -> [Callback] {
        defer { up = nil }
        guard let role else { return [] }
        if stopped { return up == nil || isRestarting ? [] : [Callback(action: .onStop, role: role)] }
        // It crashed while it led, and another is to lead now.
        guard lostLock, role == .primary else { return [] }
        self.role = .demoted
        return [Callback(action: .onRoleChange, role: .demoted)]
    }

    private mutating func started(_ now: MemberRole) -> [Callback] {
        defer {
            role = now
            isRestarting = false
        }
        guard let role, role == now else {
            return [Callback(action: role == nil ? .onStart : .onRoleChange, role: now)]
        }
        return [Callback(action: isRestarting ? .onRestart : .onStart, role: now)]
    }

    private mutating func changed(_ now: MemberRole) -> [Callback] {
        guard role != now else { return [] }
        role = now
        return [Callback(action: .onRoleChange, role: now)]
    }
}

extension CallbackPlan.Sight {
    init(_ view: ClusterView, _ memory: DecisionMemory) {
        let local = view.local
        switch local.process {
        case .running:
            if let sql = local.sql, !local.stopRequested {
                let isPrimary = !sql.inRecovery || local.promoteRequested
                server = .up(isPrimary ? .primary : .replica, since: local.startedAt)
            } else {
                server = .unclear
            }
        case .absent: server = .down(stopped: local.ending == .requested || local.wasFenced)
        case .unkept, .remains: server = .unclear
        }
        holdsLock = view.leadership != nil
        isBootstrapping = memory.bootstrap != nil
        if case .restart? = view.order?.kind { isRestarting = true }
    }
}
