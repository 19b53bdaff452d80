import AdminModel
import HACore
import LocalConfiguration
import Logging
import PostgresControl
import ZooKeeper

/// Words for what the agent sees, as the member's record and REST show it.
struct LocalDescription: Hashable {
    var state: MemberState
    var role: MemberRole

    /// - Parameters:
    ///   - byCommand: a command of the user's makes a new cluster, not initdb.
    ///   - order: what an operator wants of it.
    init(
        _ local: LocalPostgres, running: Effect?, memory: DecisionMemory, wasPrimary: Bool, byCommand: Bool = false,
        order: MemberOrder.Kind? = nil
    ) {
        role = Self.role(local, memory, wasPrimary)
        state = Self.state(local, running, memory, byCommand)
        switch (order, state) {
        // Until it takes connections again, or cannot be started.
        case (.restart, .stopping), (.restart, .stopped), (.restart, .starting): state = .restarting
        case (.reinitialize, .stopping), (.reinitialize, .stopped): state = .creatingReplica
        default: break
        }
    }

    private static func role(_ local: LocalPostgres, _ memory: DecisionMemory, _ wasPrimary: Bool) -> MemberRole {
        switch local.directory {
        case .empty, .unusable, .unfinished: if local.process == .absent { return .uninitialized }
        case .ready: break
        }
        if let sql = local.sql, local.isRunning {
            return sql.inRecovery ? (local.promoteRequested ? .promoted : .replica) : .primary
        }
        if local.process == .running(as: .primary) || local.process == .unkept(as: .primary) { return .primary }
        return wasPrimary && !local.isRunning ? .demoted : .replica
    }

    private static func state(
        _ local: LocalPostgres, _ running: Effect?, _ memory: DecisionMemory, _ byCommand: Bool
    ) -> MemberState {
        switch running {
        case .initdb, .raceInitialize: return byCommand ? .customBootstrap : .initializing
        case .clone, .restore, .reinitialize: return .creatingReplica
        case .stop, .stepDown, .stopForRestart: if local.isRunning { return .stopping }
        default: break
        }
        switch local.process {
        case .running:
            if memory.steppingDown || local.stopRequested { return .stopping }
            if memory.bootstrap != nil { return byCommand ? .startingAfterBootstrap : .initializing }
            return local.sql == nil ? .starting : .running
        case .unkept: return .starting
        case .remains: return .crashed
        case .absent:
            switch memory.bootstrap {
            case .failed: return byCommand ? .customBootstrapFailed : .initdbFailed
            case .won, .created: return byCommand ? .customBootstrap : .initializing
            case nil: break
            }
            if memory.retries["start"] != nil { return .startFailed }
            if case .crashed = local.ending { return .crashed }
            return .stopped
        }
    }
}

/// Keeps `members/NAME` what the agent believes (contract/patroni.md 1.3): written when its content changes.
actor MemberPublisher {
    private let layout: ZNodeLayout
    private let me: MemberID
    private let logger: Logger
    private var written: (session: SessionID, json: JSONValue)?

    init(layout: ZNodeLayout, me: MemberID, logger: Logger) {
        self.layout = layout
        self.me = me
        self.logger = logger
    }

    /// Never in the way of a decision: one write with a short deadline, tried again at the next look.
    /// - Parameter exists: the last read of the tree has it with this session as owner.
    func publish(_ record: MemberRecord, through session: ZooKeeperSession, exists: Bool) async {
        guard let id = session.connection?.session, let path = try? layout.member(me) else { return }
        let json = record.json
        if exists, let written, written.session == id, written.json.deepEquals(json) { return }
        do throws(ZooKeeperError) {
            try await write(path, json.znode, session, id, exists)
            written = (id, json)
        } catch {
            written = nil
            logger.warning("cannot write \(path): \(error)")
        }
    }

    private func write(
        _ path: ZNodePath, _ data: [UInt8], _ session: ZooKeeperSession, _ id: SessionID, _ exists: Bool
    ) async throws(ZooKeeperError) {
        let deadline = Duration.seconds(1)
        for _ in 0..<2 {
            // Only while the tree shows it as ours: a set does not ask who owns it.
            if exists, written?.session == id {
                do throws(ZooKeeperError) {
                    try await session.set(path, data, expecting: .any, deadline: deadline)
                    return
                } catch  where error.code == .noNode { written = nil }
            }
            // Another session's, ours before a restart: it has to be this session's, so that it ends with it.
            if let stat = try await session.exists(path, deadline: deadline) {
                guard stat.ephemeralOwner != id else {
                    try await session.set(path, data, expecting: .exactly(stat.version), deadline: deadline)
                    return
                }
                logger.info("Recreating the member ZNode due to ownership mismatch")
                do throws(ZooKeeperError) {
                    try await session.delete(path, expecting: .exactly(stat.version), deadline: deadline)
                } catch  where error.code == .noNode {}
            }
            do throws(ZooKeeperError) {
                try await session.create(path, data, mode: .ephemeral, deadline: deadline)
                return
            } catch  where error.code == .nodeExists {
                // Somebody of our name was faster: looked at again.
            } catch  where error.code == .noNode {
                try await session.createParents(layout.members, deadline: deadline)
            }
        }
        throw ZooKeeperError(.nodeExists, path: path)
    }
}
