public import HACore
public import PostgresControl

/// What a mesh costs this server, and what it did not apply: numbers for people, taken now and then by the leader.
public struct MeshCosts: Sendable {
    /// Between two readings: a rate of less would be noise, and the tables of conflicts may be long.
    private static let pause = Duration.seconds(30)

    /// Where PostgreSQL keeps WAL, in bytes; nil: not known.
    public var free: UInt64?
    /// WAL, in bytes a second.
    public private(set) var rate: Double?
    /// By database.
    public var conflicts: [String: MeshConflicts] = [:]
    private var last: (position: LSN, at: Instant)?

    public init() {}

    /// - Returns: true when the other numbers are due, too.
    mutating func note(position: LSN, at now: Instant) -> Bool {
        guard let last, position >= last.position else {
            self.last = (position, now)
            return true
        }
        let time = now - last.at
        guard time >= Self.pause else { return false }
        rate = Double(position.bytesAhead(of: last.position)) / (Double(time.milliseconds) / 1000)
        self.last = (position, now)
        return true
    }

    /// In how many seconds the disk is full when WAL is kept from now on; nil: not known, or never.
    public var secondsToFullDisk: Double? {
        guard let free, let rate, rate > 0 else { return nil }
        return Double(free) / rate
    }
}
