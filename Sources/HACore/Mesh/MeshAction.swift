/// What the edge is asked to do for the mesh. Each is idempotent, or guarded by what the decision read, and is dropped
/// when its term has passed or the server was restarted since.
public enum MeshAction: Hashable, Sendable {
    /// Replace the service file: the way to each peer.
    case route([String: MeshRoute])
    /// Write the record into the tree, guarded by the lock and by the version that the view was made of.
    case publish(MeshRecord)
    /// Let clients write.
    case openClients
    /// Move the own WAL past this position.
    case burn(past: LSN)
    /// One statement, or a few that belong together, in one database.
    case run(database: String, MeshStatement)
    /// A step of copying a peer's rows over ours.
    case copy(MeshCopy)
    /// Write down what has come of an operator's request, guarded by the lock.
    case amend(MeshIntents.Change)
}

/// A step of copying a peer's rows over ours. The peer is asked first, without a worker, what it has to give: nothing is
/// dropped or emptied for a peer that does not answer, or whose tables do not fit.
public struct MeshCopy: Hashable, Sendable {
    public enum Step: Hashable, Sendable {
        /// Drop the subscription and its slot on the peer.
        case leave(subscription: String, slot: String)
        /// Empty the peer's tables here and subscribe with a copy of them, as one.
        case begin(subscription: String, dsn: String, forwardOrigins: [String])
        /// Empty one table, `schema.table`, and have the subscription copy it.
        case table(subscription: String, table: String)
        /// Have the peer commit something: a copy ends with a commit that comes after it, which nobody may make there.
        case wake
    }

    public var link: MeshLink
    /// Of the peer's leader.
    public var address: MeshRecord.Address
    /// As its record has it.
    public var fixed: String?
    /// The sets of the peer that are subscribed to.
    public var sets: [String]
    /// The slot here through which the peer takes our changes: it has them all before ours are emptied. Nil: it takes none.
    public var slotOfPeer: String?
    public var step: Step

    public init(
        link: MeshLink, address: MeshRecord.Address, fixed: String?, sets: [String], slotOfPeer: String?, step: Step
    ) {
        self.link = link
        self.address = address
        self.fixed = fixed
        self.sets = sets
        self.slotOfPeer = slotOfPeer
        self.step = step
    }
}

/// What is done in a database of a node; all of it by Spock's functions, or by PostgreSQL's for slots and origins.
public enum MeshStatement: Hashable, Sendable {
    case createExtension
    case createNode(name: String, dsn: String, location: String?, country: String?, info: String?)
    case createSet(String, MeshDatabase.ReplicationSet)
    case alterSet(String, MeshDatabase.ReplicationSet)
    case addTable(set: String, table: MeshDatabase.Table)
    case subscribe(
        name: String, dsn: String, sets: [String], structure: Bool, data: Bool, forwardOrigins: [String])
    case enable(subscription: String)
    /// Disable and enable, as two statements: the worker ends, and another connects at once (design/zones.md 5).
    case kick(subscriptions: [String])
    case dropSubscription(String)
    /// With its interfaces; for a node without subscriptions.
    case dropNode(String)
    /// Set the progress of an origin, which may go back; no worker runs.
    case setOrigin(String, LSN)
    case copySlot(from: String, to: String)
    case advanceSlot(String, LSN)
    /// Ends the walsender first, when there is one.
    case dropSlot(String)
    /// Have PostgreSQL keep the slot on the standbys, from 17 on; ends its walsender first, when there is one.
    case keepOnStandbys(slot: String)
    /// End the walsender of a slot: what its worker has confirmed on the way would still move the slot.
    case endSender(slot: String)
}

/// Why something of the mesh is not as it should be; for people.
public struct MeshProblem: Hashable, Sendable, CustomStringConvertible {
    /// Nil: of the whole cluster.
    public var link: MeshLink?
    public var text: String

    public init(_ link: MeshLink? = nil, _ text: String) {
        self.link = link
        self.text = text
    }

    public var description: String { (link.map { "\($0.database), \($0.peer): " } ?? "") + text }
}

/// The outcome of looking at the mesh once.
public struct MeshDecision: Hashable, Sendable {
    /// In order. A failure ends the list, but for a statement's, which holds up nothing else.
    public var actions: [MeshAction] = []
    /// A sentence for the operator.
    public var reason: String
    public var problems: [MeshProblem] = []
    public var memory: MeshMemory
    /// Look again after this time at the latest; at once after actions that succeeded.
    public var recheckAfter: Duration

    public init(reason: String, memory: MeshMemory, recheckAfter: Duration) {
        self.reason = reason
        self.memory = memory
        self.recheckAfter = recheckAfter
    }
}

/// What decisions about the mesh remember from one look to the next; a new leader begins without.
public struct MeshMemory: Hashable, Sendable {
    /// Since when the present fork is gated.
    public var gatedSince: Instant?
    public var gatedTerm: Term?
    /// When the record was last written for numbers alone.
    public var publishedAt: Instant?
    public var kickedAt: [MeshLink: Instant] = [:]
    /// What a standby has to have before the peer's hold slot may move.
    public var pendingSafe: [MeshLink: MeshLinkRecord.Safe] = [:]

    public init() {}
}
