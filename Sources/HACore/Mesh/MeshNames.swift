/// Which clusters may not take part, since nobody could tell their nodes apart (contract/spock.md 1.1, 6.8): refused before
/// anything of them is written into a catalog.
extension MeshLook {
    mutating func refuseNames() {
        let scopes = Dictionary(grouping: view.peers, by: \.record.node)
        for (node, same) in scopes.sorted(by: { $0.key < $1.key }) where node == me || same.count > 1 {
            // The one that is subscribed to keeps its place.
            let strangers = same.filter { node == me || !isSubscribed(to: $0) }.map(\.scope)
            refuse(strangers, "node name \(node) is used twice in mesh \(settings.mesh): choose another")
        }
        for group in NodeID.collisions(among: [me] + scopes.keys) {
            let strangers = group.flatMap { scopes[$0] ?? [] }.filter { $0.record.node != me && !isSubscribed(to: $0) }
            let names = group.joined(separator: ", ")
            refuse(strangers.map(\.scope), "nodes \(names) have one id, \(NodeID(of: group[0])), to Spock: rename one")
        }
        for (node, same) in scopes.sorted(by: { $0.key < $1.key }) where NodeID(of: node).isReserved {
            refuse(same.map(\.scope), "node name \(node) has an id that PostgreSQL uses itself: choose another")
        }
    }

    private mutating func refuse(_ scopes: [String], _ why: String) {
        guard !scopes.isEmpty else { return }
        refused.formUnion(scopes)
        problem(nil, "\(scopes.sorted().joined(separator: ", ")) is left out: \(why)")
    }

    private func isSubscribed(to peer: MeshView.Peer) -> Bool {
        view.own?.links.contains { link, word in
            link.peer == peer.record.node && word.subscription != nil
                && word.peerSystem == peer.record.systemIdentifier
        } ?? false
    }
}
