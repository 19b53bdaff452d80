import HACore

/// Carries faults out.
extension SimWorld {
    private func target(_ fault: Fault) -> SimNode? {
        if fault.target >= 0 { return nodes[fault.target] }
        guard case .name(let name)? = zookeeper.tree[.leader]?.data else { return nil }
        return node(name)
    }

    func schedule(_ fault: Fault) {
        at(fault.at) { [self] in
            if fault.isTrap { traps.append(fault) } else { begin(fault) }
        }
    }

    /// A lock was taken: what waited for that strikes a moment later.
    func springTraps() {
        let sprung = traps
        traps = []
        for fault in sprung {
            after(dice.chance(50) ? dice.milliseconds(0, 20) : dice.milliseconds(0, 400)) { [self] in
                // Nothing outlasts the time of faults.
                guard now < options.chaosEnd else { return }
                var fault = fault
                fault.duration = min(fault.duration, options.chaosEnd - now)
                begin(fault)
            }
        }
    }

    func begin(_ fault: Fault) {
        note(-1, "FAULT \(fault)")
        let target = target(fault)
        switch fault.kind {
        case .nodeFromServer, .nodeFromStore, .peers, .isolation, .followerCut, .leaderIsolated, .leaderChange,
            .lostReplies, .slowNetwork:
            beginNetwork(fault, target)
        case .leaderDeleted:
            // Sometimes with a crash: processes are left and nobody, or another, holds the lock.
            if fault.other > 3 { target?.postgres.killPostmaster() }
            zookeeper.commitByThirdParty([.delete(.leader, expected: nil)])
        case .initializeDeleted:
            // Where a directory is empty this may ask for a new cluster, by contract: not what is looked for here.
            if zookeeper.tree[.leader] == nil || nodes.contains(where: { $0.postgres.contents != .ready }) { return }
            zookeeper.commitByThirdParty([.delete(.initialize, expected: nil)])
        case .epochDeleted: zookeeper.commitByThirdParty([.delete(.epoch, expected: nil)])
        case .legacyLock:
            guard let target = target ?? nodes.first else { return }
            let session = 0x2_0000 + now
            guard
                zookeeper.commitByThirdParty([.create(.leader, .name(target.name), ephemeral: true)], session: session)
            else { return }
            after(min(fault.duration, options.sessionTimeout)) { [self] in
                zookeeper.closeThirdParty(session: session)
            }
        case .switchover: requestSwitchover(fault)
        case .timeoutChange: sessionTimeout = options.sessionTimeout * [1, 2, 4][fault.other % 3]
        case .modeChange:
            invariants.promisesEnd()
            for node in nodes { node.policy.synchronous.toggle() }
            after(fault.duration) { [self] in
                for node in nodes { node.policy.synchronous.toggle() }
            }
        case .pauseChange: pause(for: fault.duration)
        case .pauseAndCut:
            let outage = options.sessionTimeout * 3 / 2
            pause(for: outage + 4 * second)
            after(second) { [self] in
                guard let target else { return }
                for server in 0..<3 { network.block(node: target.index, server: server, for: outage) }
            }
        case .pauseThenFreeze:
            pause(for: second)
            after(4 * second) { [self] in
                guard let target else { return }
                target.pause()
                after(options.sessionTimeout * 2) { target.resume() }
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

    private func pause(for duration: Nanoseconds) {
        pauses += 1
        pausedAt = now
        spreadPause()
        after(duration) { [self] in
            pauses -= 1
            spreadPause()
        }
    }

    /// Each member learns of it in its own time.
    private func spreadPause() {
        for node in nodes {
            after(dice.milliseconds(0, 300)) { [self] in
                node.policy.paused = pauses > 0
                node.agent?.wake(urgent: true)
            }
        }
    }

    /// As `POST /switchover` and `/failover` write it, with and without a candidate, sensible or not.
    private func requestSwitchover(_ fault: Fault) {
        guard case .name(let leader)? = zookeeper.tree[.leader]?.data else { return }
        let candidate = fault.other < 4 ? nodes[fault.other % nodes.count].name : nil
        let names = fault.target < 0 || candidate == nil ? leader : nil
        let data = SimData.request(leader: names, candidate: candidate, dueAt: fault.isTrap ? nil : due(fault))
        // A failover that names no leader may lead past synchronous mode: the operator's word.
        if names == nil { invariants.promisesEnd() }
        zookeeper.commitByThirdParty([
            zookeeper.tree[.failover] == nil
                ? .create(.failover, data, ephemeral: false) : .set(.failover, data, expected: nil)
        ])
    }

    /// Some are for later.
    private func due(_ fault: Fault) -> Nanoseconds? { fault.duration > 3 * second ? fault.at + 2 * second : nil }

    /// Whoever asked it to end starts it again once it has.
    private func startAgain(_ node: SimNode) {
        if node.agent?.leaving == true {
            after(100 * millisecond) { [self] in startAgain(node) }
        } else {
            node.startAgent()
        }
    }

    private func beginNetwork(_ fault: Fault, _ target: SimNode?) {
        switch fault.kind {
        case .nodeFromServer:
            if let target { network.block(node: target.index, server: fault.other % 3, for: fault.duration) }
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
        case .followerCut: zookeeper.cutFollower(fault.other % 3, for: fault.duration, oneWay: fault.other > 2)
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
            after(fault.duration) { [self] in
                node.resume()
                if fault.other % 2 == 0, options.flipsCuts {
                    holdThenCut(node, staysFrozen: fault.other > 2)
                    return
                }
                after(dice.chance(50) ? dice.milliseconds(1, 60) : dice.between(0, options.tick / 2)) { [self] in
                    cutWithServer(node, staysFrozen: fault.other > 2)
                }
            }
        case .agentCrash where options.restartsAtOnce: restartAgain(node, times: 1 + fault.other)
        case .agentCrash:
            node.killAgent()
            if dice.chance(50) { node.sessionFile = 0 }
            // A supervisor restarts it at once; a person, or a machine that lacks memory, later.
            let pause = options.calm == .nothingEnds ? dice.milliseconds(5, 200) : fault.duration
            after(pause) { node.startAgent() }
        case .agentTerm:
            node.agent?.leave()
            after(fault.duration) { [self] in startAgain(node) }
        case .restartOrder where fault.duration > 3 * second: node.agent?.scheduledRestart = node.now + .seconds(2)
        case .restartOrder: node.agent?.obey(.restart(timeout: nil))
        case .reinitializeOrder: node.agent?.obey(.reinitialize(fromLeader: fault.other % 2 == 0))
        case .detachOrder:
            node.agent?.obey(.detach)
            after(fault.duration) { [self] in startAgain(node) }
        case .postmasterKill: node.postgres.killPostmaster()
        case .keeperKill: node.killKeeper()
        case .nodeKill:
            node.powerOff()
            after(fault.duration) { node.powerOn() }
        case .wakes:
            for _ in 0..<20 { after(dice.between(0, fault.duration)) { node.agent?.wake(urgent: true) } }
        case .directoryDamaged, .foreignData: alterDirectory(fault, node.postgres)
        case .directoryLost:
            // Never the last copy that may lead.
            let others = nodes.contains {
                $0 !== node && $0.postgres.contents == .ready && !$0.policy.nofailover
                    && $0.postgres.systemIdentifier == node.postgres.systemIdentifier
            }
            if others, node.postgres.phase == .absent, node.postgres.contents == .ready, node.keeper?.tool == nil {
                node.postgres.clear()
            }
        default: break
        }
    }

    /// What a supervisor does for an agent that is killed as soon as it runs.
    private func restartAgain(_ node: SimNode, times: Int) {
        guard times > 0, now < options.chaosEnd else { return }
        node.killAgent()
        after(dice.milliseconds(1, 60)) { [self] in
            node.startAgent()
            after(dice.milliseconds(1, 300)) { [self] in restartAgain(node, times: times - 1) }
        }
    }

    /// Right after an acknowledged renewal nothing of the leader's arrives any more; when it does, nothing reaches the
    /// leader: the case that needs the third leg of the anchored lease (lock.md 2.2).
    private func holdThenCut(_ node: SimNode, staysFrozen: Bool) {
        after(dice.milliseconds(8, 40)) { [self] in
            guard let index = node.agent?.handle?.connectedServer, index != zookeeper.leader else { return }
            let server = zookeeper.servers[index]
            server.fromLeader.block()
            after(dice.milliseconds(900, 1400)) { [self] in
                if node.agent?.handle?.connectedServer == index {
                    cutWithServer(node, staysFrozen: staysFrozen, oneWay: true)
                }
                server.fromLeader.unblock()
            }
        }
    }

    /// The node and the follower it is connected to lose the rest of the ensemble together.
    private func cutWithServer(_ node: SimNode, staysFrozen: Bool, oneWay: Bool = false) {
        guard let server = node.agent?.handle?.connectedServer, server != zookeeper.leader else { return }
        let duration = min(options.sessionTimeout + 2 * options.tick, max(0, options.chaosEnd - now))
        zookeeper.cutFollower(server, for: duration, oneWay: oneWay || dice.chance(30))
        for other in 0..<3 where other != server { network.block(node: node.index, server: other, for: duration) }
        guard staysFrozen else { return }
        after(dice.milliseconds(1, 30)) { [self] in
            node.pause()
            after(duration) { node.resume() }
        }
    }

    private static let foreign = "7999999999999999999"

    private func alterDirectory(_ fault: Fault, _ postgres: SimPostgres) {
        guard postgres.phase == .absent, postgres.contents == .ready, postgres.systemIdentifier != Self.foreign else {
            return
        }
        // Foreign data without an `initialize` to compare with would be taken for the cluster's.
        if fault.kind == .foreignData, faults.contains(where: { $0.kind == .initializeDeleted }) { return }
        let system = postgres.systemIdentifier
        if fault.kind == .foreignData {
            postgres.systemIdentifier = Self.foreign
        } else {
            postgres.contents = .unusable
        }
        after(fault.duration) {
            if postgres.contents == .unusable { postgres.contents = .ready }
            if postgres.systemIdentifier == Self.foreign { postgres.systemIdentifier = system }
        }
    }
}
