public import HACore

/// One deterministic run of a mesh: zones that write, replicate to each other and lose their primaries.
///
/// First the mesh is built from nothing; then clients write and faults happen; then everything heals.
public final class MeshWorld {
    public struct Outcome: Sendable {
        public var seed: UInt64
        /// The first thing that did not hold; nil: all did.
        public var violation: String?
        public var trace: [String]
        public var rows: Int
        public var findings: [MeshFinding.Kind: Int]
        /// Slots that went back, and rewinds that found a gap.
        public var rewinds: Int
        public var settingsBack: Int
        public var steps: Int
    }

    static let database = "app"
    let options: MeshOptions
    public let seed: UInt64
    let dice: Dice
    private(set) var now: Nanoseconds = 0
    private(set) var zones: [MeshZone] = []
    private(set) var checks: MeshChecks!
    var tree: MeshTree
    /// By zone.
    private(set) var intents: [Int: MeshIntents] = [:]
    private var queue = EventQueue()
    private var trace: [String] = []
    private var violation: String?
    private var sessions = 0
    private var steps = 0
    private var isHealing = false
    private var writes = false
    private var isLate = false
    private var cutZone: Int?
    private var rewinds = 0
    private var settingsBack = 0
    /// When peers could first read of each promotion.
    private var gatedSince: [Term: Nanoseconds] = [:]

    public init(seed: UInt64, options: MeshOptions = MeshOptions()) {
        self.seed = seed
        self.options = options
        dice = Dice(seed: seed)
        tree = MeshTree(zones: options.zones)
        checks = MeshChecks(self)
        zones = (0..<options.zones).map { MeshZone(self, number: $0) }
    }

    // MARK: The run

    public func run() -> Outcome {
        for zone in zones { zone.begin() }
        for zone in zones { write(in: zone) }
        let faultsEnd = plan()
        at(faultsEnd) { self.heal() }
        at(faultsEnd + 12 * second) { self.acceptGaps() }
        at(faultsEnd + 24 * second) { self.writes = false }
        at(faultsEnd + 40 * second) { self.finish() }
        while violation == nil, let event = queue.next(), event.time <= faultsEnd + 41 * second {
            now = event.time
            steps += 1
            event.action()
        }
        return Outcome(
            seed: seed, violation: violation, trace: trace, rows: checks.rowCount, findings: findings(),
            rewinds: rewinds, settingsBack: settingsBack, steps: steps)
    }

    private func plan() -> Nanoseconds {
        at(15 * second) { self.writes = true }
        var time = 17 * second
        for _ in 0..<options.faults {
            time += dice.chance(30) ? dice.milliseconds(1, 600) : dice.milliseconds(500, 6000)
            let kind = dice.pick(options.kinds)
            at(time) { self.fault(kind) }
        }
        return time + 2 * second
    }

    private func fault(_ kind: MeshOptions.Fault) {
        let zone = dice.pick(zones)
        switch kind {
        case .failOver: zone.failOver(planned: false, cut: dice.chance(40))
        case .handOver: zone.failOver(planned: true)
        case .doubleFailOver:
            for zone in zones where dice.chance(80) {
                after(dice.milliseconds(0, 400)) { zone.failOver(planned: false) }
            }
        case .restart: zone.restart(newTimeline: false)
        case .newTimeline: zone.restart(newTimeline: true)
        case .leadAgain: zone.leadAgain()
        case .agentCrash: zone.crashAgent(for: dice.milliseconds(50, 2000))
        case .agentAway:
            zone.crashAgent(for: dice.milliseconds(4000, 7000))
            let other = dice.pick(zones)
            after(dice.milliseconds(50, 800)) { other.failOver(planned: false) }
        case .standbyDown: zone.stopStandby(for: dice.milliseconds(500, 4000))
        case .lag:
            zone.lag = dice.milliseconds(100, 1500)
            after(dice.milliseconds(500, 4000)) { zone.lag = 5 * millisecond }
        case .cut: cut(zone)
        case .cutAndFailOver:
            // What is on the way arrives when others lead already.
            cut(zone)
            after(dice.milliseconds(20, 300)) { zone.failOver(planned: false) }
        case .late:
            isLate = true
            after(dice.milliseconds(1000, 4000)) { self.isLate = false }
        case .kick:
            // A worker that hangs or dies, for the agent to help.
            zone.primary?.workers.min { $0.key < $1.key }?.value.end()
        case .vacuum: zone.primary?.write(.noise, size: UInt64(dice.between(1000, 1 << 26)), at: now)
        }
        log("fault \(kind)")
    }

    private func cut(_ zone: MeshZone) {
        cutZone = zone.number
        after(dice.milliseconds(100, 3000)) { self.cutZone = nil }
    }

    private func heal() {
        log("heals")
        isHealing = true
        isLate = false
        cutZone = nil
        for zone in zones { zone.lag = 5 * millisecond }
    }

