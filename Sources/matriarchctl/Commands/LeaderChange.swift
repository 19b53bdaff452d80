import AdminModel
import ArgumentParser
import Control
import HACore

struct Switchover: ClusterCommand {
    static let configuration = configure("switchover", "Let another member lead")

    @OptionGroup var cluster: ClusterArgument

    @Option(name: [.long, .customLong("primary")], help: "The name of the present leader")
    var leader: String?

    @Option(help: "The name of the member that shall lead")
    var candidate: String?

    @Option(help: "When, in an unambiguous format (e.g. ISO 8601), or now")
    var scheduled: String?

    @OptionGroup var force: ForceOption

    func run(_ context: Context) async throws {
        let change = LeaderChange(
            action: "switchover", leader: leader, candidate: candidate, scheduled: scheduled, isForced: force.force)
        try await change.run(context, cluster.clusterName)
    }
}

struct Failover: ClusterCommand {
    static let configuration = configure("failover", "Let a member lead, also when there is no leader")

    @OptionGroup var cluster: ClusterArgument

    @Option(help: "The name of the member that shall lead")
    var candidate: String?

    @OptionGroup var force: ForceOption

    func run(_ context: Context) async throws {
        let change = LeaderChange(
            action: "failover", leader: nil, candidate: candidate, scheduled: nil, isForced: force.force)
        try await change.run(context, cluster.clusterName)
    }
}

/// What switchover and failover share: ask what is open, ask the leader for it, or ZooKeeper when it does not answer.
private struct LeaderChange {
    let action: String
    let leader: String?
    let candidate: String?
    let scheduled: String?
    let isForced: Bool

    private var isSwitchover: Bool { action == "switchover" }

    func run(_ context: Context, _ name: String?) async throws {
        try await context.store(name) { store in
            var tree = try await store.read()
            Console.out("Current cluster topology")
            Console.out(MemberTable(tree).text(.pretty))
            let record = try request(tree)
            try confirm(tree, record)
            guard let target = tree.leaderMember ?? tree.members.first(where: { $0.name == record.candidate }) else {
                throw ControlError("no member to ask")
            }
            do {
                let answer = try await context.rest { try await ask(target, record, $0) }
                guard answer.status == 200 || answer.status == 202 else {
                    let title = action.prefix(1).uppercased() + action.dropFirst()
                    return Console.out("\(title) failed, details: \(answer.status), \(answer.body)")
                }
                tree = try await store.read()
                Console.out("\(WallClock.text(fraction: 5)) \(answer.body)")
            } catch let error where !(error is ControlError) {
                context.warn("\(target.name) does not answer: \(error)")
                context.warn("Failing over to DCS")
                Console.out(
                    "\(WallClock.text(fraction: 5)) Could not \(action) using Patroni api, falling back to DCS")
                _ = try await store.setFailover(record)
            }
            Console.out(MemberTable(tree).text(.pretty))
        }
    }

    private func request(_ tree: ClusterTree) throws -> FailoverRecord {
        var record = FailoverRecord()
        if isSwitchover { record.leader = MemberID(try presentLeader(tree)) }
        record.candidate = try chosenCandidate(tree).map(MemberID.init(_:))
        if isSwitchover {
            let question = "When should the switchover take place (e.g. \(ScheduledTime.example) ) "
            let text = try scheduled == nil && !isForced ? Console.prompt(question, default: "now") : scheduled
            record.scheduledAt = try ScheduledTime(text)?.iso
            if record.scheduledAt != nil, tree.isPaused {
                throw ControlError("Can't schedule switchover in the paused state")
            }
        }
        return record
    }

    private func presentLeader(_ tree: ClusterTree) throws -> String {
        guard let present = tree.leader?.rawValue else { throw ControlError("This cluster has no leader") }
        let role = tree.isStandbyCluster ? "Standby Leader" : "Primary"
        let named = try leader ?? (isForced ? present : Console.prompt(role, default: present))
        guard named == present else { throw ControlError("Member \(named) is not the leader of cluster \(tree.scope)") }
        return present
    }

    private func chosenCandidate(_ tree: ClusterTree) throws -> String? {
        let known = tree.candidates
        guard !known.isEmpty else { throw ControlError("No candidates found to \(action) to") }
        let shown = JSONValue.array(known.map(JSONValue.string)).pythonText
        let name = try candidate ?? (isForced ? nil : Console.prompt("Candidate \(shown)", default: ""))
        guard let name, !name.isEmpty else {
            guard isSwitchover else { throw ControlError("Failover could be performed only to a specific candidate") }
            return nil
        }
        guard known.contains(name) else {
            throw ControlError(
                name == tree.leader?.rawValue
                    ? "Member \(name) is already the leader of cluster \(tree.scope)"
                    : "Member \(name) does not exist in cluster \(tree.scope) or is tagged as nofailover")
        }
        if !isForced, !isSwitchover, tree.isSynchronous, !tree.sync.isOff, !tree.sync.contains(MemberID(name)) {
            guard try Console.confirm("Are you sure you want to failover to the asynchronous node \(name)?") else {
                throw ControlError("Aborting \(action)")
            }
        }
        return name
    }

    private func confirm(_ tree: ClusterTree, _ record: FailoverRecord) throws {
        guard !isForced else { return }
        let demotion = tree.leader.map { ", demoting current leader \($0)" } ?? ""
        if let at = record.scheduledAt {
            let question = "Are you sure you want to schedule switchover of cluster \(tree.scope) at \(at)\(demotion)?"
            guard try Console.confirm(question) else { throw ControlError("Aborting scheduled \(action)") }
        } else {
            let question = "Are you sure you want to \(action) cluster \(tree.scope)\(demotion)?"
            guard try Console.confirm(question) else { throw ControlError("Aborting \(action)") }
        }
    }

    private func ask(
        _ target: ClusterTree.Member, _ record: FailoverRecord, _ rest: RestClient
    ) async throws -> RestClient.Answer {
        // The REST API calls the candidate another name than the znode does.
        var body: JSONObject = ["candidate": record.candidate.map { .string($0.rawValue) } ?? .null]
        body["leader"] = record.leader.map { .string($0.rawValue) }
        body["scheduled_at"] = record.scheduledAt.map(JSONValue.string)
        return try await Console.waiting("Waiting for the \(action)") {
            let answer = try await rest.send("POST", action, to: target, .object(body), .long)
            // A Patroni that is too old to know the word.
            guard answer.status == 501, isSwitchover, answer.body.contains("Server does not support this operation")
            else { return answer }
            return try await rest.send("POST", "failover", to: target, .object(body), .long)
        }
    }
}
