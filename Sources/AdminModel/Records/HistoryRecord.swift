public import HACore

/// `history`: the timelines of the cluster (contract/patroni.md 1.8).
public struct HistoryRecord: Hashable, Sendable {
    public struct Entry: Hashable, Sendable {
        /// The timeline that ended.
        public var parent: Timeline
        /// Where it ended.
        public var switchLSN: LSN
        public var reason: String
        /// ISO 8601 with offset; missing in entries of old versions, as is the leader.
        public var timestamp: String?
        public var leader: MemberID?

        public init(
            parent: Timeline, switchLSN: LSN, reason: String, timestamp: String? = nil, leader: MemberID? = nil
        ) {
            self.parent = parent
            self.switchLSN = switchLSN
            self.reason = reason
            self.timestamp = timestamp
            self.leader = leader
        }

        /// Nil when the first three items are not there.
        public init?(json: JSONValue) {
            guard let items = json.asArray, items.count >= 3,
                let parent = items[0].looseInt.flatMap({ UInt32(exactly: $0) }),
                let lsn = items[1].looseInt.flatMap({ UInt64(exactly: $0) })
            else { return nil }
            self.init(
                parent: Timeline(parent), switchLSN: LSN(lsn), reason: items[2].asString ?? "",
                timestamp: items.count > 3 ? items[3].asString : nil,
                leader: items.count > 4 ? items[4].asString.map(MemberID.init(_:)) : nil)
        }

        public var json: JSONValue {
            var items: [JSONValue] = [.int(Int64(parent.rawValue)), switchLSN.json, .string(reason)]
            if let timestamp { items.append(.string(timestamp)) }
            if timestamp != nil, let leader { items.append(.string(leader.rawValue)) }
            return .array(items)
        }
    }

    /// Oldest first.
    public var entries: [Entry]
    /// Whether the stored value was a list at all; a list without entries says that the cluster is on timeline 1.
    public let isList: Bool

    public init(entries: [Entry]) {
        self.entries = entries
        self.isList = true
    }

    /// Entries that cannot be read are left out.
    public init(json: JSONValue) {
        entries = (json.asArray ?? []).compactMap(Entry.init(json:))
        isList = json.asArray != nil
    }

    public var json: JSONValue { .array(entries.map(\.json)) }

    /// The cluster's timeline: one more than the last that ended; nil when unknown.
    public var clusterTimeline: Timeline? {
        if let last = entries.last { return Timeline(last.parent.rawValue &+ 1) }
        return isList ? Timeline(1) : nil
    }
}
