import AdminModel
import Agent
import HACore
import PostgresControl

/// The JSON of `GET /spock`: what this member knows of its mesh. What is not known is left out.
struct MeshDocument: Sendable {
    let status: MeshStatus
    let scope: String
    let member: MemberID
    let leader: MemberID?
    let letsClientsWrite: Bool
    let now: Instant

    var facts: [MeshFacts] {
        MeshFacts.of(
            own: status.own, peers: status.peers, intents: status.intents, settings: status.settings, view: status.view)
    }

    var json: JSONValue {
        var object: JSONObject = [
            "mesh": .string(status.settings.mesh), "node": .string(status.settings.node), "scope": .string(scope),
            "member": .string(member.rawValue),
        ]
        object["leader"] = leader.map { .string($0.rawValue) }
        object["leads"] = .bool(status.view != nil)
        object["clients_may_write"] = .bool(letsClientsWrite)
        object["looked_at_age_ms"] = .int((now - status.lookedAt).milliseconds)
        if status.view != nil { object["reason"] = .string(status.reason) }
        object["problems"] = .array(status.problems.map(\.json))
        object["record"] = status.own?.json ?? .null
        object["peers"] = .array(status.peers.map(Self.peer))
        object["intents"] = status.intents.json
        object["links"] = .array(facts.map(\.json))
        object["server"] = server
        return .object(object)
    }

    /// What the last look decided to do, and what it needs of the server: `GET /spock/plan`.
    var plan: JSONValue {
        [
            "node": .string(status.settings.node), "reason": .string(status.reason),
            "actions": .array(status.actions.map(JSONValue.string)), "problems": .array(status.problems.map(\.json)),
            "needs": .object(
                JSONObject(status.needs.sorted { $0.key < $1.key }.map { ($0.key, .int(Int64($0.value))) })),
        ]
    }

    private static func peer(_ peer: MeshView.Peer) -> JSONValue {
        [
            "scope": .string(peer.scope), "node": .string(peer.record.node),
            "leader_present": .bool(peer.leaderTerm != nil), "current": .bool(peer.isCurrent),
            "record": peer.record.json,
        ]
    }

    private var server: JSONValue? {
        guard let view = status.view else { return nil }
        let costs = status.costs
        var object: JSONObject = ["position": .string(view.server.position.description)]
        object["standbys"] = .array(view.server.standbys.keys.map(\.rawValue).sorted().map(JSONValue.string))
        object["free_bytes"] = costs.free.map { .int(Int64(clamping: $0)) }
        object["wal_bytes_per_second"] = costs.rate.map { .int(Int64($0)) }
        object["disk_full_in_seconds"] = costs.secondsToFullDisk.flatMap { Int64(exactly: $0.rounded()) }.map(
            JSONValue.int)
        object["hold_max_wal"] = .int(Int64(clamping: status.settings.holdMaxWAL))
        object["slot_max_wal"] = status.settings.slotMaxWAL.map { .int(Int64(clamping: $0)) }
        var conflicts: JSONObject = [:]
        for (database, found) in costs.conflicts.sorted(by: { $0.key < $1.key }) {
            var counts: JSONObject = [:]
            counts["resolutions"] = found.resolutions.map(JSONValue.int)
            counts["exceptions"] = found.exceptions.map(JSONValue.int)
            conflicts[database] = .object(counts)
        }
        object["conflicts"] = .object(conflicts)
        return .object(object)
    }
}

extension MeshProblem {
    var json: JSONValue {
        var object = link?.json ?? [:]
        object["text"] = .string(text)
        return .object(object)
    }
}

extension MeshFacts {
    var json: JSONValue {
        var object = link.json
        object["incoming"] = .object(incoming.json)
        object["outgoing"] = .object(outgoing.json)
        return .object(object)
    }
}

extension MeshFacts.Incoming {
    fileprivate var json: JSONObject {
        var object: JSONObject = [:]
        object["subscription"] = subscription.map(JSONValue.string)
        object["status"] = status.map(JSONValue.string)
        object["up"] = .bool(isUp)
        object["enabled"] = isEnabled.map(JSONValue.bool)
        object["worker"] = hasWorker.map(JSONValue.bool)
        object["origin"] = origin.map { .string($0.description) }
        object["route"] = route.map { $0 == .shut ? "shut" : "open" }
        if !copying.isEmpty { object["copying"] = .array(copying.map(JSONValue.string)) }
        object["held"] = .bool(isHeld)
        if let gap {
            object["gap"] = gap.json
            object["gap_accepted"] = .bool(isGapAccepted)
        }
        return object
    }
}

extension MeshFacts.Outgoing {
    fileprivate var json: JSONObject {
        var object: JSONObject = [:]
        func bytes(_ count: UInt64?) -> JSONValue? { count.map { .int(Int64(clamping: $0)) } }
        object["slot"] = slot.map(JSONValue.string)
        object["active"] = isActive.map(JSONValue.bool)
        object["lost"] = isLost.map(JSONValue.bool)
        object["confirmed"] = confirmed.map { .string($0.description) }
        object["lag_bytes"] = bytes(lagBytes)
        object["lag_ms"] = lag.map { .int($0.milliseconds) }
        object["retained_bytes"] = bytes(retained)
        object["hold_slot"] = holdSlot.map(JSONValue.string)
        object["hold_confirmed"] = holdConfirmed.map { .string($0.description) }
        object["hold_retained_bytes"] = bytes(holdRetained)
        if let rewind {
            object["rewind"] = rewind.isDone ? "done" : "begun"
            object["rewind_gap"] = rewind.gap?.json
        }
        return object
    }
}
