import HACore

/// Carries out effects as the edge does: one list at a time in order, the first failure ends it; an urgent list at once
/// beside it.
extension SimAgent {
    typealias Completion = (FinishedEffect.Outcome) -> Void

    func begin(_ decision: Decision) {
        guard !decision.effects.isEmpty else { return }
        if decision.urgent {
            for effect in decision.effects { run(effect) { _ in } }
            return
        }
        guard running == nil else { return }
        perform(decision.effects[...])
    }

    private func perform(_ list: ArraySlice<Effect>) {
        guard let effect = list.first else {
            running = nil
            wake(urgent: true)
            return
        }
        running = RunningEffect(effect, since: now)
        run(effect) { [self] outcome in perform(outcome == .done ? list.dropFirst() : []) }
    }

    private func run(_ effect: Effect, _ completion: @escaping Completion) {
        var isDone = false
        carryOut(effect) { [self] outcome in
            guard !isDone else { return }
            isDone = true
            finished.append(FinishedEffect(effect, outcome, at: now))
            switch (effect, outcome) {
            case (.acquire, .unknown), (.adopt, .unknown), (.replace, .unknown), (.release, .unknown):
                unsettled = true
            case (.settle, .done): unsettled = false
            default: break
            }
            if outcome != .done { world.note(node.index, "\(effect.name): \(outcome)") }
            completion(outcome)
            wake(urgent: true)
        }
    }

    private func carryOut(_ effect: Effect, _ done: @escaping Completion) {
        switch effect {
        case .fence:
            tellKeeper { $0.fence() }
            network { done(.done) }
        case .stepDown, .stop, .stopForRestart:
            askKeeper({ keeper in
                keeper.stop()
                return nil
            }) { [self] _ in awaitStop(until: now + .seconds(6), done) }
        case .exit: exit()
        case .stopPlanned:
            // The checkpoint before, while clients go on.
            world.after(world.dice.milliseconds(20, 300)) { [self] in
                network { [self] in
                    askKeeper({ keeper in
                        keeper.stop()
                        return nil
                    }) { done(Self.outcome($0)) }
                }
            }
        case .detach: askKeeper({ $0.detach() }) { done(Self.outcome($0)) }
        case .takeOver(let role):
            let end = role == .primary ? renewals.lease?.provenUntil : nil
            askKeeper({ $0.takeOver(as: role, until: end) }) { done(Self.outcome($0)) }
        case .stopAtOnce:
            askKeeper({ keeper in
                keeper.stopAtOnce()
                return nil
            }) { done(Self.outcome($0)) }
        case .acquire, .adopt, .replace, .release, .settle, .arm, .prepareTree, .raceInitialize, .claimInitialize,
            .writeConfig, .clearRequest, .writeSync:
            carryOutLock(effect, done)
        case .finishBootstrap(let term): finishBootstrap(term, done)
        case .initdb:
            tool(took: world.dice.milliseconds(300, 900), done) { [self] in
                guard !world.toolFails() else { return "initdb failed" }
                node.postgres.contents = .ready
                node.postgres.initialize(system: "70000000000000000\(world.newIdentity())")
                return nil
            }
        case .cancelBootstrap: cancelBootstrap(done)
        case .setSynchronous(let names):
            world.after(world.dice.milliseconds(1, 20)) { [self] in
                network { [self] in
                    node.postgres.synchronous = names
                    done(.done)
                }
            }
        case .wakeCommits: network { done(.done) }
        case .start(let role, _):
            node.postgres.synchronous = SynchronousNames(
                startingAs: role, promised: store?.sync.standbys ?? [], policy)
            askKeeper({ $0.start(role) }) { done(Self.outcome($0)) }
        case .prePromote(let term): prePromote(term, done)
        case .promote(let term): promote(term, done)
        case .checkpoint:
            world.after(world.dice.milliseconds(20, 300)) { [self] in
                network { [self] in
                    if node.postgres.isWritable { node.postgres.checkpoint() }
                    done(node.postgres.isWritable ? .done : .failed("not running"))
                }
            }
        case .askPeers: askPeers(done)
        case .readUpstream(let member, let term): readUpstream(member, term, done)
        case .follow(let member, let term):
            node.postgres.upstream = member.flatMap { world.index(of: $0) }
            following = Following(member: member, term: term)
            world.after(millisecond) { [self] in network { done(.done) } }
        case .kick:
            node.postgres.kick()
            network { done(.done) }
        case .rewind(let member): rewind(from: member, done)
        case .clone(let member): clone(from: member, done)
        case .restore: done(.failed("no simulated member has a backup"))
        case .reinitialize(let member): clone(from: member, isOrdered: true, done)
        case .finishOrder(let id, _):
            if order?.id == id { order = nil }
            done(.done)
        case .beginScheduledRestart:
            scheduledRestart = nil
            obey(.restart(timeout: nil))
            done(.done)
        case .pauseKeeper(let paused):
            askKeeper({ $0.pause(paused) }) { done(Self.outcome($0)) }
        }
    }

    static func outcome(_ refusal: String?) -> FinishedEffect.Outcome { refusal.map { .failed($0) } ?? .done }

    private func exit() {
        let node = self.node
        world.note(node.index, "agent: exits")
        // A refusal is final for this session: what it held is open to others once it has run out.
        node.sessionFile = 0
        node.killAgent()
        world.after(3 * second) { node.startAgent() }
    }

    private func awaitStop(until deadline: Instant, _ done: @escaping Completion) {
        if node.postgres.phase == .absent { return done(.done) }
        if now >= deadline { return done(.failed("PostgreSQL does not stop")) }
        world.after(20 * millisecond) { [self] in timer { [self] in awaitStop(until: deadline, done) } }
    }

