/// What an operator wants of this member's own PostgreSQL (contract 2.6, 2.7, 4.9). One at a time.
public struct MemberOrder: Hashable, Sendable {
    public enum Kind: Hashable, Sendable {
        /// Stop in order and start in the same role within `timeout`; nil = `primary_start_timeout`.
        case restart(timeout: Duration?)
        /// The data go, and another member's take their place.
        case reinitialize(fromLeader: Bool)
        /// PostgreSQL runs on without this agent, which ends.
        case detach

        public var name: String {
            switch self {
            case .restart: "restart"
            case .reinitialize: "reinitialize"
            case .detach: "detach"
            }
        }
    }

    /// How it ended.
    public enum Outcome: Hashable, Sendable {
        case done
        /// Started, and not accepting connections in the time it was given.
        case stillStarting
        case failed(String)
    }

    public var id: Int
    public var kind: Kind
    /// When it was accepted: what was done before is not its doing.
    public var since: Instant

    public init(id: Int, kind: Kind, since: Instant) {
        self.id = id
        self.kind = kind
        self.since = since
    }
}
