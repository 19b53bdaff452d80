import AdminModel
import Agent
import HACore
import Logging
import ZooKeeper

/// Carries out `POST /switchover`, `POST /failover` and `DELETE /switchover` (contract/patroni.md 2.8): writes the
/// request, then watches what the leader makes of it.
struct LeaderChange: Sendable {
    let board: StatusBoard
    let trees: TreeReads
    let actions: ClusterActions
    let logger: Logger

    func post(_ segment: Substring, _ body: JSONObject) async -> Answer {
        let request = LeaderRequest(segment, body)
        guard let values = board.status?.dynamic.values else { return .failure(503, "the agent has not looked yet") }
        do {
            let tree = try await trees.read()
            let isSynchronous = values.synchronousMode && !tree.sync.isOff
            if let refusal = request.refusal(tree, isPaused: values.pause, isSynchronous: isSynchronous) {
                return refusal
            }
            guard await isAnyoneGood(request.candidates(tree, isSynchronous: isSynchronous)) else {
                return .text(
                    412, "\(request.action.rawValue) is not possible: no good candidates have been found")
            }
            logger.notice("received a request for another leader: \(request.record.json.text(.spaced))")
            do { try await actions.request(request.record) } catch {
                logger.error("cannot write the failover znode: \(error)")
                return .text(503, "failed to write failover key into DCS")
            }
            if request.record.scheduledAt != nil { return .text(202, "Switchover scheduled") }
            return await outcome(
                request, before: tree.view.leader?.member, patience: 2 * max(10, values.loopWait))
        } catch {
            return .failure(503, "cannot read the cluster from ZooKeeper: \(error)")
        }
    }

    func withdraw() async -> Answer {
        do {
            let tree = try await trees.read()
            guard tree.failover.scheduledAt != nil, let version = tree.failoverVersion else {
                return .text(404, "no switchover is scheduled")
            }
            try await actions.withdraw(version)
            return .text(200, "scheduled switchover deleted")
        } catch let error as ZooKeeperError where error.code == .badVersion {
            return .page(409, "the request was changed by somebody else")
        } catch {
            return .failure(503, "cannot read the cluster from ZooKeeper: \(error)")
        }
    }

    /// A member that misses the short deadline of one question is asked again: it may only be busy.
    private func isAnyoneGood(_ candidates: [(name: MemberID, record: MemberRecord)]) async -> Bool {
        for _ in 0..<4 {
            let round = await actions.ask(candidates)
            let answers = round.answers.values
            if answers.contains(where: { $0.inRecovery && !$0.nofailover && !$0.disabled }) { return true }
            if answers.count == candidates.count { return false }
            try? await Task.sleep(for: .milliseconds(300), clock: .continuous)
        }
        return false
    }

    /// - Parameter patience: seconds.
    private func outcome(_ request: LeaderRequest, before: MemberID?, patience: Int) async -> Answer {
        let until = Instant.current + .seconds(patience)
        var isWritten = false
        var isOver = false
        while Instant.current < until, !Task.isCancelled {
            try? await Task.sleep(for: .milliseconds(100), clock: .continuous)
            guard let tree = try? await trees.read() else { continue }
            if let leader = tree.view.leader?.member, leader != before {
                return .text(200, Self.success(request, leader))
            }
            if !tree.failover.isEmpty { isWritten = true }
            guard tree.failover.isEmpty, isWritten || tree.view.leader?.member == before else { continue }
            // A read of the tree has its `leader` from before its `failover`: the next one tells who leads without request.
            defer { isOver = true }
            if isOver, tree.view.leader != nil { return .text(503, "\(request.action.title) failed") }
        }
        return .text(503, "\(request.action.title) status unknown")
    }

    private static func success(_ request: LeaderRequest, _ leader: MemberID) -> String {
        if let candidate = request.record.candidate, candidate != leader {
            let verb = request.action == .switchover ? "Switched" : "Failed"
            return "\(verb) over to \"\(leader)\" instead of \"\(candidate)\""
        }
        return "Successfully \(request.action.done) to \"\(leader)\""
    }
}
