/// What follows for one link from what a leader saw last: for people and for monitoring. Of a member that does not lead,
/// only what the records in the tree say.
public struct MeshFacts: Hashable, Sendable {
    /// This cluster as the subscriber of its peer.
    public struct Incoming: Hashable, Sendable {
        public var subscription: String?
        /// Nil: not known here.
        public var isEnabled: Bool?
        public var hasWorker: Bool?
        /// As `sub_show_status` names it.
        public var status: String?
        /// How far the peer's changes are applied.
        public var origin: LSN?
        /// The way of the apply workers to the peer; nil: it has no gate, or is not known here.
        public var route: MeshRoute?
        /// Tables that are not yet copied.
        public var copying: [String] = []
        /// The peer's slot has yet to go back, since this cluster's fork, or reaches too short.
        public var isHeld = false
        /// What may be missing here.
        public var gap: MeshRange?
        public var isGapAccepted = false

        /// The peer's changes arrive.
        public var isUp: Bool { status == "replicating" && hasWorker != false && copying.isEmpty }
    }

    /// This cluster as the provider of its peer.
    public struct Outgoing: Hashable, Sendable {
        /// Nil: the peer takes nothing.
        public var slot: String?
        public var isActive: Bool?
        public var isLost: Bool?
        /// What the peer has confirmed.
        public var confirmed: LSN?
        /// What is written here and not confirmed, in bytes.
        public var lagBytes: UInt64?
        public var lag: Duration?
        /// WAL that the slot keeps, in bytes.
        public var retained: UInt64?
        public var holdSlot: String?
        public var holdConfirmed: LSN?
        public var holdRetained: UInt64?
        public var rewind: MeshLinkRecord.Rewind?
    }

    public var link: MeshLink
    public var incoming = Incoming()
    public var outgoing = Outgoing()

    public init(_ link: MeshLink) { self.link = link }

    /// - Parameters:
    ///   - own: the record in the tree.
    ///   - view: of the last look as leader; nil on another member.
    /// - Returns: for each database and peer, in order.
    public static func of(
        own: MeshRecord?, peers: [MeshView.Peer], intents: MeshIntents, settings: MeshSettings, view: MeshView?
    ) -> [MeshFacts] {
        let links = settings.databases.flatMap { database in peers.map { MeshLink(database, $0.record.node) } }
        return Set(links).union(own?.links.keys.map { $0 } ?? []).sorted().map { link in
            let peer = peers.first { $0.record.node == link.peer }
            let word = peer?.record.links[MeshLink(link.database, settings.node)]
            var facts = MeshFacts(link)
            facts.takeRecords(own, word, intents)
            if let view { facts.take(view, word) }
            return facts
        }
    }

    private mutating func takeRecords(_ own: MeshRecord?, _ word: MeshLinkRecord?, _ intents: MeshIntents) {
        let record = own?.links[link]
        incoming.subscription = record?.subscription
        incoming.status = record?.status
        incoming.origin = record?.origin
        if let fork = own?.fork, record?.subscription != nil {
            let rewind = word?.rewind.flatMap { $0.term == fork.term ? $0 : nil }
            incoming.gap = rewind?.gap
            incoming.isGapAccepted = intents.accepted[link] == fork.term
            incoming.isHeld = rewind?.isDone != true || (rewind?.gap != nil && !incoming.isGapAccepted)
        }
        outgoing.slot = word?.subscription == nil ? nil : word?.slot
        outgoing.confirmed = record?.confirmed
        outgoing.holdSlot = record?.holdSlot
        outgoing.rewind = record?.rewind
    }

    private mutating func take(_ view: MeshView, _ word: MeshLinkRecord?) {
        if view.settings.connection.mode == .service { incoming.route = view.routes[link.peer] ?? .shut }
        if view.settings.onGap == .continue || view.settings.applyGate != .service { incoming.isHeld = false }
        guard let database = view.databases[link.database] else { return }
        let subscription = database.subscription(to: link.peer)
        incoming.subscription = subscription?.name
        incoming.status = subscription?.status
        incoming.isEnabled = subscription?.isEnabled
        incoming.hasWorker = subscription?.hasWorker
        incoming.copying = subscription?.copying.sorted() ?? []
        if let origin = subscription.flatMap({ database.origins[$0.slot] }) { incoming.origin = origin }
        let position = view.server.position
        if let slot = outgoing.slot.flatMap({ database.slots[$0] }) {
            outgoing.isActive = slot.activePID != nil
            outgoing.isLost = slot.isLost
            outgoing.confirmed = slot.confirmed
            outgoing.lagBytes = position.bytesAhead(of: slot.confirmed)
            outgoing.lag = slot.lag
            outgoing.retained = position.bytesAhead(of: slot.restart)
        }
        let name = outgoing.holdSlot ?? MeshLook.holdSlot(link)
        if let hold = database.slots[name] {
            outgoing.holdSlot = name
            outgoing.holdConfirmed = hold.confirmed
            outgoing.holdRetained = position.bytesAhead(of: hold.restart)
        }
    }
}
