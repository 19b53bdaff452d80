public import HACore
public import LibPQ

/// Carries out the steps of copying a peer's rows over ours (`MeshCopy`).
///
/// What empties a table must not reach the peers, or all zones would be empty: the transaction has `repair_mode` for Spock,
/// and the mark of an origin of its own, which no peer of a mesh passes on or takes.
public enum SpockCopy {
    /// While others wait for the tables.
    private static let patience = Duration.seconds(5)
    private static let pace = Duration.milliseconds(50)

    /// - Parameters:
    ///   - here: as for `SpockRegistrar.carryOut`; used for nothing else afterwards when this throws.
    ///   - beside: another one to the same database.
    ///   - peer: to the same database of the peer's leader.
    /// - Throws: an error whose message begins with what was to be done. Until the peer has named its tables, and they are
    ///   found to fit, nothing is changed.
    public static func carryOut(
        _ copy: MeshCopy, here: PostgresConnection, beside: PostgresConnection, peer: PostgresConnection,
        deadline: Duration
    ) async throws(PostgresError) {
        let end = ContinuousClock.now + deadline
        let work = MeshWork(connection: here, end: end)
        do throws(PostgresError) {
            let offered = try await PeerTables.read(peer, sets: copy.sets, deadline: end - .now)
            switch copy.step {
            case .leave(let subscription, let slot):
                try await work.refuseMisfits(offered)
                try await SpockRegistrar.carryOut(.dropSubscription(subscription), on: here, deadline: end - .now)
                _ = try await MeshWork(connection: peer, end: end).dropSlot(slot)
            case .begin(let subscription, let dsn, let origins):
                try await work.refuseMisfits(offered)
                let slot = try await work.slotName(copy.link.peer, subscription)
                _ = try await MeshWork(connection: peer, end: end).dropSlot(slot)
                let version = try await work.version(for: "create subscription \(subscription)")
                let step = SpockStep.subscribe(
                    subscription, dsn, sets: copy.sets, structure: false, data: true, forwardOrigins: origins, version)
                try await work.emptying(offered, after: copy.slotOfPeer, beside) { work throws(PostgresError) in
                    try await work.query(step.act.sql, step.act.parameters)
                }
            case .table(let subscription, let table):
                let wanted = try await offered.members(of: table, here, deadline: end - .now)
                guard !wanted.tables.isEmpty else {
                    throw PostgresError(
                        .server, "the peer does not send \(table), or it is not here", outcome: .didNotHappen)
                }
                try await work.refuseMisfits(wanted)
                try await work.emptying(wanted, after: copy.slotOfPeer, beside) { work throws(PostgresError) in
                    for table in wanted.tables { try await work.copyAnew(table, subscription) }
                }
            case .wake: _ = try await peer.query(commit, deadline: end - .now)
            }
        } catch { throw error.failing(to: "copy from \(copy.link.peer)", outcome: error.outcome) }
    }

    /// A commit by which a copy ends that was ready before (ran: on a peer where nobody writes it never does).
    public static let commit = "SELECT pg_logical_emit_message(true, 'matriarch', 'copy')"

    fileprivate static var origin: String { "matriarch_copy" }

    fileprivate static func list(_ tables: PeerTables) -> String {
        tables.tables.map { "\(SQLText.identifier($0.schema)).\(SQLText.identifier($0.name))" }.joined(separator: ", ")
    }

    /// Waits until the peer has all that was written to tables that nobody can write to now.
    ///
    /// A peer says what it has when it gets a commit, else each 10 s (`wal_receiver_status_interval`; ran): each look is one.
    /// - Parameter work: outside of the transaction that holds the tables.
    fileprivate static func waitForPeer(_ slot: String, _ work: MeshWork) async throws(PostgresError) {
        let until = min(ContinuousClock.now + patience, work.end)
        let position = try await work.query("SELECT pg_current_wal_insert_lsn()::text AS position").first()
            .text("position")
        while true {
            try await work.query(SpockCopy.commit)
            let isThere = try await work.isTrue(
                SpockStep.Call(
                    """
                    SELECT count(*) = 0 FROM pg_replication_slots s
                    WHERE s.slot_name = $1 AND s.confirmed_flush_lsn < $2::pg_lsn AND NOT \(SpockSlots.isLost)
                    """, [slot, position]))
            if isThere { return }
            guard ContinuousClock.now < until else {
                throw PostgresError(
                    .server, "the peer has not applied by slot \(slot) what was written here up to \(position)",
                    outcome: .didNotHappen)
            }
            try? await Task.sleep(for: pace, clock: .continuous)
        }
    }
}

extension MeshWork {
    fileprivate func refuseMisfits(_ offered: PeerTables) async throws(PostgresError) {
        let misfits = try await offered.misfits(connection, deadline: end - .now)
        guard misfits.isEmpty else {
            throw PostgresError(
                .server, "the peer sends tables or columns that are not here: \(misfits.joined(separator: ", "))",
                outcome: .didNotHappen)
        }
    }

    fileprivate func slotName(_ peer: String, _ subscription: String) async throws(PostgresError) -> String {
        try await query(
            "SELECT spock.spock_gen_slot_name(current_database(), $1::name, $2::name)::text AS slot",
            [peer, subscription]
        ).first().text("slot")
    }

    fileprivate func copyAnew(_ table: PeerTables.Table, _ subscription: String) async throws(PostgresError) {
        try await query(
            "SELECT spock.sub_resync_table($1, format('%I.%I', $2::text, $3::text)::regclass, false)",
            [subscription, table.schema, table.name])
    }

    /// One transaction that no peer is sent: writers wait, the peer catches up, the tables are emptied together (they may
    /// refer to each other), and `act` follows.
    fileprivate func emptying(
        _ tables: PeerTables, after slot: String?, _ beside: PostgresConnection,
        _ act: (MeshWork) async throws(PostgresError) -> Void
    ) async throws(PostgresError) {
        try await query(
            """
            SELECT pg_replication_origin_create($1) WHERE NOT EXISTS (
              SELECT FROM pg_replication_origin o WHERE o.roname = $1)
            """, [SpockCopy.origin])
        try await query("SELECT pg_replication_origin_session_setup($1)", [SpockCopy.origin])
        do throws(PostgresError) {
            try await connection.simple(
                """
                BEGIN READ WRITE; SET LOCAL synchronous_commit = local; SET LOCAL lock_timeout = '3s';
                SELECT spock.repair_mode(true)
                """, deadline: end - .now)
            if !tables.tables.isEmpty {
                let list = SpockCopy.list(tables)
                try await connection.simple("LOCK TABLE \(list) IN SHARE ROW EXCLUSIVE MODE", deadline: end - .now)
                if let slot { try await SpockCopy.waitForPeer(slot, MeshWork(connection: beside, end: end)) }
                try await connection.simple("TRUNCATE \(list)", deadline: end - .now)
            }
            try await act(self)
            try await query("COMMIT")
        } catch {
            // The mark must not stay on a session that others use; with the session it goes.
            await connection.close()
            throw error
        }
        try await query("SELECT pg_replication_origin_session_reset()")
        _ = try? await query("SELECT pg_replication_origin_drop($1)", [SpockCopy.origin])
    }
}
