import HACore

/// One machine: its clock, its data, the keeper and the agent that run on it.
final class SimNode {
    let index: Int
    let name: MemberID
    let clock: SimClock
    let postgres: SimPostgres
    private unowned let world: SimWorld
    private(set) var keeper: SimKeeper!
    private(set) var agent: SimAgent?
    /// What the session file says: survives the agent, not the machine.
    var sessionFile: Int64 = 0
    var sessionFileTimeout: Nanoseconds = 0
    private(set) var isPowered = false
    /// What somebody else runs here when the node begins.
    var found: StartRole?
    private var agents = 0
    private(set) var pauses = 0
    private(set) var resumedAt: Nanoseconds = 0
    private var deferredNetwork: [() -> Void] = []
    private var deferredTimers: [() -> Void] = []
    /// Its member record says that a keeper enforces its lease.
    let showsKeeper: Bool
    var policy: ClusterPolicy

    init(_ world: SimWorld, index: Int, policy: ClusterPolicy) {
        self.world = world
        self.index = index
        self.policy = policy
        name = MemberID("n\(index + 1)")
        let dice = world.dice
        clock = SimClock(origin: dice.between(0, 1_000_000) * second, drift: dice.between(-450, 450))
        postgres = SimPostgres(world, node: index, allowsRewind: dice.chance(90))
        showsKeeper = !dice.chance(10)
    }

    var now: Instant { clock.local(world.now) }

    // MARK: Power

    func powerOn() {
        guard !isPowered else { return }
        isPowered = true
        keeper = SimKeeper(world, self)
        if let start = found {
            found = nil
            postgres.start(start)
        }
        startAgent()
    }

    func powerOff() {
        guard isPowered else { return }
        isPowered = false
        keeper.die()
        postgres.killAll()
        killAgent()
        sessionFile = 0
    }

    // MARK: The agent

    var isPaused: Bool { pauses > 0 }

    func startAgent() {
        guard isPowered, agent == nil else { return }
        agents += 1
        keeper.attach(agents)
        agent = SimAgent(self, world, number: agents)
        agent?.start()
    }

    func killAgent() {
        agent?.isAlive = false
        agent = nil
        deferredNetwork = []
        deferredTimers = []
    }

    func pause() { pauses += 1 }

    func resume() {
        pauses -= 1
        guard pauses == 0 else { return }
        resumedAt = world.now
        // After a thaw nobody knows which thread runs first.
        let network = deferredNetwork
        let timers = deferredTimers
        deferredNetwork = []
        deferredTimers = []
        for action in world.dice.chance(50) ? network + timers : timers + network { action() }
    }

    func deferNetwork(_ action: @escaping () -> Void) { deferredNetwork.append(action) }
    func deferTimer(_ action: @escaping () -> Void) { deferredTimers.append(action) }

    // MARK: The keeper

    func killKeeper() {
        guard isPowered else { return }
        let former: SimKeeper = keeper
        former.die()
        keeper = SimKeeper(world, self)
        keeper.follow(former)
        if let agent { keeper.attach(agent.number) }
        agent?.postmasterExited()
    }
}
