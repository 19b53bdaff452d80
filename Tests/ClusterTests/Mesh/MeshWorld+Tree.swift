import AdminModel
import Support

extension MeshWorld {
    /// What a zone says of itself in the tree.
    func record(of zone: Zone) async throws -> JSONObject {
        try await ClusterTree.with(zone.cluster) { try await $0.object("spock") }
    }
}
