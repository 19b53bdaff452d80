import AdminModel
import HACore
import NIOConcurrencyHelpers

@testable import AdminAPI
@testable import Agent
@testable import PostgresControl

/// A board whose moment is now, which notes what it is asked.
struct TestBoard: Sendable {
    struct Questions: Sendable {
        var server: [(maxAge: Duration, deadline: Duration)] = []
        var tree = 0
    }

    let board: StatusBoard
    let questions: NIOLockedValueBox<Questions>

    struct StoreIsAway: Error, CustomStringConvertible {
        var description: String { "connection loss" }
    }

    /// - Parameters:
    ///   - age: of the answers of the server, at least.
    ///   - refreshed: what it says when it is asked afresh.
    init(
        _ scene: Scene?, tree: TreeSnapshot? = nil, age: Duration = .zero, refreshed: ServerStatus? = nil,
        mesh: MeshBoard = MeshBoard()
    ) {
        let questions = NIOLockedValueBox(Questions())
        self.questions = questions
        let scene = scene.map(Self.moved)
        board = StatusBoard(
            server: { maxAge, deadline in
                questions.withLockedValue { $0.server.append((maxAge, deadline)) }
                var server = maxAge == .zero ? refreshed ?? scene?.server : scene?.server
                server?.sql.at = .current - (maxAge == .zero ? .zero : age)
                return server
            },
            read: {
                questions.withLockedValue { $0.tree += 1 }
                guard let tree else { throw StoreIsAway() }
                return tree
            },
            servesWrites: { _ in scene?.holdsLock ?? false }, logBacklog: { (0, 0) },
            vitals: { scene?.vitals ?? Vitals() }, mesh: mesh)
        if let scene { board.post(scene.status) }
    }

    /// From the moment of the scene to the present one.
    private static func moved(_ scene: Scene) -> Scene {
        var scene = scene
        let shift = Instant.current - Scene.now
        scene.status.lookedAt = scene.status.lookedAt + shift
        scene.vitals.provenUntil = scene.vitals.provenUntil.map { $0 + shift }
        if let readAt = scene.status.tree?.view.readAt { scene.status.tree?.view.readAt = readAt + shift }
        if let startedAt = scene.status.local?.startedAt { scene.status.local?.startedAt = startedAt + shift }
        return scene
    }
}
