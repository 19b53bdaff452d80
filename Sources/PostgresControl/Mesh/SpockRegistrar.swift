public import HACore
public import LibPQ

/// Carries out what was decided for one database of a node, by Spock's functions and by PostgreSQL's own for origins and
/// slots. Each statement may be repeated: what is so already is left alone, without a write.
public enum SpockRegistrar {
    /// - Parameters:
    ///   - connection: to the database in question, as superuser; see `ConnectionInfo.forMeshWork`. Outside of a
    ///     transaction.
    ///   - way: to the same database, for what only a session for replication can do.
    ///   - deadline: for all of it. What then waits in PostgreSQL is cancelled.
    /// - Returns: false: it was so already.
    /// - Throws: an error whose message begins with what was to be done and to what; passwords in it are starred out. Its
    ///   outcome is `.didNotHappen` where nothing of it can have stayed. The connection is closed after a missed deadline,
    ///   and after any failure that has to do with a subscription.
    @discardableResult
    public static func carryOut(
        _ statement: MeshStatement, on connection: PostgresConnection, way: ConnectionInfo? = nil, deadline: Duration
    ) async throws(PostgresError) -> Bool {
        let work = MeshWork(connection: connection, end: ContinuousClock.now + deadline)
        switch statement {
        case .createExtension: return try await work.carryOut(.createExtension)
        case .createNode(let name, let dsn, let location, let country, let info):
            return try await work.carryOut(.createNode(name, dsn, [location, country, info]))
        case .createSet(let name, let set): return try await work.carryOut(.createSet(name, set))
        case .alterSet(let name, let set): return try await work.carryOut(.alterSet(name, set))
        case .addTable(let set, let table): return try await work.carryOut(.addTable(set, table))
        case .subscribe(let name, let dsn, let sets, let structure, let data, let origins):
            let version = try await work.version(for: "create subscription \(name)")
            return try await work.carryOut(
                .subscribe(
                    name, dsn, sets: sets, structure: structure, data: data, forwardOrigins: origins, version))
        case .enable(let subscription): return try await work.carryOut(.enable(subscription))
        case .kick(let subscriptions): return try await work.kick(subscriptions)
        case .dropSubscription(let name): return try await work.carryOut(.dropSubscription(name))
        case .dropNode(let name): return try await work.carryOut(.dropNode(name))
        case .setOrigin(let name, let position): return try await work.carryOut(.setOrigin(name, position))
        case .copySlot(let from, let to): return try await work.copySlot(from, to)
        case .advanceSlot(let name, let position): return try await work.carryOut(.advanceSlot(name, position))
        case .dropSlot(let name): return try await work.dropSlot(name)
        case .keepOnStandbys(let slot): return try await work.keepOnStandbys(slot, way)
        case .endSender(let slot): return try await work.endSender(of: slot)
        }
    }

    /// Moves the own WAL past a position, by a segment at a time (37 ms each, ran), so that peers who have applied this
    /// cluster up to there do not skip what is written from now on (contract/spock.md 3.4, 2).
    /// - Returns: where the next record goes, beyond `target`; it and all before is on the disk.
    /// - Throws: as `carryOut`; what was moved stays.
    public static func burn(
        past target: LSN, on connection: PostgresConnection, deadline: Duration
    ) async throws(PostgresError) -> LSN {
        try await MeshWork(connection: connection, end: ContinuousClock.now + deadline).burn(past: target)
    }
}

/// A connection and the moment by which the work on it must be over.
struct MeshWork {
    let connection: PostgresConnection
    let end: ContinuousClock.Instant

    @discardableResult
    func query(_ sql: String, _ parameters: [String?] = []) async throws(PostgresError) -> QueryResult {
        try await connection.query(sql, parameters, deadline: end - .now)
    }

    func isTrue(_ call: SpockStep.Call) async throws(PostgresError) -> Bool {
        try await query(call.sql, call.parameters).first().values.first == "t"
    }

    /// Of the extension in this database.
    func version(for purpose: String) async throws(PostgresError) -> SpockVersion {
        do throws(PostgresError) {
            let row = try await query("SELECT extversion FROM pg_extension WHERE extname = 'spock'").first()
            return SpockVersion(try row.text("extversion"))
        } catch { throw error.failing(to: purpose, outcome: .didNotHappen) }
    }

    func carryOut(_ step: SpockStep) async throws(PostgresError) -> Bool {
        do throws(PostgresError) {
            if try await isTrue(step.isDone) { return false }
        } catch { throw error.failing(to: step.purpose, outcome: .didNotHappen) }
        do throws(PostgresError) {
            try await perform(step)
            return true
        } catch {
            if step.changesSubscription {
                await connection.close()
            } else if error.code == .server, (try? await isTrue(step.isDone)) == true {
                // "Already exists" in any of its forms: somebody else was faster.
                return false
            }
            throw error.failing(to: step.purpose, outcome: error.outcome)
        }
    }

    private func perform(_ step: SpockStep) async throws(PostgresError) {
        guard step.form != .alone else {
            try await query(step.act.sql, step.act.parameters)
            return
        }
        let mark = step.form == .transaction ? "" : "; SELECT spock.repair_mode(true)"
        do throws(PostgresError) {
            let begin = "BEGIN READ WRITE; SET LOCAL synchronous_commit = local\(mark)"
            try await connection.simple(begin, deadline: end - .now)
        } catch { throw await rolledBack(error, outcome: .didNotHappen) }
        do throws(PostgresError) {
            try await query(step.act.sql, step.act.parameters)
        } catch {
            // Without a COMMIT nothing stays, unless it was done outside of the transaction.
            throw await rolledBack(error, outcome: step.form == .unreplicatedInPart ? .unknown : .didNotHappen)
        }
        do throws(PostgresError) {
            try await query("COMMIT")
        } catch { throw await rolledBack(error, outcome: step.form == .unreplicatedInPart ? .unknown : error.outcome) }
    }

    /// Leaves the session outside of a transaction; when it is gone, so is the transaction.
    private func rolledBack(_ error: PostgresError, outcome: PostgresError.Outcome) async -> PostgresError {
        if !error.isConnectionLoss { _ = try? await connection.simple("ROLLBACK", deadline: .seconds(1)) }
        return error.failing(outcome: outcome)
    }
}

extension PostgresError {
    /// The same, with what was to be done in front of its message.
    func failing(to purpose: String? = nil, outcome: Outcome) -> PostgresError {
        let text = DSNText.redacted(message)
        return PostgresError(
            code, purpose.map { "could not \($0): \(text)" } ?? text, sqlState: sqlState, severity: severity,
            outcome: outcome)
    }
}
