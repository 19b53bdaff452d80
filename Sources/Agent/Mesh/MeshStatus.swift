public import HACore
import NIOConcurrencyHelpers

/// What the agent knows of its mesh, as one value for the doors.
public struct MeshStatus: Sendable {
    public var settings: MeshSettings
    /// As the tree has it.
    public var own: MeshRecord?
    public var peers: [MeshView.Peer]
    public var intents: MeshIntents
    /// Of the last look as leader; nil on a standby.
    public var view: MeshView?
    public var problems: [MeshProblem]
    public var reason: String
    public var lookedAt: Instant
    /// What the last look decided to do, in words.
    public var actions: [String] = []
    /// The least of each parameter that the mesh needs here, by name.
    public var needs: [String: Int] = [:]
    public var costs = MeshCosts()

    init(
        settings: MeshSettings, own: MeshRecord?, peers: [MeshView.Peer], intents: MeshIntents, view: MeshView? = nil,
        problems: [MeshProblem] = [], reason: String = ""
    ) {
        self.settings = settings
        self.own = own
        self.peers = peers
        self.intents = intents
        self.view = view
        self.problems = problems
        self.reason = reason
        lookedAt = Instant.now
    }
}

/// Where the mesh's loop puts its status and the doors read it.
public final class MeshBoard: Sendable {
    private let state = NIOLockedValueBox<MeshStatus?>(nil)
    private let gate: @Sendable () -> Bool

    /// - Parameter letsClientsWrite: the gate of clients is open, or there is none.
    public init(letsClientsWrite: @escaping @Sendable () -> Bool = { true }) { gate = letsClientsWrite }

    /// False from the start of a standby until, promoted, it has been checked against the peers.
    public var letsClientsWrite: Bool { gate() }

    /// Nil: this cluster is in no mesh, or has not been looked at yet.
    public var status: MeshStatus? { state.withLockedValue { $0 } }

    func post(_ status: MeshStatus?) { state.withLockedValue { $0 = status } }
}
