import AdminModel
import Agent
import HACore

/// Fresh reads of the tree, one at a time: who asks while one runs shares the next, so that each sees all that was
/// written before it asked, and a thousand callers cost ZooKeeper no more than one after the other.
actor TreeReads {
    private let board: StatusBoard
    private var running: Task<TreeSnapshot, any Error>?
    private var waiting: Task<TreeSnapshot, any Error>?

    init(board: StatusBoard) { self.board = board }

    func read() async throws -> TreeSnapshot {
        if let waiting { return try await waiting.value }
        let previous = running
        let task = Task {
            _ = await previous?.result
            self.begin()
            defer { self.end() }
            return try await self.board.freshTree()
        }
        waiting = task
        return try await task.value
    }

    /// Answers from a fresh read, or says that there was none.
    nonisolated func answer(_ answer: (TreeSnapshot) async -> Answer) async -> Answer {
        do { return await answer(try await read()) } catch {
            return .failure(503, "cannot read the cluster from ZooKeeper: \(error)")
        }
    }

    private func begin() {
        running = waiting
        waiting = nil
    }

    private func end() { running = nil }
}

extension TreeSnapshot {
    /// What `/cluster` shows.
    func document(scope: String) -> ClusterDocument {
        ClusterDocument(
            scope: scope, members: members, leader: view.leader?.member, config: config, sync: sync,
            optime: status?.optime, failover: failover)
    }
}
