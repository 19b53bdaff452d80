public import HACore
public import LibPQ

/// Asks another server, over a replication connection, who it is and how its timeline came about.
public struct TimelineReader: Sendable {
    public struct Identity: Hashable, Sendable {
        public let systemIdentifier: SystemIdentifier
        public let timeline: Timeline
        /// Its flushed end of WAL.
        public let position: LSN
    }

    /// The server and the replication user.
    public let target: ConnectionInfo

    public init(target: ConnectionInfo) { self.target = target.with("replication", "true") }

    /// - Parameter deadline: for connecting and both answers.
    /// - Throws: `.connectFailed`, `.timedOut`, `.server`, `.unexpectedReply`.
    public func read(
        deadline: Duration = .seconds(2)
    ) async throws(PostgresError) -> (identity: Identity, history: TimelineHistory) {
        let clock = ContinuousClock()
        let end = clock.now + deadline
        return try await PostgresConnection.use(target, deadline: deadline) { connection throws(PostgresError) in
            let identity = try Self.identity(
                try await connection.simple("IDENTIFY_SYSTEM", deadline: end - clock.now))
            // Timeline 1 has no history file: the question would be an error.
            guard identity.timeline > Timeline(1) else {
                return (identity, TimelineHistory(timeline: identity.timeline, forks: []))
            }
            let reply = try await connection.simple(
                "TIMELINE_HISTORY \(identity.timeline)", deadline: end - clock.now)
            return (identity, try Self.history(reply, of: identity.timeline))
        }
    }

    static func identity(_ reply: QueryResult) throws(PostgresError) -> Identity {
        let row = try reply.first()
        guard let identifier = SystemIdentifier(try row.text("systemid")),
            let timeline = UInt32(try row.text("timeline")), let position = LSN(try row.text("xlogpos"))
        else { throw PostgresError(.unexpectedReply, "IDENTIFY_SYSTEM was not understood", outcome: .didNotHappen) }
        return Identity(systemIdentifier: identifier, timeline: Timeline(timeline), position: position)
    }

    /// The walsender sends the file's bytes as they are, whatever type it announces; hexadecimal is read as well.
    static func history(_ reply: QueryResult, of timeline: Timeline) throws(PostgresError) -> TimelineHistory {
        let content = try reply.first().text("content")
        let text = content.hasPrefix("\\x") ? unhexed(content.dropFirst(2)) : content
        guard let text, let history = TimelineHistory(timeline: timeline, text: text) else {
            throw PostgresError(.unexpectedReply, "TIMELINE_HISTORY was not understood", outcome: .didNotHappen)
        }
        return history
    }

    private static func unhexed(_ digits: Substring) -> String? {
        let nibbles = digits.compactMap(\.hexDigitValue)
        guard nibbles.count == digits.count, nibbles.count.isMultiple(of: 2) else { return nil }
        let bytes = stride(from: 0, to: nibbles.count, by: 2).map { UInt8(nibbles[$0] << 4 | nibbles[$0 + 1]) }
        return String(decoding: bytes, as: UTF8.self)
    }
}
