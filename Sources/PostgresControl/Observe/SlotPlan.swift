public import HACore

/// A physical replication slot as pg_replication_slots shows it.
public struct PhysicalSlot: Hashable, Sendable {
    public var name: String
    public var active: Bool
    public var temporary: Bool
    public var restartLSN: LSN?
    /// It holds back vacuum (`hot_standby_feedback` of its standby).
    public var holdsXmin: Bool
    /// `reserved`, `extended`, `unreserved`, `lost`; nil when nothing is reserved.
    public var walStatus: String?

    public init(
        name: String, active: Bool = false, temporary: Bool = false, restartLSN: LSN? = nil, holdsXmin: Bool = false,
        walStatus: String? = nil
    ) {
        self.name = name
        self.active = active
        self.temporary = temporary
        self.restartLSN = restartLSN
        self.holdsXmin = holdsXmin
        self.walStatus = walStatus
    }
}

/// A slot that should exist.
public struct DesiredSlot: Hashable, Sendable {
    /// Somebody streams from this server with it, so that it moves by itself.
    public var expectedActive: Bool
    /// Where to move it when nobody does; nil leaves it.
    public var position: LSN?

    public init(expectedActive: Bool = true, position: LSN? = nil) {
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

/// What to do so that a server's physical slots are the desired ones (contract/patroni.md 4.13). Pure.
public enum SlotPlan {
    /// Which slots that are not desired may be dropped.
    public enum DropRule: Hashable, Sendable {
        /// In pause.
        case nothing
        /// All but those of `ignore_slots`.
        case allExcept(Set<String>)
        /// Names that are ours for certain: of former members.
        case only(Set<String>)

        func permits(_ name: String) -> Bool {
            switch self {
            case .nothing: false
            case .allExcept(let kept): !kept.contains(name)
            case .only(let known): known.contains(name)
            }
        }
    }

    /// - Parameters:
    ///   - existing: physical slots; logical ones never come in here.
    ///   - limit: this server's own position, past which no slot moves.
    /// - Returns: drops first (they free a place for what is created), each group sorted by name.
    public static func steps(
        desired: [String: DesiredSlot], existing: [PhysicalSlot], dropping rule: DropRule, limit: LSN?
    ) -> [SlotStep] {
        var drops: [SlotStep] = []
        var creates: [SlotStep] = []
        var advances: [SlotStep] = []
        let present = Dictionary(existing.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        for slot in existing.sorted(by: { $0.name < $1.name }) where !slot.active && !slot.temporary {
            if let wanted = desired[slot.name] {
                // A lost slot reserves nothing any more; an xmin that nobody renews would hold back vacuum for ever.
                guard slot.walStatus == "lost" || slot.holdsXmin && !wanted.expectedActive else { continue }
                drops.append(.drop(slot.name))
                creates.append(.create(slot.name))
            } else if rule.permits(slot.name) {
                drops.append(.drop(slot.name))
            }
        }
        for (name, wanted) in desired.sorted(by: { $0.key < $1.key }) {
            guard let slot = present[name] else {
                creates.append(.create(name))
                continue
            }
            guard !creates.contains(.create(name)), !slot.active, !wanted.expectedActive,
                let position = wanted.position, let restart = slot.restartLSN
            else { continue }
            let target = limit.map { min($0, position) } ?? position
            if restart < target { advances.append(.advance(name, to: target)) }
        }
        return drops + creates.sorted { $0.slot < $1.slot } + advances
    }
}
