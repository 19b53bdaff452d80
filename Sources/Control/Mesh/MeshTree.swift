internal import AdminModel
package import HACore
internal import LocalConfiguration
internal import ZooKeeper

/// The clusters of a mesh, as their records in ZooKeeper have them (design/zones.md 2).
package struct MeshTree: Sendable {
    package struct Cluster: Sendable {
        package var scope: String
        package var record: MeshRecord
        /// Who leads now; nil: nobody.
        package var leader: ClusterTree.Member?

        package init(scope: String, record: MeshRecord, leader: ClusterTree.Member?) {
            self.scope = scope
            self.record = record
            self.leader = leader
        }

        package var node: String { record.node }
    }

    /// The cluster that the command is about.
    package var own: Cluster
    /// In the order of their nodes.
    package var peers: [Cluster]

    package init(own: Cluster, peers: [Cluster]) {
        self.own = own
        self.peers = peers.sorted { $0.node < $1.node }
    }

    /// All, in the order of their nodes.
    package var clusters: [Cluster] { ([own] + peers).sorted { $0.node < $1.node } }

    package func peer(_ node: String) throws(ControlError) -> Cluster {
        if let peer = peers.first(where: { $0.node == node }) { return peer }
        let known = peers.map(\.node).joined(separator: ", ")
        throw ControlError(
            node == own.node
                ? "\(node) is the node of this cluster itself; its peers are: \(known)"
                : "\(node) is no peer of \(own.node) in mesh \(own.record.mesh); its peers are: \(known)")
    }
}

extension ClusterStore {
    /// Reads the records of this cluster and of all others of its mesh in the same namespace.
    /// - Throws: `ControlError` when this cluster has no record.
    package func readMesh() async throws -> MeshTree {
        guard let parent = layout.base.parent else { throw ControlError("cluster \(scope) has no peers in ZooKeeper") }
        try await session.sync(parent, deadline: Self.deadline)
        guard let own = try await meshCluster(scope) else {
            throw ControlError("cluster \(scope) has no record of a mesh: is 'spock' in its configuration?")
        }
        var peers: [MeshTree.Cluster] = []
        for name in try await session.children(parent, deadline: Self.deadline) ?? [] where name != layout.base.name {
            guard let found = try await meshCluster(name), found.record.mesh == own.record.mesh else { continue }
            peers.append(found)
        }
        return MeshTree(own: own, peers: peers)
    }

    private func meshCluster(_ name: String) async throws -> MeshTree.Cluster? {
        guard let parent = layout.base.parent else { return nil }
        let base = name == scope ? layout.base : try parent.child(name)
        guard let (data, _) = try await get(base.child("spock")), let json = try? JSONParser.parse(data),
            let record = try? MeshRecord(json: json)
        else { return nil }
        return MeshTree.Cluster(scope: name, record: record, leader: try await leader(of: base))
    }

    private func leader(of base: ZNodePath) async throws -> ClusterTree.Member? {
        guard let (data, _) = try await get(base.child("leader")), !data.isEmpty else { return nil }
        let name = MemberID(Self.text(data))
        guard let (own, stat) = try await get(base.child("members").child(name.rawValue)),
            let record = try? MemberRecord(znode: own)
        else { return ClusterTree.Member(name: name, record: MemberRecord()) }
        return ClusterTree.Member(name: name, record: record, version: stat.version)
    }
}
