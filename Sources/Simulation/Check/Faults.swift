import HACore

/// Carries faults out.
extension SimWorld {
    private func target(_ fault: Fault) -> SimNode? {
        if fault.target >= 0 { return nodes[fault.target] }
        guard case .name(let name)? = zookeeper.tree[.leader]?.data else { return nil }
        return node(name)
    }

    func begin(_ fault: Fault) {
        note(-1, "FAULT \(fault)")
        let target = target(fault)
        switch fault.kind {
        case .nodeFromServer, .nodeFromStore, .peers, .isolation, .followerCut, .leaderIsolated, .leaderChange,
            .lostReplies, .slowNetwork:
            beginNetwork(fault, target)
        case .leaderDeleted: zookeeper.commitByThirdParty([.delete(.leader, expected: nil)])
        case .epochDeleted: zookeeper.commitByThirdParty([.delete(.epoch, expected: nil)])
        case .legacyLock:
            guard let target = target ?? nodes.first else { return }
            let session = 0x2_0000 + now
            guard zookeeper.commitByThirdParty([.create(.leader, .name(target.name), ephemeral: true)], session: session)
            else { return }
            after(min(fault.duration, options.sessionTimeout)) { [self] in
                zookeeper.closeThirdParty(session: session)
            }
        case .startFailures:
            startFailures += 1
            after(fault.duration) { [self] in startFailures -= 1 }
        case .allNodesKill:
            for node in nodes {
                node.powerOff()
                after(dice.between(0, fault.duration)) { node.powerOn() }
            }
        default:
            if let target { beginNode(fault, target) }
        }
    }

    private func beginNetwork(_ fault: Fault, _ target: SimNode?) {
        switch fault.kind {
        case .nodeFromServer:
            if let target { network.block(node: target.index, server: fault.other, for: fault.duration) }
        case .nodeFromStore:
            guard let target else { return }
            for server in 0..<3 { network.block(node: target.index, server: server, for: fault.duration) }
        case .isolation:
            guard let target else { return }
            for server in 0..<3 { network.block(node: target.index, server: server, for: fault.duration) }
            for other in nodes where other !== target {
                network.block(target.index, other.index, for: fault.duration)
            }
        case .peers:
            guard let target else { return }
            let other = nodes[(target.index + 1 + fault.other) % nodes.count]
            if other !== target { network.block(target.index, other.index, for: fault.duration) }
        case .followerCut: zookeeper.cutFollower(fault.other, for: fault.duration)
        case .leaderIsolated: zookeeper.isolateLeader(for: fault.duration)
        case .leaderChange: zookeeper.changeLeader(after: fault.duration)
        case .lostReplies:
            replyLoss += 5
            after(fault.duration) { [self] in replyLoss -= 5 }
        case .slowNetwork:
            slowNetworks += 1
            after(fault.duration) { [self] in slowNetworks -= 1 }
        default: break
        }
    }

    private func beginNode(_ fault: Fault, _ node: SimNode) {
        switch fault.kind {
        case .agentPause:
            node.pause()
            after(fault.duration) { node.resume() }
        case .freezeThenCut:
            // The case that a lease counted from sending does not survive (lock.md 2.1).
            node.pause()
            let cut = max(fault.duration, options.sessionTimeout / 4)
            after(cut) { [self] in
                node.resume()
                after(dice.milliseconds(1, 60)) { [self] in
                    guard let server = node.agent?.handle?.connectedServer else { return }
                    zookeeper.cutFollower(server, for: options.tick * 6)
                }
            }
        case .agentCrash:
            node.killAgent()
            if dice.chance(50) { node.sessionFile = 0 }
            after(fault.duration) { node.startAgent() }
        case .postmasterKill: node.postgres.killPostmaster()
        case .keeperKill: node.killKeeper()
        case .nodeKill:
            node.powerOff()
            after(fault.duration) { node.powerOn() }
        case .wakes:
            for _ in 0..<20 { after(dice.between(0, fault.duration)) { node.agent?.wake(urgent: true) } }
        case .directoryLost:
            if node.postgres.phase == .absent, node.postgres.contents == .ready, node.keeper?.tool == nil {
                node.postgres.clear()
            }
        default: break
        }
    }
}
