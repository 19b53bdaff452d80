/// One look at the mesh: what the view says, and the record and the actions that come of it.
struct MeshLook {
    let view: MeshView
    var memory: MeshMemory
    /// What this cluster says of itself from now on.
    var record: MeshRecord
    var problems: [MeshProblem] = []
    /// Scopes that are left out, since their nodes cannot be told from others.
    var refused: Set<String> = []
    /// In the order in which they are carried out, after what is shut, told and opened.
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
    var peers: [MeshView.Peer] {
        view.peers.filter { !view.intents.removed.contains($0.record.node) && !refused.contains($0.scope) }
    }

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
            $0.kind == kind && $0.link == link
                && ($0.range == range || $0.term == view.term && $0.range?.from == range?.from)
        }
        guard !isKnown else { return }
        // Of what says only how sure later findings can be, the last is enough.
        if kind == .holdDropped { record.findings.removeAll { $0.kind == kind && $0.link == link } }
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
        if isSameHistory(own, view) {
            record.state = own.state
            record.fork = own.fork
            record.earlierForks = own.earlierForks
        } else {
            record.gate(after: own, view)
        }
        return record
    }

    /// Nothing of what the record stands for is lost: its leader goes on, or another one on the same timeline.
    private static func isSameHistory(_ own: MeshRecord, _ view: MeshView) -> Bool {
        // The holder of the lock was its last primary: promoted anew, it has all that it had flushed and sent.
        if own.term == view.term { return true }
        guard own.timeline == view.server.timeline else { return false }
        // Two standbys that know nothing of each other may give their timelines the same number.
        guard let fork = own.fork, fork.timeline == own.timeline, let left = view.server.forkedAt else { return true }
        return fork.position <= left
    }
}

extension MeshRecord {
    /// The record of a server that was just promoted: what its predecessor said is true only as far as this one has it.
    fileprivate mutating func gate(after own: MeshRecord, _ view: MeshView) {
        let server = view.server
        var left = server.history?.switchPoint(of: own.timeline) ?? server.forkedAt ?? .zero
        // It does not come from there: both have in common what was before.
        if server.history?.switchPoint(of: own.timeline) == nil, let fork = own.fork { left = min(left, fork.position) }
        state = .gated
        earlierForks = own.earlierForks + (own.fork.map { [$0] } ?? [])
        fork = Fork(term: view.term, timeline: server.timeline, position: left)
        for link in links.keys { links[link]?.inherit(upTo: left) }
    }
}

extension MeshLinkRecord {
    fileprivate mutating func inherit(upTo left: LSN) {
        origin = nil
        if let known = safe, known.position > left { safe = nil }
        if let known = kicked, known > left { kick = true }
        kicked = nil
        // A copied slot does not go back with its original.
        if let known = rewind, known.isMoved { rewind?.isDone = false }
        if let finished = setBack?.finished {
            if finished > left { setBack?.finished = nil } else { setBack = nil }
        }
    }
}
