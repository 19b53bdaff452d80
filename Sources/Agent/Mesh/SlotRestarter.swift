import HACore
import Logging

/// Restarts this standby so that it takes slots in, as an operator's order would: it steps out of `sync` first, and the
/// usual rules stop and start it. One standby of the cluster at a time.
actor SlotRestarter {
    private let latest: Latest
    private let orders: OrderBook
    private let turn: SlotTurn
    private let isStrict: @Sendable () -> Bool
    private let isPaused: @Sendable () -> Bool
    private let logger: Logger
    private var ending: Task<Void, Never>?
    private var said: String?

    /// From the stop to the accepted connection; the order's own limits are shorter.
    private static let orderPatience = Duration.seconds(600)
    private static let streamingPatience = Duration.seconds(60)

    init(
        latest: Latest, orders: OrderBook, turn: SlotTurn, isStrict: @escaping @Sendable () -> Bool,
        isPaused: @escaping @Sendable () -> Bool, logger: Logger
    ) {
        self.latest = latest
        self.orders = orders
        self.turn = turn
        self.isStrict = isStrict
        self.isPaused = isPaused
        self.logger = logger
    }

    /// - Parameter reasons: a sentence without end for each slot.
    /// - Returns: false when it is not the time; said on change.
    func restart(for reasons: [String]) async -> Bool {
        guard ending == nil else { return false }
        if let obstacle {
            say("not restarting for slots of the mesh: \(obstacle)")
            return false
        }
        switch await turn.take() {
        case .ours: break
        case .taken(let member):
            say("not restarting for slots of the mesh: waiting for \(member), which does")
            return false
        case .unknown(let why):
            say("not restarting for slots of the mesh: \(why)")
            return false
        }
        do {
            let outcome = try orders.place(.restart(timeout: nil))
            said = nil
            logger.notice(
                """
                restarting this standby for slots of the mesh, so that peers can go on after its promotion: \
                \(reasons.joined(separator: "; ")); they are copied while it is down and proved when it has caught up
                """)
            ending = Task { await self.finish(outcome) }
            return true
        } catch {
            await turn.giveBack()
            say("not restarting for slots of the mesh: \(error.action) is carried out")
            return false
        }
    }

    /// Why not now; nil: nothing speaks against it.
    private var obstacle: String? {
        if isPaused() { return "the cluster is paused" }
        guard let tree = latest.tree else { return "the tree is not known" }
        if tree.view.request != nil { return "another leader is asked for" }
        let me = turn.me
        guard isStrict(), tree.view.sync.lists(me) else { return nil }
        let leader = tree.view.leader?.member
        let others = tree.view.members.filter { name, member in
            !name.isSame(as: me) && name != leader && member.isRunning && !member.nosync
        }
        return others.isEmpty
            ? "it is the only synchronous standby, and commits would wait; restart it when they may (or add a standby)"
            : nil
    }

    private func finish(_ outcome: AsyncStream<MemberOrder.Outcome>) async {
        let result = await Self.first(of: outcome, within: Self.orderPatience)
        let until = Instant.now + Self.streamingPatience
        while latest.local?.sql?.streaming != true, Instant.now < until, !Task.isCancelled {
            try? await Task.sleep(for: .milliseconds(100), clock: .continuous)
        }
        await turn.giveBack()
        ending = nil
        guard latest.local?.sql?.streaming == true else {
            return logger.error(
                "this standby does not stream again after its restart for slots (\(result.map { "\($0)" } ?? "no outcome"))"
            )
        }
        logger.info("this standby streams again; another may restart for slots")
    }

    private static func first(
        of outcomes: AsyncStream<MemberOrder.Outcome>, within patience: Duration
    ) async -> MemberOrder.Outcome? {
        await withTaskGroup(of: MemberOrder.Outcome?.self) { group in
            group.addTask {
                for await outcome in outcomes { return outcome }
                return nil
            }
            group.addTask {
                try? await Task.sleep(for: patience, clock: .continuous)
                return nil
            }
            defer { group.cancelAll() }
            return await group.next() ?? nil
        }
    }

    /// On change.
    private func say(_ text: String) {
        guard said != text else { return }
        said = text
        logger.notice("\(text)")
    }
}
