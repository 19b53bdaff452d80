public import HACore
public import SystemPackage

/// The slots of a stopped server, as files. Nothing here touches a server that runs: it would not see it, and write over
/// it at its next checkpoint.
public struct SlotFiles: Hashable, Sendable {
    /// What lies there.
    public struct Contents: Hashable, Sendable {
        /// Logical slots that can be read.
        public let slots: [MeshSlot]
        public let oldestWAL: LSN
    }

    public let dataDirectory: FilePath
    private var folder: FilePath { dataDirectory.appending("pg_replslot") }
    private var snapshots: FilePath { dataDirectory.appending("pg_logical").appending("snapshots") }

    public init(dataDirectory: FilePath) { self.dataDirectory = dataDirectory }

    /// - Parameter leader: names the databases, and says how long a WAL segment is.
    /// - Throws: `.file`.
    public func read(as leader: SlotSurvey) async throws(PostgresControlError) -> Contents {
        try await Disk.run { () throws(PostgresControlError) in
            let found = try (AtomicFile.entries(snapshots) ?? []).compactMap { PositionNames.snapshot($0) }
            let files = try AtomicFile.entries(dataDirectory.appending("pg_wal")) ?? []
            var slots: [MeshSlot] = []
            for name in try AtomicFile.entries(folder) ?? [] where !name.hasSuffix(".tmp") {
                let path = folder.appending(name).appending("state")
                guard let state = try AtomicFile.bytes(path).flatMap(SlotState.init), state.name == name else {
                    continue
                }
                slots.append(state.slot(database: leader.databases[state.database] ?? "").finding(found))
            }
            return Contents(
                slots: slots, oldestWAL: PositionNames.oldest(files, segmentSize: leader.segmentSize) ?? .zero)
        }
    }

    /// Puts slots in, each whole or not at all; one of the same name is replaced.
    /// - Parameter limit: `max_replication_slots` of the server: it does not start with more.
    /// - Returns: the names of those that are in now.
    /// - Throws: `.wrongState` while a server runs in this directory; `.file`.
    public func install(_ parcels: [SlotParcel], limit: Int) async throws(PostgresControlError) -> [String] {
        if let running = await ServerFiles(dataDirectory: dataDirectory).runningPostmaster() {
            throw PostgresControlError(
                .wrongState, "slots are not put into a server that runs (pid \(running.pid))", outcome: .didNotHappen)
        }
        return try await Disk.run { () throws(PostgresControlError) in
            var present = Set(try (AtomicFile.entries(folder) ?? []).filter { !$0.hasSuffix(".tmp") })
            var installed: [String] = []
            for parcel in parcels {
                guard present.contains(parcel.state.name) || present.count < limit else { continue }
                try put(parcel)
                present.insert(parcel.state.name)
                installed.append(parcel.state.name)
            }
            return installed
        }
    }

    private func put(_ parcel: SlotParcel) throws(PostgresControlError) {
        // First: with the slot there PostgreSQL may decode from it.
        if let snapshot = parcel.snapshot {
            let path = snapshots.appending(PositionNames.snapshotFile(snapshot.position))
            try AtomicFile.write(snapshot.bytes, to: path, mode: 0o600)
        }
        let final = folder.appending(parcel.state.name)
        guard !AtomicFile.exists(final) else {
            return try AtomicFile.write(parcel.state.bytes, to: final.appending("state"), mode: 0o600)
        }
        // PostgreSQL removes folders of this name when it starts.
        let staging = folder.appending("\(parcel.state.name).tmp")
        if AtomicFile.exists(staging) { try DataDirectoryLayout.remove(staging) }
        try AtomicFile.makeFolder(staging, mode: 0o700)
        try AtomicFile.write(parcel.state.bytes, to: staging.appending("state"), mode: 0o600)
        try AtomicFile.rename(staging, to: final)
    }
}
