/// A logical slot of a mesh, on the leader or on a standby.
public struct MeshSlot: Hashable, Sendable {
    public var name: String
    public var database: String
    public var plugin: String
    /// Decoding begins here.
    public var restart: LSN
    /// The subscriber has everything up to here.
    public var confirmed: LSN
    /// The first snapshot that decoding finds on this server's disk from `restart` to `confirmed`; nil: none.
    public var snapshot: LSN?
    /// PostgreSQL has given it up: what it needs is gone.
    public var isLost: Bool

    public init(
        _ name: String, database: String, plugin: String, restart: LSN, confirmed: LSN, snapshot: LSN? = nil,
        isLost: Bool = false
    ) {
        self.name = name
        self.database = database
        self.plugin = plugin
        self.restart = restart
        self.confirmed = confirmed
        self.snapshot = snapshot
        self.isLost = isLost
    }

    /// - Parameter snapshots: all on the disk of this server.
    public func finding(_ snapshots: [LSN]) -> MeshSlot {
        var slot = self
        slot.snapshot = snapshots.filter { restart <= $0 && $0 <= confirmed }.min()
        return slot
    }
}

/// What a standby's copies of the leader's slots are good for, and what they need (design/zones.md 4). Pure.
///
/// Present is not usable. A copy whose WAL is gone says `reserved` and fails after the promotion; one without the
/// snapshot that the leader has at its `restart` loses the transactions that were open there, without a word (ran).
public struct SlotCopies: Hashable, Sendable {
    /// Why a slot has to be copied into the stopped standby.
    public enum Need: String, Hashable, Sendable, CaseIterable {
        case absent = "is missing here"
        /// Another database or plugin under this name.
        case different = "is another slot here"
        /// Past the leader's, which went back for a peer that was promoted without what it had confirmed.
        case ahead = "has confirmed more here than on the leader"
        case unusable = "has lost here what it needs"
        /// It moves, and decoding from its `restart` would not see everything.
        case unsettled = "has not the leader's snapshot here"
    }

    public enum Attempt: Hashable, Sendable {
        case done
        /// The WAL that it needs is gone: another try ends in the same way.
        case unusable(String)
        case failed(String)
    }

    public struct Advance: Hashable, Sendable {
        public var name: String
        public var database: String
        public var to: LSN

        public init(_ name: String, database: String, to: LSN) {
            self.name = name
            self.database = database
            self.to = to
        }
    }

    /// Can be copied, at the next start.
    public private(set) var needs: [String: Need] = [:]
    public private(set) var advances: [Advance] = []
    /// Peers could go on with these after a promotion.
    public private(set) var proved: Set<String> = []
    /// Replay has not come so far, or an attempt failed that may succeed later.
    public private(set) var waiting: Set<String> = []
    /// Need to be copied, and would be of no use: the leader's reach back beyond the WAL here.
    public private(set) var beyond: [String: Need] = [:]
    /// Copies of slots that the leader does not have any more.
    public private(set) var leftovers: Set<String> = []
    /// The leader does not have them, and nobody knows them as copies: reported, never dropped.
    public private(set) var unknown: Set<String> = []

    /// - Parameters:
    ///   - leader: its slots of the mesh.
    ///   - own: those of this standby.
    ///   - replayed: how far this standby is.
    ///   - oldestWAL: where its WAL begins.
    ///   - attempts: by slot, the last advance since this server started.
    ///   - copies: names that this agent knows as copies.
    ///   - recorded: names that the cluster's record or its peers' list: not dropped while the leader makes one anew.
    public init(
        leader: [MeshSlot], own: [MeshSlot], replayed: LSN, oldestWAL: LSN, attempts: [String: Attempt] = [:],
        copies: Set<String> = [], recorded: Set<String> = []
    ) {
        let present = Dictionary(own.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        for slot in leader.sorted(by: { $0.name < $1.name }) where !slot.isLost {
            judge(slot, present[slot.name], replayed, oldestWAL, attempts[slot.name])
        }
        let wanted = Set(leader.map(\.name))
        for name in present.keys where !wanted.contains(name) && !recorded.contains(name) {
            if copies.contains(name) { leftovers.insert(name) } else { unknown.insert(name) }
        }
    }

    private mutating func judge(
        _ slot: MeshSlot, _ copy: MeshSlot?, _ replayed: LSN, _ oldestWAL: LSN, _ attempt: Attempt?
    ) {
        if let need = Self.need(slot, copy, attempt) {
            if slot.restart >= oldestWAL { needs[slot.name] = need } else { beyond[slot.name] = need }
            return
        }
        guard let copy, copy.confirmed <= replayed else {
            waiting.insert(slot.name)
            return
        }
        let target = min(slot.confirmed, replayed)
        if target > copy.confirmed || attempt != .done {
            advances.append(Advance(slot.name, database: slot.database, to: target))
        }
        if attempt == .done { proved.insert(slot.name) } else { waiting.insert(slot.name) }
    }

    private static func need(_ slot: MeshSlot, _ copy: MeshSlot?, _ attempt: Attempt?) -> Need? {
        guard let copy else { return .absent }
        guard copy.database == slot.database, copy.plugin == slot.plugin else { return .different }
        guard !copy.isLost else { return .unusable }
        guard copy.confirmed <= slot.confirmed else { return .ahead }
        switch attempt {
        case .unusable: return .unusable
        case .done: return copy.seesAll(of: slot) ? nil : .unsettled
        case .failed, nil: return nil
        }
    }

    /// What to put into a standby that is about to start: what is sound stays, since its replay may not reach the
    /// leader's positions before it is promoted.
    /// - Parameter own: as its files say.
    public static func toInstall(leader: [MeshSlot], own: [MeshSlot], oldestWAL: LSN) -> [MeshSlot] {
        let present = Dictionary(own.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        return leader.filter { slot in
            guard !slot.isLost, slot.restart >= oldestWAL else { return false }
            guard need(slot, present[slot.name], .done) == nil, let copy = present[slot.name] else { return true }
            return copy.restart < oldestWAL
        }
    }
}

extension MeshSlot {
    /// Decoding here begins with a whole picture, or with the very same as on the leader.
    fileprivate func seesAll(of slot: MeshSlot) -> Bool {
        snapshot == restart || (restart == slot.restart && snapshot == slot.snapshot)
    }
}

/// Who keeps the slots of a mesh on standbys.
public enum SlotCopier: Hashable, Sendable {
    case agent, postgres
}

extension MeshSettings {
    /// - Parameter majorVersion: of PostgreSQL.
    /// - Returns: nil when nobody does: before 17 PostgreSQL cannot, whatever `slots.mode` says.
    public func slotCopier(majorVersion: Int) -> SlotCopier? {
        switch slotMode {
        case .copy: .agent
        case .auto: majorVersion >= 17 ? .postgres : .agent
        case .native: majorVersion >= 17 ? .postgres : nil
        }
    }
}
