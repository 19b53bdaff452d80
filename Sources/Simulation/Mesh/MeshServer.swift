import HACore

/// A PostgreSQL server of a simulated zone: its WAL, what follows from it, and what does not travel with it.
final class MeshServer {
    enum Change {
        /// Which nobody replicates: vacuum, checkpoints.
        case noise
        case row(Int)
        /// A peer's row, which advances the origin with it.
        case applied(row: Int, slot: String, to: UInt64)
        case origin(slot: String, UInt64)
        case node(String)
        case subscription(Subscription)
    }

    struct Entry {
        var end: UInt64
        var at: Nanoseconds
        var change: Change
    }

    struct Subscription {
        var name: String
        var provider: String
        var dsn: String
        var isEnabled = true
        var isReady = false
        var slot: String
    }

    /// What WAL makes of the catalogs and tables.
    struct Contents {
        var node: String?
        var subscriptions: [String: Subscription] = [:]
        var origins: [String: UInt64] = [:]
        /// Rows of all zones.
        var rows: Set<Int> = []
    }

    struct Slot {
        var confirmed: UInt64
        /// The session that uses it.
        var session: Int?
    }

    let zone: Int
    let index: Int
    private(set) var wal: [Entry] = []
    private(set) var contents = Contents()
    private(set) var position: UInt64 = 1000
    var timeline: UInt32 = 1
    var history: [TimelineHistory.Fork] = []
    var slots: [String: Slot] = [:]
    var isUp = false
    var isPrimary = false
    /// Its processes and sessions: another number after each start.
    var incarnation = 0
    /// In postgresql.conf, which outlives a restart.
    var clientsAreShut = true
    var routes: [String: MeshRoute] = [:]
    var workers: [String: MeshWorker] = [:]
    /// It was the primary before another one: it may have what the present timeline does not.
    var isDiverged = false
    var promotions = 0

    init(zone: Int, index: Int) {
        self.zone = zone
        self.index = index
    }

    var member: MemberID { MemberID("m\(index)") }
    /// Another one after each promotion: within the time in which a peer's agent sees nothing, leaders do not come back.
    var address: MeshRecord.Address { MeshRecord.Address(host: "zone\(zone)", port: index + 2 * promotions) }
    var forkedAt: LSN? { history.last?.switchLSN }
    var serves: Bool { isUp && isPrimary }

    func write(_ change: Change, size: UInt64 = 100, at now: Nanoseconds) {
        append(Entry(end: position + size, at: now, change: change))
    }

    /// Own WAL, or the upstream's in its order.
    func append(_ entry: Entry) {
        wal.append(entry)
        position = entry.end
        switch entry.change {
        case .noise: break
        case .row(let row): contents.rows.insert(row)
        case .applied(let row, let slot, let to):
            contents.rows.insert(row)
            contents.origins[slot] = to
        case .origin(let slot, let to): contents.origins[slot] = to
        case .node(let name): contents.node = name
        case .subscription(let subscription): contents.subscriptions[subscription.name] = subscription
        }
    }

    /// A copy of another's directory, or a rewind to it: slots do not come with it.
    func becomeCopy(of other: MeshServer) {
        wal = other.wal
        contents = other.contents
        position = other.position
        timeline = other.timeline
        history = other.history
        slots = [:]
        isDiverged = false
    }

    func start(asPrimary: Bool) {
        incarnation += 1
        isUp = true
        isPrimary = asPrimary
        if !asPrimary {
            clientsAreShut = true
            routes = routes.mapValues { _ in .shut }
        }
    }

    func stop() {
        incarnation += 1
        isUp = false
        isPrimary = false
        for name in slots.keys { slots[name]?.session = nil }
        for worker in workers.values { worker.isAlive = false }
        workers = [:]
    }

    /// The first entry that ends beyond a position.
    func index(after position: UInt64) -> Int {
        var low = 0
        var high = wal.count
        while low < high {
            let middle = (low + high) / 2
            if wal[middle].end <= position { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
