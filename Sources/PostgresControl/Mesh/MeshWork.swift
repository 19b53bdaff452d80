import HACore
import LibPQ

/// What takes several statements that cannot be one transaction.
extension MeshWork {
    private static let pace = Duration.milliseconds(10)
    /// For Spock's manager to see a subscription disabled: else it waits out the pause that a failed worker has earned (ran:
    /// 5 s, once in some twenty kicks without it).
    private static let notice = Duration.milliseconds(30)

    // MARK: Subscriptions

    /// All at once: Spock's manager keeps a lock for up to a second after it has started a worker, and each change of a
    /// subscription waits for it. One that somebody has disabled, or dropped, meanwhile is left so.
    func kick(_ subscriptions: [String]) async throws(PostgresError) -> Bool {
        let names = subscriptions.joined(separator: ", ")
        let disabled: [String]
        do throws(PostgresError) {
            disabled = try await query(
                """
                SELECT s.sub_name, spock.sub_disable(s.sub_name, true) FROM spock.subscription s
                WHERE s.sub_name = ANY ($1::name[]) AND s.sub_enabled
                """, [SQLText.array(subscriptions)]
            ).rows.map { row throws(PostgresError) in try row.text("sub_name") }
            guard !disabled.isEmpty else { return false }
            try? await Task.sleep(for: Self.notice)
        } catch {
            await connection.close()
            throw error.failing(to: "kick subscription \(names)", outcome: error.outcome)
        }
        do throws(PostgresError) {
            try await query(
                "SELECT spock.sub_enable(n, true) FROM unnest($1::name[]) n", [SQLText.array(disabled)])
            return true
        } catch {
            await connection.close()
            throw error.failing(to: "enable subscription \(names), which is disabled now", outcome: .unknown)
        }
    }

    // MARK: Slots

    /// A target that is there stays as it is, unless it is lost: that one makes room.
    func copySlot(_ from: String, _ to: String) async throws(PostgresError) -> Bool {
        let purpose = "copy slot \(from) to \(to)"
        do throws(PostgresError) {
            let found = try await slot(to)
            guard found?.isLost ?? true else { return false }
            if found != nil { _ = try await dropSlot(to) }
            try await query("SELECT pg_copy_logical_replication_slot($1, $2)", [from, to])
            return true
        } catch {
            if error.code == .server, let found = try? await slot(to), !found.isLost { return false }
            throw error.failing(to: purpose, outcome: error.outcome)
        }
    }

    /// Ends whoever uses it first, as often as it comes back. Slots of other databases and physical ones are none of ours.
    func dropSlot(_ name: String) async throws(PostgresError) -> Bool {
        var wasThere = false
        do throws(PostgresError) {
            while let found = try await slot(name) {
                wasThere = true
                if let user = found.user {
                    try await endUser(user, of: name)
                } else if try await dropIdleSlot(name) {
                    return true
                }
            }
            return wasThere
        } catch { throw error.failing(to: "drop slot \(name)", outcome: error.outcome) }
    }

    /// By the replication protocol, whose command takes no slot that somebody uses.
    /// - Parameter way: to this database.
    func keepOnStandbys(_ name: String, _ way: ConnectionInfo?) async throws(PostgresError) -> Bool {
        do throws(PostgresError) {
            guard let way else {
                throw PostgresError(.server, "no way for a replication session", outcome: .didNotHappen)
            }
            return try await PostgresConnection.use(
                way.with("replication", "database"), deadline: end - .now
            ) { session throws(PostgresError) in
                while true {
                    guard try await slot(name) != nil else { return false }
                    _ = try await endSender(of: name)
                    do throws(PostgresError) {
                        let command = "ALTER_REPLICATION_SLOT \(SQLText.identifier(name)) ( FAILOVER true )"
                        _ = try await session.simple(command, deadline: end - .now)
                        return true
                    } catch  where error.sqlState == "55006" && end - .now > Self.pace {
                        try? await Task.sleep(for: Self.pace)
                    }
                }
            }
        } catch { throw error.failing(to: "have slot \(name) kept on the standbys", outcome: error.outcome) }
    }

    /// Until nobody uses the slot.
    func endSender(of name: String) async throws(PostgresError) -> Bool {
        var wasThere = false
        do throws(PostgresError) {
            while let user = try await slot(name)?.user {
                wasThere = true
                try await endUser(user, of: name)
            }
            return wasThere
        } catch { throw error.failing(to: "end the walsender of slot \(name)", outcome: error.outcome) }
    }

    private func slot(_ name: String) async throws(PostgresError) -> (user: String?, isLost: Bool)? {
        let rows = try await query(
            """
            SELECT s.active_pid, \(SpockSlots.isLost) AS is_lost FROM pg_replication_slots s
            WHERE s.slot_name = $1 AND s.slot_type = 'logical' AND s.database = current_database()
            """, [name]
        ).rows
        return try rows.first.map { row throws(PostgresError) in
            (row["active_pid"], try row.bool("is_lost") ?? false)
        }
    }

    private func endUser(_ user: String, of slot: String) async throws(PostgresError) {
        guard end - .now > Self.pace else {
            throw PostgresError(.server, "process \(user) still uses it", sqlState: "55006", outcome: .didNotHappen)
        }
        try await query(
            """
            SELECT pg_terminate_backend(s.active_pid) FROM pg_replication_slots s
            WHERE s.slot_name = $1 AND s.active_pid IS NOT NULL
            """, [slot])
        try? await Task.sleep(for: Self.pace)
    }

    /// - Returns: false: somebody has taken it up again.
    private func dropIdleSlot(_ name: String) async throws(PostgresError) -> Bool {
        do throws(PostgresError) {
            try await query("SELECT pg_drop_replication_slot($1)", [name])
            return true
        } catch {
            let isTaken = error.sqlState == "55006" || error.sqlState == "42704"
            guard isTaken else { throw error }
            return false
        }
    }

    // MARK: WAL

    func burn(past target: LSN) async throws(PostgresError) -> LSN {
        do throws(PostgresError) {
            var position = try await self.position("SELECT pg_current_wal_insert_lsn() AS position")
            while position <= target {
                // A switch by itself does nothing at the beginning of a segment.
                position = try await self.position(
                    """
                    SELECT pg_logical_emit_message(false, 'matriarch', 'burn'), pg_switch_wal(),
                      pg_current_wal_insert_lsn() AS position
                    """)
            }
            return position
        } catch { throw error.failing(to: "move the WAL past \(target)", outcome: error.outcome) }
    }

    private func position(_ sql: String) async throws(PostgresError) -> LSN {
        guard let position = try await StatusProbe.lsn(query(sql).first(), "position") else {
            throw PostgresError(.unexpectedReply, "the position is NULL", outcome: .unknown)
        }
        return position
    }
}
