public import HACore

/// A replication slot as pg_replication_slots shows it.
public struct ReplicationSlot: Hashable, Sendable {
    public enum Kind: Hashable, Sendable {
        case physical
        case logical(plugin: String, database: String)
    }

    public var name: String
    public var kind: Kind
    public var active: Bool
    public var temporary: Bool
    public var restartLSN: LSN?
    /// It holds back vacuum (`hot_standby_feedback` of its standby).
    public var holdsXmin: Bool
    /// `reserved`, `extended`, `unreserved`, `lost`; nil when nothing is reserved.
    public var walStatus: String?
    /// PostgreSQL 17 keeps it in step on standbys by itself.
    public var isFailover: Bool

    public init(
        name: String, kind: Kind = .physical, active: Bool = false, temporary: Bool = false, restartLSN: LSN? = nil,
        holdsXmin: Bool = false, walStatus: String? = nil, isFailover: Bool = false
    ) {
        self.name = name
        self.kind = kind
        self.active = active
        self.temporary = temporary
        self.restartLSN = restartLSN
        self.holdsXmin = holdsXmin
        self.walStatus = walStatus
        self.isFailover = isFailover
    }

    /// Plugins whose slots are never dropped, whatever else says so: without its slot a node of a mesh has to be built
    /// anew (contract/patroni.md 0.4, 4.20).
    public static let protectedPlugins: Set<String> = ["spock_output", "pglogical_output"]

    public var isProtected: Bool {
        guard case .logical(let plugin, _) = kind else { return false }
        return Self.protectedPlugins.contains(plugin)
    }

    public var isLost: Bool { walStatus == "lost" }
}

/// One entry of `ignore_slots`: what it names has to be equal, what it does not name may be anything.
public struct SlotMatcher: Hashable, Sendable {
    public var name: String?
    /// `physical` or `logical`.
    public var type: String?
    public var database: String?
    public var plugin: String?

    public init(name: String? = nil, type: String? = nil, database: String? = nil, plugin: String? = nil) {
        self.name = name
        self.type = type
        self.database = database
        self.plugin = plugin
    }

    public func matches(_ slot: ReplicationSlot) -> Bool {
        var own = SlotMatcher(name: slot.name, type: "physical")
        if case .logical(let plugin, let database) = slot.kind {
            own = SlotMatcher(name: slot.name, type: "logical", database: database, plugin: plugin)
        }
        func agrees(_ wanted: String?, _ found: String?) -> Bool { wanted == nil || wanted == found }
        return agrees(name, own.name) && agrees(type, own.type) && agrees(database, own.database)
            && agrees(plugin, own.plugin)
    }
}

/// A slot that should exist.
public struct DesiredSlot: Hashable, Sendable {
    /// Somebody streams from this server with it, so that it moves by itself; false: nobody does; nil: not known.
    public var expectedActive: Bool?
    /// Where to move it when nobody does; nil leaves it.
    public var position: LSN?

    public init(expectedActive: Bool? = nil, position: LSN? = nil) {
        self.expectedActive = expectedActive
        self.position = position
    }
}

/// One statement on one slot.
public enum SlotStep: Hashable, Sendable {
    case drop(String)
    case create(String)
    case advance(String, to: LSN)

    public var slot: String {
        switch self {
        case .drop(let name), .create(let name), .advance(let name, _): name
        }
    }
}

/// What to do so that a server's slots are the desired ones (contract/patroni.md 4.13). Pure.
public enum SlotPlan {
    /// Which slots that are not desired may be dropped. Protected ones never are.
    public enum DropRule: Hashable, Sendable {
        /// In pause.
        case nothing
        /// All but those that one of these matches.
        case allExcept([SlotMatcher])

        func permits(_ slot: ReplicationSlot) -> Bool {
            guard case .allExcept(let matchers) = self, !slot.isProtected, !slot.isFailover else { return false }
            return !matchers.contains { $0.matches(slot) }
        }
    }

    /// - Parameter limit: this server's own position, past which no slot moves.
    /// - Returns: drops first (they free a place for what is created), each group sorted by name.
    public static func steps(
        desired: [String: DesiredSlot], existing: [ReplicationSlot], dropping rule: DropRule, limit: LSN?
    ) -> [SlotStep] {
        var drops: [SlotStep] = []
        var creates: [SlotStep] = []
        var advances: [SlotStep] = []
        let present = Dictionary(existing.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        for slot in existing.sorted(by: { $0.name < $1.name }) where !slot.active && !slot.temporary {
            if slot.kind == .physical, let wanted = desired[slot.name] {
                // A lost slot reserves nothing any more; an xmin that nobody renews would hold back vacuum for ever.
                guard slot.isLost || slot.holdsXmin && wanted.expectedActive == false else { continue }
                drops.append(.drop(slot.name))
                creates.append(.create(slot.name))
            } else if rule.permits(slot) {
                drops.append(.drop(slot.name))
                if desired[slot.name] != nil { creates.append(.create(slot.name)) }
            }
        }
        for (name, wanted) in desired.sorted(by: { $0.key < $1.key }) {
            guard let slot = present[name] else {
                creates.append(.create(name))
                continue
            }
            guard !creates.contains(.create(name)), slot.kind == .physical, !slot.active,
                wanted.expectedActive != true, let position = wanted.position, let restart = slot.restartLSN
            else { continue }
            let target = limit.map { min($0, position) } ?? position
            if restart < target { advances.append(.advance(name, to: target)) }
        }
        return drops + creates.sorted { $0.slot < $1.slot } + advances
    }
}
