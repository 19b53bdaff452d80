import AdminModel
import Agent
import HACore
import Logging

/// Answers what is asked of the mesh: `GET /spock`, `GET /spock/plan`, and `POST /spock/...`, which ends in this cluster's
/// `spock_intents` (design/zones.md 2).
struct MeshDoor: Sendable {
    /// What exists below `/spock`, by method and path.
    enum Endpoint: String, CaseIterable {
        case status = "GET /spock"
        case plan = "GET /spock/plan"
        case remove = "POST /spock/remove"
        case add = "POST /spock/add"
        case accept = "POST /spock/accept"
        case resync = "POST /spock/resync"

        init?(_ method: String, _ path: String) {
            var path = path[...]
            while path.count > 1, path.hasSuffix("/") { path.removeLast() }
            self.init(rawValue: "\(method) \(path)")
        }

        /// Nil: it changes nothing.
        var action: MeshRequest.Action? {
            switch self {
            case .status, .plan: nil
            case .remove: .remove
            case .add: .add
            case .accept: .accept
            case .resync: .resync
            }
        }
    }

    private static let noMesh = Answer.failure(404, "this cluster is in no mesh, or has not looked at it yet")

    let board: StatusBoard
    let logger: Logger

    func read(_ endpoint: Endpoint) -> Answer {
        guard let status = board.status, let mesh = board.mesh.status else { return Self.noMesh }
        let document = MeshDocument(
            status: mesh, scope: status.scope, member: status.name, leader: leader,
            letsClientsWrite: board.mesh.letsClientsWrite, now: .current)
        switch endpoint {
        case .plan: return mesh.view == nil ? unseen : .json(200, document.plan)
        default: return .json(200, document.json)
        }
    }

    func change(_ action: MeshRequest.Action, _ body: JSONObject, _ actions: ClusterActions) async -> Answer {
        guard let status = board.mesh.status else { return Self.noMesh }
        // Who stands by knows too little to judge the request.
        guard status.view != nil else { return unseen }
        do throws(MeshRequest.Refusal) {
            let request = try MeshRequest(action, body, status)
            do {
                var intents = status.intents
                for change in request.changes { intents = try await actions.intend(change) }
                logger.notice(
                    "received a request of the mesh: \(action.rawValue) \(JSONValue.object(body).text(.spaced))")
                return .json(200, ["intents": intents.json])
            } catch let refusal as MeshRefusal {
                switch refusal.code {
                case .notLeader: return notLeading(refusal.description)
                case .conflict: return .failure(409, refusal.description)
                case .failed: return .failure(503, refusal.description)
                }
            } catch { return .failure(503, "\(error)") }
        } catch { return .failure(error.code, error.text) }
    }

    private var leader: MemberID? { board.status?.tree?.view.leader?.member }

    /// Nothing was seen here as a leader.
    private var unseen: Answer {
        notLeading(
            leader != nil && leader == board.status?.name
                ? "the leader has not looked at the mesh yet" : "this member does not lead")
    }

    private func notLeading(_ words: String) -> Answer {
        guard let leader else { return .failure(503, "\(words), and nobody does") }
        guard leader != board.status?.name else { return .failure(503, words) }
        return .json(503, ["error": .string("\(words): ask \(leader)"), "leader": .string(leader.rawValue)])
    }
}
