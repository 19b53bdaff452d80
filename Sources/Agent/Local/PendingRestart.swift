import AdminModel
import HACore
import LibPQ
import Logging
import NIOConcurrencyHelpers
import PostgresControl
import SystemPackage

/// The settings that wait for a restart of PostgreSQL, with their values (contract/patroni.md 3.8).
///
/// What is wanted is compared with what runs: a value on the postmaster's command line hides a changed file from
/// `pg_settings.pending_restart`.
final class PendingRestart: Sendable {
    /// What the last comparison was made for.
    private struct Basis: Hashable {
        var startedAt: Instant?
        var revision: Int
    }

    private struct State {
        var changes: [MemberRecord.PendingChange] = []
        var basis: Basis?
        var isRunning = false
    }

    private let state = NIOLockedValueBox(State())
    private let server: LocalServer
    private let monitor: PostgresMonitor
    private let wakeup: Wakeup

    init(server: LocalServer, monitor: PostgresMonitor, wakeup: Wakeup) {
        self.server = server
        self.monitor = monitor
        self.wakeup = wakeup
    }

    /// By name.
    var changes: [MemberRecord.PendingChange] { state.withLockedValue { $0.changes } }

    /// Compares anew, beside everything else, after a start and after a change of the configuration was given to the
    /// server.
    func look(_ local: LocalPostgres) {
        guard local.isRunning, let sql = local.sql, !sql.isInferred else { return }
        let basis = Basis(startedAt: local.startedAt, revision: server.settings.appliedRevision)
        let isDue = state.withLockedValue { state in
            guard state.basis != basis, !state.isRunning else { return false }
            state.isRunning = true
            return true
        }
        if isDue { Task { await compare(basis, as: sql.inRecovery ? .standby : .primary) } }
    }

    private func compare(_ basis: Basis, as role: StartRole) async {
        // The server reads its files some moments after it was told to.
        try? await Task.sleep(for: .seconds(1), clock: .continuous)
        var found: [MemberRecord.PendingChange]?
        do {
            let rows = try await monitor.execute(Self.query, deadline: .seconds(2)).rows
            let wanted = await server.parameters(as: role).values
            let changes = try rows.compactMap { try Self.change($0, wanted) } + [await serviceFile()].compactMap { $0 }
            found = changes.sorted { $0.parameter < $1.parameter }
        } catch { server.logger.debug("cannot see which settings wait for a restart: \(error)") }
        let news: [MemberRecord.PendingChange]? = state.withLockedValue { state in
            state.isRunning = false
            guard let found else { return nil }
            state.basis = basis
            defer { state.changes = found }
            return state.changes == found ? nil : found
        }
        guard let news else { return }
        if news.isEmpty {
            server.logger.info("no setting waits for a restart of PostgreSQL any more")
        } else {
            let list = news.map { "\($0.parameter) ('\($0.oldValue)' -> '\($0.newValue)')" }.joined(separator: ", ")
            server.logger.notice("these settings wait for a restart of PostgreSQL: \(list)")
        }
        wakeup.signal(urgent: true)
    }

    /// A postmaster that began without the mesh's service file gives its workers none: they would reach no peer by it, and
    /// nothing would keep them from one (design/zones.md 1).
    private func serviceFile() async -> MemberRecord.PendingChange? {
        guard let mesh = server.settings.mesh, mesh.connection.mode == .service,
            let postmaster = server.keeper.lastStatus?.postmasterPID
        else { return nil }
        let file = server.gates.file(mesh)
        let files = ServerFiles(dataDirectory: server.dataDirectory)
        guard await files.hasServiceFile(file, postmaster: postmaster) == false else { return nil }
        return MemberRecord.PendingChange(parameter: "PGSERVICEFILE", oldValue: "", newValue: file.string)
    }

    /// `filed` is what the files say of a setting that the server knows to wait: somebody else may have set it.
    private static let query = """
        SELECT lower(name) AS name, setting, unit, vartype, pending_restart,
        CASE WHEN pending_restart THEN coalesce((SELECT f.setting FROM pg_file_settings f
        WHERE f.name = s.name ORDER BY f.seqno DESC LIMIT 1), boot_val) END AS filed
        FROM pg_settings s WHERE context = 'postmaster' OR pending_restart
        """

    static func change(
        _ row: QueryResult.Row, _ wanted: [String: String]
    ) throws(PostgresError) -> MemberRecord.PendingChange? {
        let name = try row.text("name")
        guard !RecoverySettings.names.contains(name), name != "hot_standby" else { return nil }
        let filed = try row.bool("pending_restart") == true ? row["filed"] : nil
        guard let new = wanted[name] ?? filed else { return nil }
        let kind = SettingKind(type: try row.text("vartype"), unit: row["unit"])
        let old = row["setting"] ?? ""
        guard kind.canonical(new) != old else { return nil }
        return MemberRecord.PendingChange(
            parameter: name, oldValue: kind.readable(old), newValue: kind.readable(kind.canonical(new)))
    }
}
