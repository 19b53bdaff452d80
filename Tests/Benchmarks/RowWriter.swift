import LibPQ
import Support

/// The client: a row, and the next one 5 ms after its acknowledgement, to whichever server is primary.
///
/// It asks every server each 5 ms and knows nothing of the agents. Unlike `AcknowledgedWriter` it tells by which
/// connection a row was acknowledged: a pause ends with the first row of *another* connection, also where the same
/// server came back.
final class RowWriter: Sendable {
    struct Row: Sendable {
        let write: WriteHistory.Acknowledged
        let connection: Int
    }

    struct Record: Sendable {
        var rows: [Row] = []
        var refused = 0
        /// Rows without an answer: their connection ended, or an error leaves it open.
        var unanswered = 0
        fileprivate var connections = 0
        fileprivate var ids: Int64 = 0
    }

    static let pace = Duration.milliseconds(5)
    static let createTable = """
        CREATE TABLE IF NOT EXISTS public.bench_rows (id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY)
        """
    private static let insert = """
        INSERT INTO public.bench_rows DEFAULT VALUES
        RETURNING left(pg_walfile_name(pg_current_wal_lsn()), 8) AS timeline
        """

    private let targets: [(name: String, conninfo: ConnectionInfo)]
    private let record = Locked(Record())
    private let tasks = Locked<[Task<Void, Never>]>([])

    /// Makes the table at `primary`.
    init(_ targets: [(name: String, conninfo: ConnectionInfo)], primary: ConnectionInfo) async throws {
        self.targets = targets
        let connection = try await PostgresConnection.connect(primary, deadline: .seconds(5))
        _ = try await connection.query(Self.createTable, deadline: .seconds(5))
        await connection.close()
    }

    /// Starts, and waits until rows flow.
    func start() async throws {
        tasks.withLock { running in
            running = targets.map { target in Task { await self.keep(target.name, target.conninfo) } }
        }
        try await eventually("the first rows are acknowledged") { soFar.rows.count >= 20 }
    }

    func stop() async -> Record {
        let running = tasks.withLock { $0 }
        for task in running { task.cancel() }
        for task in running { await task.value }
        return soFar
    }

    var soFar: Record { record.withLock { $0 } }

    /// From the last acknowledgement by the connection that was used at a fault to the first by another one.
    struct Pause: Sendable {
        let last: ContinuousClock.Instant
        let first: ContinuousClock.Instant
        /// The server of the first.
        let node: String
        var time: Duration { last.duration(to: first) }
    }

    /// Waits for the end of a pause.
    func pause(since fault: ContinuousClock.Instant, within deadline: Duration) async throws -> Pause {
        guard let old = soFar.rows.last(where: { $0.write.acknowledged <= fault })?.connection else {
            throw SupportError("nothing was written before the fault")
        }
        let first = try await eventually("a row is acknowledged after the fault", within: deadline) {
            soFar.rows.first { $0.connection != old && $0.write.acknowledged > fault }
        }
        guard let last = soFar.rows.last(where: { $0.connection == old }) else {
            throw SupportError("the rows before the fault are gone")
        }
        return Pause(last: last.write.acknowledged, first: first.write.acknowledged, node: first.write.node)
    }

    /// The longest time between two acknowledgements of which the later came after `start`.
    func longestGap(since start: ContinuousClock.Instant) -> Duration {
        let times = soFar.rows.map(\.write.acknowledged).sorted()
        return zip(times, times.dropFirst()).filter { $1 > start }.map { $0.duration(to: $1) }.max() ?? .zero
    }

    // MARK: One server

    private func keep(_ node: String, _ conninfo: ConnectionInfo) async {
        while !Task.isCancelled {
            if let connection = try? await PostgresConnection.connect(conninfo, deadline: .seconds(1)) {
                let number = record.withLock {
                    $0.connections += 1
                    return $0.connections
                }
                while !Task.isCancelled, await isStandby(connection) { try? await Task.sleep(for: Self.pace) }
                while !Task.isCancelled, await write(connection, node, number) {
                    try? await Task.sleep(for: Self.pace)
                }
                await connection.close()
            }
            try? await Task.sleep(for: Self.pace)
        }
    }

    /// Asked before the first row of a connection: refused rows would fill the standbys' logs.
    private func isStandby(_ connection: PostgresConnection) async -> Bool {
        let answer = try? await connection.query("SELECT pg_is_in_recovery() AS standby", deadline: .seconds(1))
        return (try? answer?.first().bool("standby")) == true
    }

    /// - Returns: whether the connection may be used for the next row.
    private func write(_ connection: PostgresConnection, _ node: String, _ number: Int) async -> Bool {
        guard await connection.isUsable else { return false }
        let sent = ContinuousClock.now
        do {
            let result = try await connection.query(Self.insert, deadline: .seconds(2))
            let now = ContinuousClock.now
            guard let timeline = try UInt32(result.first().text("timeline"), radix: 16) else { return false }
            record.withLock {
                $0.ids += 1
                let write = WriteHistory.Acknowledged(
                    id: $0.ids, node: node, timeline: timeline, sent: sent, acknowledged: now)
                $0.rows.append(Row(write: write, connection: number))
            }
            return true
        } catch {
            let isRefused = error.sqlState == "25006"  // read-only
            record.withLock { if isRefused { $0.refused += 1 } else { $0.unanswered += 1 } }
            return false
        }
    }
}
