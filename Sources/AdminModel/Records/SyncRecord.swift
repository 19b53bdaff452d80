public import HACore

/// `sync`: who is synchronous (contract/patroni.md 1.5).
public struct SyncRecord: Hashable, Sendable {
    /// Nil: synchronous replication is off, whatever else stands here.
    public var leader: MemberID?
    /// 0 except in quorum mode.
    public var quorum: Int
    /// The standbys in order of their names; the leader is not among them.
    public var standbys: [MemberID]

    public init(leader: MemberID?, quorum: Int = 0, standbys: [MemberID] = []) {
        self.leader = leader
        self.quorum = quorum
        self.standbys = standbys
    }

    /// What is read from an absent or unreadable znode.
    public static let off = SyncRecord(leader: nil)

    public var isOff: Bool { leader == nil }

    public init(json: JSONValue) {
        let leader = json["leader"]?.asString.flatMap { $0.isEmpty ? nil : MemberID($0) }
        let quorum = json["quorum"]?.looseInt.flatMap { Int(exactly: $0) } ?? 0
        let names: [String]
        switch json["sync_standby"] {
        case .array(let items): names = items.compactMap(\.asString)
        case .string(let text): names = text.split(separator: ",").map { String($0).trimmingSpaces }
        default: names = []
        }
        self.init(leader: leader, quorum: max(0, quorum), standbys: names.filter { !$0.isEmpty }.map(MemberID.init(_:)))
    }

    /// `{}` when off.
    public var json: JSONValue {
        guard let leader else { return [:] }
        let names = standbys.map(\.rawValue).sorted { $0.unicodeScalars.lexicographicallyPrecedes($1.unicodeScalars) }
        return [
            "leader": .string(leader.rawValue), "quorum": .int(Int64(quorum)),
            "sync_standby": names.isEmpty ? .null : .string(names.joined(separator: ",")),
        ]
    }

    /// Whether the member is the leader or one of the standbys; names are compared without regard to case.
    public func contains(_ member: MemberID) -> Bool {
        guard let leader else { return false }
        return leader.isSame(as: member) || isStandby(member)
    }

    public func isStandby(_ member: MemberID) -> Bool { leader != nil && standbys.contains { $0.isSame(as: member) } }
}

extension String {
    var trimmingSpaces: String {
        var text = Substring(self)
        while text.first?.isWhitespace == true { text.removeFirst() }
        while text.last?.isWhitespace == true { text.removeLast() }
        return String(text)
    }
}
