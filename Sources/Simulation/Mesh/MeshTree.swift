import HACore

/// What the zones' leaders say of themselves in ZooKeeper, with the past of it: readers may be late.
struct MeshTree {
    struct Node {
        var term: Term?
        var record: MeshRecord?
        /// Of the record.
        var version = 0
        var writtenAt: Nanoseconds = 0
    }

    private var past: [[(at: Nanoseconds, node: Node)]]
    private(set) var lastTerm: Int64 = 100

    init(zones: Int) { past = Array(repeating: [(0, Node())], count: zones) }

    func node(_ zone: Int) -> Node { past[zone].last!.node }

    /// As it was then.
    func node(_ zone: Int, at time: Nanoseconds) -> Node {
        past[zone].last { $0.at <= time }?.node ?? Node()
    }

    mutating func lead(_ zone: Int, now: Nanoseconds) -> Term {
        lastTerm += 1
        let term = Term(lastTerm)
        change(zone, now) { $0.term = term }
        return term
    }

    mutating func release(_ zone: Int, now: Nanoseconds) { change(zone, now) { $0.term = nil } }

    /// Guarded by the lock and by the version that was read.
    mutating func publish(_ record: MeshRecord, _ zone: Int, term: Term, version: Int, now: Nanoseconds) -> Bool {
        let node = node(zone)
        guard node.term == term, node.version == version else { return false }
        change(zone, now) {
            $0.record = record
            $0.version += 1
            $0.writtenAt = now
        }
        return true
    }

    private mutating func change(_ zone: Int, _ now: Nanoseconds, _ body: (inout Node) -> Void) {
        var node = node(zone)
        body(&node)
        past[zone].append((now, node))
        if past[zone].count > 400 { past[zone].removeFirst(200) }
    }
}
