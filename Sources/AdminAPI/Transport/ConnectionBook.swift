import NIOConcurrencyHelpers
import NIOCore

/// All connections of the REST API. When there are too many, whoever has kept one waiting longest gives way: neither slow
/// clients nor a flood of them keeps a health check out.
final class ConnectionBook: Sendable {
    private struct Entry {
        /// Since when its client is waited for; nil while it waits for us.
        var waitsSince: NIODeadline?
        let close: @Sendable () -> Void
    }

    private let limit: Int
    private let entries = NIOLockedValueBox<[ObjectIdentifier: Entry]>([:])

    init(limit: Int) { self.limit = limit }

    /// Takes a connection in, whose client is waited for.
    /// - Parameter close: makes it give way; called on any thread.
    /// - Returns: false when there is no room: every client waits for us.
    func add(_ connection: ObjectIdentifier, close: @escaping @Sendable () -> Void) -> Bool {
        let (isIn, evicted): (Bool, Entry?) = entries.withLockedValue { entries in
            var evicted: Entry?
            if entries.count >= limit {
                let waiting = entries.compactMap { id, entry in entry.waitsSince.map { (id: id, since: $0) } }
                guard let longest = waiting.min(by: { $0.since < $1.since }) else { return (false, nil) }
                evicted = entries.removeValue(forKey: longest.id)
            }
            entries[connection] = Entry(waitsSince: .now(), close: close)
            return (true, evicted)
        }
        evicted?.close()
        return isIn
    }

    /// - Parameter isServed: its client waits for us.
    func note(_ connection: ObjectIdentifier, isServed: Bool) {
        entries.withLockedValue { $0[connection]?.waitsSince = isServed ? nil : .now() }
    }

    /// It has had its last answer: the first to give way, since its client may take the end of it for room.
    func noteEnd(_ connection: ObjectIdentifier) {
        entries.withLockedValue { $0[connection]?.waitsSince = .uptimeNanoseconds(0) }
    }

    func remove(_ connection: ObjectIdentifier) {
        entries.withLockedValue { $0[connection] = nil }
    }
}
