import HACore

/// What has to hold in every world of zones: no row is lost or skipped unless a finding names it.
final class MeshChecks {
    private struct Row {
        var zone: Int
        var end: UInt64
    }

    private unowned let world: MeshWorld
    private var rows: [Row] = []
    /// Where each slot first began: what came before is not due.
    private var beginnings: [String: UInt64] = [:]
    /// Rows that were applied again where they had been lost with a former primary.
    private(set) var applied = 0

    init(_ world: MeshWorld) { self.world = world }

    var rowCount: Int { rows.count }

    // MARK: On the way

    func newRow(in server: MeshServer, size: UInt64) -> Int {
        rows.append(Row(zone: server.zone, end: server.position + size))
        return rows.count - 1
    }

    func began(_ slot: String, by server: MeshServer, at provider: MeshServer) {
        beginnings[slot] = provider.position
    }

    func applies(_ row: Int, by server: MeshServer, slot: String) {
        applied += 1
        if server.contents.rows.contains(row) { world.violate("zone \(server.zone): row \(row) is applied twice") }
        let record = world.tree.node(server.zone).record
        if record?.state != .open || record?.timeline.rawValue != server.timeline {
            world.violate("zone \(server.zone): row \(row) is applied behind the gate")
        }
    }

    /// A peer that has answered stands still; one that leads is waited for.
    func decidesToOpen(_ record: MeshRecord, _ view: MeshView, _ zone: MeshZone) {
        guard let fork = record.fork, let opened = fork.openedAt?.rawValue else { return }
        for peer in view.peers {
            guard let number = world.number(of: peer.record.node), let primary = world.zones[number].primary,
                let word = peer.record.links[MeshLink(MeshWorld.database, zone.node)], word.subscription != nil,
                let origin = word.slot.flatMap({ primary.contents.origins[$0] })
            else { continue }
            if word.answered == fork.term, origin > opened {
                world.violate("zone \(zone.number) opens at \(opened), zone \(number) has answered and is at \(origin)")
            }
            let gated = world.gatedFor(fork.term)
            if gated < 3 * second - 100 * millisecond, peer.leaderTerm != nil, origin > opened {
                world.violate("zone \(zone.number) opens at \(opened) without waiting for zone \(number) at \(origin)")
            }
        }
    }

    func opens(_ server: MeshServer, _ zone: MeshZone) {
        let record = world.tree.node(zone.number).record
        if record?.state != .open || record?.timeline.rawValue != server.timeline {
            world.violate("zone \(zone.number) opens to clients before the tree says so")
        }
    }

    // MARK: At the end

    func finish() {
        for zone in world.zones {
            guard let primary = zone.primary, let record = world.tree.node(zone.number).record else {
                world.violate("zone \(zone.number) has no primary")
                continue
            }
            if record.state != .open || primary.clientsAreShut { world.violate("zone \(zone.number) stays gated") }
            for other in world.zones where other.number != zone.number {
                compare(zone, other)
                checkLink(from: other, to: zone)
            }
        }
    }

    /// Rows of one zone, here and at a peer.
    private func compare(_ zone: MeshZone, _ peer: MeshZone) {
        guard let here = zone.primary, let there = peer.primary else { return }
        let missing = findings(zone, .slotMissing, peer) + findings(zone, .slotDropped, peer)
        let gaps = findings(peer, .gap, zone)
        let begin = beginnings[slot(of: peer, from: zone)] ?? .max
        for (row, facts) in rows.enumerated() where facts.zone == zone.number && facts.end > begin {
            let (isHere, isThere) = (here.contents.rows.contains(row), there.contents.rows.contains(row))
            if isHere, !isThere {
                let isNamed =
                    gaps.contains { contains($0, facts.end) }
                    || missing.contains { ($0?.from.rawValue ?? 0) < facts.end }
                if !isNamed {
                    world.violate(
                        "row \(row) of zone \(zone.number) at \(facts.end) is silently missing in \(peer.number)")
                    return
                }
            } else if isThere, !isHere {
                let ahead = findings(zone, .ahead, peer) + findingsOfPeer(peer, zone)
                if !ahead.contains(where: { contains($0, facts.end) }) {
                    world.violate(
                        "row \(row) of zone \(zone.number) at \(facts.end) is only in \(peer.number), unnamed")
                    return
                }
            }
        }
    }

    private func contains(_ range: MeshRange?, _ position: UInt64) -> Bool {
        guard let range else { return false }
        return range.from.rawValue < position && position <= range.to.rawValue
    }

    private func findings(_ zone: MeshZone, _ kind: MeshFinding.Kind, _ peer: MeshZone) -> [MeshRange?] {
        world.tree.node(zone.number).record?.findings
            .filter { $0.kind == kind && $0.link.peer == peer.node }.map(\.range) ?? []
    }

    private func findingsOfPeer(_ peer: MeshZone, _ zone: MeshZone) -> [MeshRange?] {
        findings(peer, .aheadOfPeer, zone)
    }

    private func slot(of peer: MeshZone, from zone: MeshZone) -> String {
        "spk_\(MeshWorld.database)_\(zone.node)_sub_\(peer.node)_\(zone.node)"
    }

    /// The peer follows the zone, unless its slot is known to be gone.
    private func checkLink(from peer: MeshZone, to zone: MeshZone) {
        guard let there = peer.primary, let here = zone.primary else { return }
        let all = there.contents.subscriptions.values.filter { $0.provider == zone.node }
        guard let subscription = all.first, all.count == 1 else {
            return world.violate("zone \(peer.number) has \(all.count) subscriptions to \(zone.number)")
        }
        if !subscription.isEnabled {
            world.violate("subscription \(subscription.name) is left disabled in zone \(peer.number)")
        }
        let isBroken = !(findings(zone, .slotMissing, peer) + findings(zone, .slotDropped, peer)).isEmpty
        if !isBroken, here.slots[subscription.slot]?.session == nil || there.workers[subscription.name] == nil {
            world.violate("zone \(peer.number) does not follow zone \(zone.number)")
        }
    }
}
