/// One look at the mesh: what the view says, and the record and the actions that come of it.
struct MeshLook {
    let view: MeshView
    var memory: MeshMemory
    /// What this cluster says of itself from now on.
    var record: MeshRecord
    var problems: [MeshProblem] = []
    /// In the order in which they are carried out; `route` that shuts and `publish` find their places at the end.
    var steps: [MeshAction] = []
    /// Subscriptions that get a hand once the record says so.
    var kicks: [(link: MeshLink, subscription: String)] = []
    var pause = Duration.seconds(10)

    init(_ view: MeshView, _ memory: MeshMemory) {
        self.view = view
        self.memory = memory
        record = Self.record(view)
    }

    var settings: MeshSettings { view.settings }
    var me: String { settings.node }

    /// Peers that belong to the mesh and that nobody has asked to be gone.
    var peers: [MeshView.Peer] { view.peers.filter { !view.intents.removed.contains($0.record.node) } }

    /// The links that a peer has with this cluster, and the databases they are in.
    func links(with peer: MeshView.Peer) -> [(link: MeshLink, database: MeshDatabase)] {
        view.databases.sorted { $0.key < $1.key }.map { (MeshLink($0.key, peer.record.node), $0.value) }
    }

    /// What the peer says of the link, seen from its side.
    func word(of peer: MeshView.Peer, _ link: MeshLink) -> MeshLinkRecord? {
        peer.record.links[MeshLink(link.database, me)]
    }

    /// The record in the tree is ours, of this term: what it says is known to the peers.
    var published: MeshRecord? { view.own.flatMap { $0.term == view.term ? $0 : nil } }

    /// Clients may write here, and the tree says so of this timeline, under whichever lock.
    var isOpen: Bool { record.state == .open && view.own?.state == .open && view.own?.timeline == record.timeline }

    mutating func problem(_ link: MeshLink? = nil, _ text: String) { problems.append(MeshProblem(link, text)) }

    mutating func find(_ kind: MeshFinding.Kind, _ link: MeshLink, range: MeshRange? = nil) {
        let finding = MeshFinding(kind, link, range: range, term: view.term)
        let isKnown = record.findings.contains {
            $0.kind == kind && $0.link == link && ($0.range == range || $0.term == view.term)
        }
        guard !isKnown else { return }
        record.findings.append(finding)
        if record.findings.count > 64 { record.findings.removeFirst() }
    }

    mutating func recheck(_ wanted: Duration) { pause = min(pause, wanted) }

    /// The record of the tree, brought to the present leader, server and timeline.
    private static func record(_ view: MeshView) -> MeshRecord {
        let server = view.server
        var record = MeshRecord(
            mesh: view.settings.mesh, node: view.settings.node, term: view.term, state: .open,
            systemIdentifier: server.systemIdentifier, timeline: server.timeline,
            address: view.addresses.first ?? MeshRecord.Address(host: "", port: 0), postgresVersion: server.version)
        record.addresses = view.addresses
        record.fixed = view.settings.connection.mode == .fixed ? view.settings.connection.fixed : nil
        for (name, database) in view.databases where database.localNode == view.settings.node {
            record.databases[name] = database.encoding
            record.spockVersion = database.spockVersion
            record.protocols = database.protocols
        }
        guard let own = view.own, own.mesh == record.mesh, own.node == record.node,
            own.systemIdentifier == record.systemIdentifier
        else { return record }
        record.links = own.links
        record.findings = own.findings
        // What could not be read now is as it was.
        for name in view.obstacles.keys { record.databases[name] = own.databases[name] }
        if record.spockVersion == nil { (record.spockVersion, record.protocols) = (own.spockVersion, own.protocols) }
        if own.timeline == server.timeline {
            record.state = own.state
            record.fork = own.fork
            record.openedAt = own.openedAt
        } else {
            record.state = .gated
            record.fork = MeshRecord.Fork(
                term: view.term, timeline: server.timeline, position: server.forkedAt ?? .zero)
            // Progress as the former primary had it says nothing of this server's.
            for link in record.links.keys { record.links[link]?.origin = nil }
        }
        return record
    }
}
