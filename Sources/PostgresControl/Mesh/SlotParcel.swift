public import HACore
public import LibPQ

/// All that a stopped standby needs to have a slot of the leader: its state, and the snapshot that decoding there begins
/// with. Without the snapshot transactions that were open at `restart` are lost after a promotion (ran).
public struct SlotParcel: Hashable, Sendable {
    public let state: SlotState
    public let snapshot: Snapshot?

    public struct Snapshot: Hashable, Sendable {
        public let position: LSN
        public let bytes: [UInt8]
    }

    /// More than a snapshot of 250,000 transactions.
    private static let largest = 1 << 20

    /// Fetches slots from the leader, as the superuser or by the rights of the rewind user.
    /// - Parameter deadline: for each question.
    /// - Returns: those that could be had; one that moves or ends meanwhile is left out, and those after a cancellation.
    public static func fetch(
        _ slots: [MeshSlot], from connection: PostgresConnection, deadline: Duration
    ) async throws(PostgresError) -> [SlotParcel] {
        var parcels: [SlotParcel] = []
        for slot in slots where !Task.isCancelled {
            // The snapshot goes when the slot has moved on: then both are asked for again.
            for _ in 0..<3 {
                guard let state = try await state(slot.name, connection, deadline) else { break }
                let found = try await snapshot(for: state, connection, deadline)
                guard case .consistent(let snapshot) = found else { continue }
                let after = try await SlotParcel.state(slot.name, connection, deadline)
                guard after?.restart == state.restart else { continue }
                parcels.append(SlotParcel(state: state, snapshot: snapshot))
                break
            }
        }
        return parcels
    }

    private static func state(
        _ name: String, _ connection: PostgresConnection, _ deadline: Duration
    ) async throws(PostgresError) -> SlotState? {
        let bytes = try await file("pg_replslot/\(name)/state", connection, deadline)
        guard let state = bytes.flatMap(SlotState.init), state.name == name, !state.isLost else { return nil }
        return state
    }

    private enum Finding {
        case consistent(Snapshot?)
        case gone
    }

    private static func snapshot(
        for state: SlotState, _ connection: PostgresConnection, _ deadline: Duration
    ) async throws(PostgresError) -> Finding {
        let names = try await connection.query(
            "SELECT pg_ls_dir('pg_logical/snapshots', true, false) AS name", deadline: deadline)
        let positions = names.rows.compactMap { $0["name"].flatMap { PositionNames.snapshot($0) } }
        guard let position = state.slot(database: "").finding(positions).snapshot else { return .consistent(nil) }
        let path = "pg_logical/snapshots/\(PositionNames.snapshotFile(position))"
        guard let bytes = try await file(path, connection, deadline) else { return .gone }
        return .consistent(Snapshot(position: position, bytes: bytes))
    }

    private static func file(
        _ path: String, _ connection: PostgresConnection, _ deadline: Duration
    ) async throws(PostgresError) -> [UInt8]? {
        let row = try await connection.query(
            "SELECT encode(pg_read_binary_file($1, 0, \(largest), true), 'hex') AS hex", [path], deadline: deadline
        ).first()
        guard let hex = row["hex"], hex.utf8.count < 2 * largest else { return nil }
        let digits = Array(hex.utf8)
        return stride(from: 0, to: digits.count - 1, by: 2).map { digits[$0].hexValue << 4 | digits[$0 + 1].hexValue }
    }
}

extension UInt8 {
    /// Of `0` to `9` and `a` to `f`, as `encode` writes them.
    fileprivate var hexValue: UInt8 { self < 0x3a ? self - 0x30 : self - 0x57 }
}