    /// An operator who has read the findings.
    private func acceptGaps() {
        for zone in zones {
            guard let record = tree.node(zone.number).record, let fork = record.fork else { continue }
            for finding in record.findings where finding.kind == .gap {
                intents[zone.number, default: MeshIntents()].accepted[finding.link] = fork.term
            }
        }
    }

    private func finish() {
        checks.finish()
        for zone in zones { checkStability(zone) }
    }

    private func findings() -> [MeshFinding.Kind: Int] {
        zones.flatMap { tree.node($0.number).record?.findings ?? [] }
            .reduce(into: [:]) { $0[$1.kind, default: 0] += 1 }
    }

    // MARK: Clients

    private func write(in zone: MeshZone) {
        if let primary = zone.primary, writes, !primary.clientsAreShut {
            let size = options.rowSize
            primary.write(.row(checks.newRow(in: primary, size: size)), size: size, at: now)
        }
        if !isHealing || writes, dice.chance(10) { zone.primary?.write(.noise, at: now) }
        after(dice.milliseconds(5, 60)) { self.write(in: zone) }
    }

    // MARK: What agents and workers ask of the world

    func settings(_ zone: MeshZone) -> MeshSettings {
        var settings = MeshSettings(mesh: "shop", node: zone.node, databases: [Self.database])
        settings.holdSlots = options.holdSlots
        settings.onGap = options.onGap
        settings.holdMaxWAL = options.holdMaxWAL
        settings.slotMaxWAL = options.slotMaxWAL
        settings.copyInterval = .seconds(2)
        return settings
    }

    func decide(_ view: MeshView, _ memory: MeshMemory) -> MeshDecision {
        let decision = options.weakness?.decide(view, memory) ?? decideMesh(view, memory)
        for case .run(_, let statement) in decision.actions {
            if case .copySlot(let from, _) = statement, from.hasPrefix("hold") { rewinds += 1 }
            if case .setOrigin = statement { settingsBack += 1 }
        }
        return decision
    }

    /// Nil: nobody listens there any more.
    func server(at address: MeshRecord.Address) -> MeshServer? {
        let server = zones[Self.zone(of: address)].servers[address.port % 2]
        return server.address == address ? server : nil
    }

    static func zone(of address: MeshRecord.Address) -> Int { Int(address.host.dropFirst("zone".count))! }

    func number(of node: String) -> Int? { zones.firstIndex { $0.node == node } }

    func startWorkers(on server: MeshServer) {
        for name in server.contents.subscriptions.keys.sorted() {
            after(dice.milliseconds(10, 1500)) { self.startWorker(name, on: server) }
        }
    }

    func startWorker(_ name: String, on server: MeshServer) {
        guard server.serves, server.contents.subscriptions[name]?.isEnabled == true, server.workers[name] == nil else {
            return
        }
        server.workers[name] = MeshWorker(self, server, name)
    }

    func gates(_ term: Term) { gatedSince[term] = gatedSince[term] ?? now }

    func gatedFor(_ term: Term) -> Nanoseconds { now - (gatedSince[term] ?? now) }

    func nextSession() -> Int {
        sessions += 1
        return sessions
    }

    /// Between zones; a cut holds packets back until it ends.
    func delay(_ from: Int, _ to: Int) -> Nanoseconds {
        let usual = dice.chance(5) ? dice.milliseconds(20, 400) : dice.milliseconds(1, 15)
        return cutZone == from || cutZone == to ? usual + dice.milliseconds(300, 3000) : usual
    }

    func lateness() -> Nanoseconds {
        isLate ? dice.milliseconds(0, 2500) : dice.chance(10) ? dice.milliseconds(10, 500) : dice.milliseconds(0, 10)
    }

    func fails() -> Bool { !isHealing && dice.chance(options.failingActions) }

    func isUnreadable() -> Bool { !isHealing && dice.chance(options.unreadable) }

    private func checkStability(_ zone: MeshZone) {
        guard violation == nil, let view = zone.view() else { return }
        var memory = MeshMemory()
        memory.publishedAt = view.now
        let actions = decide(view, memory).actions
        if !actions.isEmpty { violate("zone \(zone.number) does not rest: \(actions.map(MeshTrace.line))") }
    }

    // MARK: Time and trace

    func at(_ time: Nanoseconds, _ action: @escaping () -> Void) { queue.add(at: max(time, now), action) }

    func after(_ delay: Nanoseconds, _ action: @escaping () -> Void) { queue.add(at: now + delay, action) }

    func log(_ line: @autoclosure () -> String, when isWanted: Bool = true) {
        guard isWanted else { return }
        trace.append("\(now / millisecond) \(line())")
    }

    func violate(_ text: String) {
        guard violation == nil else { return }
        violation = text
        log("VIOLATED: \(text)")
    }
}
