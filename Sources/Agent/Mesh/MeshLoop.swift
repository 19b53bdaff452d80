import AdminModel
import HACore
import LibPQ
import LocalConfiguration
import Logging
import PostgresControl
import ZooKeeper

/// Looks at the mesh, decides, acts: beside the cluster's own loop, which never waits for it or for a peer.
///
/// On the leader it brings the mesh to what is wanted; on a standby it keeps the ways to the peers shut.
actor MeshLoop {
    private let me: MemberID
    private let scope: String
    private let settings: ClusterSettings
    private let sessions: SessionOwner
    private let guardian: LeaseGuard
    private let lock: LockEffects
    private let keeper: KeeperLink
    private let server: LocalServer
    private let latest: Latest
    private let gates: MeshGates
    private let reader: MeshReader
    private let sql: MeshSQL
    private let slots: MeshSlotKeeper
    private let board: MeshBoard
    private let requests: MeshRequests
    private let wakeup: Wakeup
    /// Makes the cluster's loop give PostgreSQL its changed configuration.
    private let reconfigure: @Sendable () -> Void
    private let logger: Logger

    private var memory = MeshMemory()
    private var memoryTerm: Term?
    private var lastActions: [MeshAction] = []
    private var lastProblems: [MeshProblem] = []
    private var lastReason = ""
    private var lastForeign: [MemberID] = []
    private var complaint = ""
    private var costs = MeshCosts()
    /// What the last look could not carry out.
    private var failure: String?

    init(
        me: MemberID, scope: String, settings: ClusterSettings, sessions: SessionOwner, guardian: LeaseGuard,
        lock: LockEffects, keeper: KeeperLink, server: LocalServer, latest: Latest, gates: MeshGates,
        reader: MeshReader, sql: MeshSQL, slots: MeshSlotKeeper, board: MeshBoard,
        requests: MeshRequests, wakeup: Wakeup,
        reconfigure: @escaping @Sendable () -> Void, logger: Logger
    ) {
        self.me = me
        self.scope = scope
        self.settings = settings
        self.sessions = sessions
        self.guardian = guardian
        self.lock = lock
        self.keeper = keeper
        self.server = server
        self.latest = latest
        self.gates = gates
        self.reader = reader
        self.sql = sql
        self.slots = slots
        self.board = board
        self.requests = requests
        self.wakeup = wakeup
        self.reconfigure = reconfigure
        self.logger = logger
    }

    func run() async {
        while !Task.isCancelled {
            let pause = await look()
            await wakeup.wait(atMost: pause)
        }
        await sql.close()
    }

    /// Why a look came to no end; the next one begins anew.
    private struct Interrupted: Error, CustomStringConvertible {
        let description: String
        init(_ description: String) { self.description = description }
    }

    private func look() async -> Duration {
        guard let mesh = settings.mesh else {
            board.post(nil)
            // Woken when there is one.
            return .seconds(3600)
        }
        do {
            guard let session = sessions.session, sessions.coordination == .connected else {
                throw Interrupted("not connected to ZooKeeper")
            }
            let tree = try await reader.read(mesh, session, deadline: .seconds(1))
            let pause: Duration
            if let leadership = guardian.leadership, let postmaster = primary, isInitialized {
                pause = try await lead(mesh, tree, leadership, postmaster)
            } else {
                pause = try await stand(mesh, tree)
            }
            complaint = ""
            return pause
        } catch {
            let text = "\(error)"
            logger.log(level: text == complaint ? .debug : .warning, "the mesh cannot be looked at: \(text)")
            complaint = text
            return .milliseconds(500)
        }
    }

    /// The pid of the local server, when it is a primary that answers.
    private var primary: Int32? {
        guard let local = latest.local, local.isRunning, !local.stopRequested, local.sql?.inRecovery == false else {
            return nil
        }
        return keeper.lastStatus?.postmasterPID
    }

    /// A cluster that is being made has neither users nor databases yet.
    private var isInitialized: Bool {
        if case .done = latest.tree?.view.initialize { return true }
        return false
    }

    // MARK: On a standby

    private func stand(_ mesh: MeshSettings, _ tree: MeshReader.Tree) async throws -> Duration {
        memoryTerm = nil
        lastActions = []
        // A primary whose lock is being proved again goes on as it is; what it is, its keeper enforces.
        let mayBePrimary = latest.local.map { $0.mayBeWritable || $0.promoteRequested } ?? true
        if !mayBePrimary {
            try await gates.shutAll(tree.peers.map(\.record.node), mesh, local: server.meshAddress)
        }
        board.post(MeshStatus(settings: mesh, own: tree.own, peers: tree.peers, intents: tree.intents))
        // Beside: a slot may have much WAL to read, and the gates do not wait for it.
        let recorded = Self.recordedSlots(tree, of: mesh.node)
        Task { await slots.maintain(recorded: recorded) }
        return min(settings.policy.loopWait, slots.pause)
    }

    /// The slots that the leader says it has.
    private static func recordedSlots(_ tree: MeshReader.Tree, of node: String) -> Set<String> {
        var names: Set<String> = []
        for (link, own) in tree.own?.links ?? [:] {
            if let hold = own.holdSlot { names.insert(hold) }
            let peer = tree.peers.first { $0.record.node == link.peer }
            if own.confirmed != nil, let slot = peer?.record.links[MeshLink(link.database, node)]?.slot {
                names.insert(slot)
            }
        }
        return names
    }

    // MARK: On the leader

    private func lead(
        _ mesh: MeshSettings, _ tree: MeshReader.Tree, _ leadership: Leadership, _ postmaster: Int32
    ) async throws -> Duration {
        if memoryTerm != leadership.term {
            memory = MeshMemory()
            memoryTerm = leadership.term
            lastActions = []
        }
        if gates.routes == nil {
            // The stanza of the own node is there and as it is to be, whoever wrote the file.
            try await gates.write(await gates.read(mesh), mesh, local: server.meshAddress)
        }
        let view = try await view(mesh, tree, leadership, postmaster)
        gates.saw(clientsAreShut: view.server.clientsAreShut)
        noteStandbys(view)
        let decision = decideMesh(view, memory)
        memory = decision.memory
        note(decision)
        await post(decision, mesh, tree, view, postmaster)
        var isDone = true
        for action in decision.actions {
            guard guardian.leadership?.term == leadership.term else {
                throw Interrupted("the lock is not held any more")
            }
            do { try await carryOut(action, mesh, leadership, postmaster, version: tree.ownVersion) } catch {
                logger.warning("\(action.sentence): \(error)")
                failure = "\(action.sentence): \(error)"
                isDone = false
                // A statement that fails for one peer must not keep another from its answer.
                if case .run = action { continue }
                break
            }
        }
        defer { lastActions = decision.actions }
        // What does not come to an end by being done is not done again and again.
        if !isDone { return .seconds(1) }
        failure = nil
        if decision.actions.isEmpty {
            return view.obstacles.isEmpty ? decision.recheckAfter : min(decision.recheckAfter, .seconds(1))
        }
        return decision.actions == lastActions ? max(decision.recheckAfter, .milliseconds(500)) : .zero
    }

    private func post(
        _ decision: MeshDecision, _ mesh: MeshSettings, _ tree: MeshReader.Tree, _ view: MeshView, _ postmaster: Int32
    ) async {
        // Nothing that is to be done waits for what is only shown.
        if decision.actions.isEmpty, costs.note(position: view.server.position, at: view.now) {
            costs.free = FreeSpace.bytes(for: server.dataDirectory)
            costs.conflicts = await sql.conflicts(Array(view.databases.keys), postmaster: postmaster)
        }
        var status = MeshStatus(
            settings: mesh, own: tree.own, peers: tree.peers, intents: tree.intents, view: view,
            problems: decision.problems + (failure.map { [MeshProblem(nil, $0)] } ?? []), reason: decision.reason)
        status.actions = decision.actions.map(\.sentence)
        status.needs = gates.parameters(mesh, as: .primary).needs
        status.costs = costs
        board.post(status)
    }

    private func view(
        _ mesh: MeshSettings, _ tree: MeshReader.Tree, _ leadership: Leadership, _ postmaster: Int32
    ) async throws -> MeshView {
        let found = try await sql.server(postmaster: postmaster)
        var readsServices = false
        if mesh.connection.mode == .service {
            let files = ServerFiles(dataDirectory: server.dataDirectory)
            readsServices = await files.hasServiceFile(gates.file(mesh), postmaster: postmaster) ?? false
            // A Patroni that is promoted here writes no service file, and shuts none.
            let foreign = otherMembers.filter { $0.record.matriarch == nil }.map(\.name)
            if !foreign.isEmpty { readsServices = false }
            noteForeign(foreign)
        }
        let history = try await TimelineFiles(dataDirectory: server.dataDirectory).history(of: found.timeline)
        var view = MeshView(
            now: Instant.now, scope: scope, settings: mesh, term: leadership.term, own: tree.own, peers: tree.peers,
            intents: tree.intents, server: found.server(history: history, readsServices: readsServices),
            addresses: addresses, otherMembers: otherMembers.count,
            routes: await gates.read(mesh))
        view.unprovedSlots = slots.unprovedSlots
        view.isPaused = settings.policy.paused
        for database in mesh.databases {
            do throws(PostgresError) {
                view.databases[database] = try await sql.look(database, mesh, postmaster: postmaster)
            } catch {
                view.obstacles[database] = error.description
            }
        }
        return view
    }

    private func noteForeign(_ members: [MemberID]) {
        guard members != lastForeign else { return }
        lastForeign = members
        guard !members.isEmpty else { return }
        let names = members.map(\.rawValue).joined(separator: ", ")
        logger.warning(
            "spock.dsn.mode: service is not used beside members that Patroni runs (\(names)): nothing is registered")
    }

    /// Who streams decides what a peer waits for: on record in the server's parameters.
    private func noteStandbys(_ view: MeshView) {
        let members = Set(otherMembers.map(\.name))
        let named = settings.dynamic.values.useSlots ? members : []
        let slots = view.server.standbys.keys.filter { named.contains($0) }.map(\.slotName).sorted()
        if gates.noteStandbys(slots, members: members.count + 1) { reconfigure() }
    }

    private var otherMembers: [(name: MemberID, record: MemberRecord)] {
        (latest.tree?.members ?? []).filter { $0.name != me }
    }

    private var addresses: [MeshRecord.Address] {
        let postgres = settings.local.postgresql
        let own = ConnectionURL("postgres://\(postgres.connectAddress ?? postgres.listen)")
        return ([own] + otherMembers.map { $0.record.connURL.flatMap { ConnectionURL($0) } }).compactMap { $0 }
            .map { MeshRecord.Address(host: $0.host, port: $0.port) }
    }

    private func carryOut(
        _ action: MeshAction, _ mesh: MeshSettings, _ leadership: Leadership, _ postmaster: Int32, version: Version?
    ) async throws {
        switch action {
        case .route(let routes):
            guard mesh.connection.mode == .service else { return }
            try await gates.write(routes, mesh, local: server.meshAddress)
        case .publish(let record):
            // Of the version that was read: what this leader has not seen is not written over.
            let expected = version.map { ExpectedVersion.exactly($0) } ?? .any
            do throws(EffectFailure) {
                try await lock.write(lock.layout.mesh, record.json.znode, as: leadership.term, expecting: expected)
            } catch {
                await reader.forgetOwn()
                throw error
            }
            await reader.forgetOwn()
        case .openClients:
            guard gates.openClients() else { return }
            logger.notice("clients may write: the gate after the promotion is open")
            reconfigure()
        case .burn(let position):
            logger.notice("moving WAL past \(position), which a peer has applied of this cluster already")
            try await sql.burn(past: position, in: settings.postgres.database, postmaster: postmaster)
        case .run(let database, let statement):
            logger.log(level: statement.isRoutine ? .debug : .info, "\(action.sentence)")
            try await sql.carryOut(statement, in: database, postmaster: postmaster)
        case .copy(let copy):
            logger.log(level: copy.isRoutine ? .debug : .notice, "\(action.sentence)")
            try await sql.copy(copy, mesh, postmaster: postmaster)
        case .amend(let change):
            logger.notice("\(action.sentence)")
            _ = try await requests.make(change, as: leadership.term)
            await reader.forget(lock.layout.meshIntents)
        }
    }

    // MARK: The log, on change

    private func note(_ decision: MeshDecision) {
        if decision.reason != lastReason {
            logger.notice("\(decision.reason)")
            lastReason = decision.reason
        }
        for problem in decision.problems where !lastProblems.contains(problem) { logger.warning("\(problem)") }
        for problem in lastProblems where !decision.problems.contains(problem) {
            logger.notice("no longer: \(problem)")
        }
        lastProblems = decision.problems
    }
}
