public import HACore

/// `failover`: a request to move the leader (contract/patroni.md 1.7). The znode calls the candidate `member`.
public struct FailoverRecord: Hashable, Sendable {
    /// Present: a switchover from this leader. Absent: a failover.
    public var leader: MemberID?
    public var candidate: MemberID?
    /// ISO 8601 with offset, as the requester wrote it.
    public var scheduledAt: String?
    /// The candidate has taken the lock. Left for a moment, since a Patroni that waits for the outcome reads the names of
    /// the znodes, then this one: without a leader there and a request here it says "failed".
    public var isFulfilled: Bool

    public init(
        leader: MemberID? = nil, candidate: MemberID? = nil, scheduledAt: String? = nil, isFulfilled: Bool = false
    ) {
        self.leader = leader
        self.candidate = candidate
        self.scheduledAt = scheduledAt
        self.isFulfilled = isFulfilled
    }

    /// `scheduledAt` since 1970; nil without one, or when it cannot be read.
    public var moment: Duration? { scheduledAt.flatMap { try? MomentText.parse($0) } }

    /// Nobody asks for anything.
    public var isEmpty: Bool { leader == nil && candidate == nil }
    public var isSwitchover: Bool { leader != nil }

    public init(json: JSONValue) {
        self.init(
            leader: Self.name(json["leader"]), candidate: Self.name(json["member"] ?? json["candidate"]),
            scheduledAt: json["scheduled_at"]?.asString.flatMap { $0.isEmpty ? nil : $0 },
            isFulfilled: json["fulfilled"]?.asBool ?? false)
    }

    /// Reads a znode, also the legacy text `leader:candidate`. Throws for what is longer than a znode may be.
    public init(znode: [UInt8]) throws(JSONError) {
        do {
            self.init(json: try JSONParser.parse(znode))
        } catch  where error.code == .syntax {
            let text = String(decoding: znode, as: UTF8.self)
            // Broken JSON is no request: a leader must not step down because of it.
            guard !text.contains(where: { "{}[]\"".contains($0) }) else { throw error }
            let parts = text.split(separator: ":", omittingEmptySubsequences: false).map { String($0).trimmingSpaces }
            self.init(
                leader: Self.name(.string(parts[0])), candidate: parts.count > 1 ? Self.name(.string(parts[1])) : nil)
        }
    }

    /// `{}` when empty, which is how a request is cleared.
    public var json: JSONValue {
        var object = JSONObject()
        object["leader"] = leader.map { .string($0.rawValue) }
        object["member"] = candidate.map { .string($0.rawValue) }
        object["scheduled_at"] = scheduledAt.map(JSONValue.string)
        object["fulfilled"] = isFulfilled ? .bool(true) : nil
        return .object(object)
    }

    private static func name(_ json: JSONValue?) -> MemberID? {
        json?.asString.flatMap { $0.isEmpty ? nil : MemberID($0) }
    }
}