    /// The user's script takes its time, and says no now and then.
    private func prePromote(_ term: Term, _ done: @escaping Completion) {
        world.after(world.dice.milliseconds(50, 1500)) { [self] in
            network { [self] in
                guard renewals.leadership?.term == term else { return done(.unknown("lost leader before promote")) }
                done(world.dice.chance(30) ? .failed("the script said no") : .done)
            }
        }
    }

    // MARK: Other members

    /// Members, and who was one as late as a lease can last: these count only while they are primaries.
    private func askPeers(_ done: @escaping Completion) {
        let members = Set((store?.members ?? [:]).keys)
        let others = world.nodes.filter { other in
            other !== node
                && (members.contains(other.name)
                    || seenAt[other.name].map { now - $0 <= .nanoseconds(timeout) } == true)
        }
        guard !others.isEmpty else {
            peers = PeerRound(askedAt: now, asked: [], answers: [:])
            return done(.done)
        }
        var answers: [MemberID: PeerRound.Answer] = [:]
        var stopped: Set<MemberID> = []
        let askedAt = now
        var open = others.count
        var isDone = false
        let finish: () -> Void = { [self] in
            guard !isDone else { return }
            isDone = true
            peers = PeerRound(
                askedAt: askedAt, asked: members.subtracting([node.name]),
                answers: answers.filter { members.contains($0.key) || !$0.value.inRecovery },
                stopped: stopped.intersection(members))
            done(.done)
        }
        for other in others {
            world.after(world.latency) { [self] in
                guard world.network.reaches(node.index, other.index) else { return }
                other.agent?.network { [self] in
                    let answer = other.agent?.answer()
                    let isStopped = other.agent?.node.keeper.view().process == .absent
                    world.after(world.latency) { [self] in
                        guard world.network.reaches(node.index, other.index) else { return }
                        network {
                            guard !isDone else { return }
                            answers[other.name] = answer
                            if isStopped { stopped.insert(other.name) }
                            open -= 1
                            if open == 0 { finish() }
                        }
                    }
                }
            }
        }
        world.after(120 * millisecond) { [self] in timer { finish() } }
    }

    /// What this member says when asked; nil when its PostgreSQL cannot be asked.
    private func answer() -> PeerRound.Answer? {
        guard let sql = node.keeper.view().sql else { return nil }
        return PeerRound.Answer(
            inRecovery: sql.inRecovery, position: sql.position, timeline: sql.timeline,
            nofailover: policy.nofailover, failoverPriority: policy.failoverPriority)
    }

    private func readUpstream(_ member: MemberID, _ term: Term, _ done: @escaping Completion) {
        world.after(world.dice.milliseconds(2, 30)) { [self] in
            network { [self] in
                guard let other = world.node(member), world.network.reaches(node.index, other.index),
                    other.postgres.isAccepting, !other.postgres.inRecovery
                else { return done(.failed("\(member) does not answer")) }
                upstream = UpstreamView(
                    member: member, term: term,
                    systemIdentifier: SystemIdentifier(rawValue: other.postgres.systemIdentifier),
                    timeline: other.postgres.history.timeline, history: other.postgres.history)
                done(.done)
            }
        }
    }

    // MARK: Tools that write the directory, children of the keeper

    private func tool(
        took duration: Nanoseconds, _ done: @escaping Completion, _ action: @escaping () -> String?
    ) {
        guard let keeper = node.keeper, let id = keeper.begin() else { return done(.failed("something runs here")) }
        world.after(duration) { [self] in
            // Killed with its keeper, or when another agent attached.
            guard keeper.end(id) else {
                network { done(.failed("the tool was killed")) }
                return
            }
            let failure = action()
            network { done(Self.outcome(failure)) }
        }
    }

    private func rewind(from member: MemberID, _ done: @escaping Completion) {
        let postgres = node.postgres
        guard let source = world.node(member)?.postgres else { return done(.failed("unknown member")) }
        guard postgres.phase == .absent, postgres.contents == .ready || postgres.contents == .unfinished("pg_rewind")
        else {
            return done(.failed("not stopped"))
        }
        guard source.isWritable, world.network.reaches(node.index, source.node) else {
            return done(.failed("\(member) does not answer"))
        }
        if source.control.timeline.rawValue < source.timeline?.number ?? 0 { world.invariants.earlyRewind(node.index) }
        world.invariants.replaces(node.index, by: source)
        postgres.contents = .unfinished("pg_rewind")
        let control = postgres.control
        tool(took: world.dice.milliseconds(50, 800), done) { [self] in
            guard source.isWritable, world.network.reaches(node.index, source.node), !world.toolFails() else {
                return "connection to the source lost"
            }
            _ = control
            postgres.copy(source)
            return nil
        }
    }

    private func clone(from member: MemberID, isOrdered: Bool = false, _ done: @escaping Completion) {
        let postgres = node.postgres
        guard let source = world.node(member)?.postgres else { return done(.failed("unknown member")) }
        guard postgres.phase == .absent else { return done(.failed("not stopped")) }
        guard source.isAccepting, world.network.reaches(node.index, source.node) else {
            return done(.failed("\(member) does not answer"))
        }
        world.invariants.replaces(node.index, by: source)
        if !isOrdered { world.invariants.cloned(node.index, over: postgres.contents) }
        let before = postgres.contents
        if before == .empty || isOrdered { postgres.contents = .unfinished("clone") }
        tool(took: world.dice.milliseconds(200, 2000), done) { [self] in
            guard source.isAccepting, world.network.reaches(node.index, source.node), !world.toolFails() else {
                // Made beside the directory: what was there stands.
                if !isOrdered { postgres.contents = before }
                return "connection to the source lost"
            }
            postgres.copy(source)
            return nil
        }
    }
}
