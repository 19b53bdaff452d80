import AdminModel
public import AsyncHTTPClient
internal import LocalConfiguration
import Glibc
import HACore
import LibPQ
public import Logging
public import PostgresControl
public import SystemPackage
import ZooKeeper

/// Why an agent cannot start; the text names what to change.
public struct StartRefused: Error, CustomStringConvertible {
    public let description: String
    init(_ description: String) { self.description = description }
}

/// Puts the parts of one agent together.
public struct AgentAssembly: Sendable {
    public let service: AgentService
    /// For the doors.
    public let board: StatusBoard
    public let actions: ClusterActions
    /// `restapi` as it holds now: parts of it change with a reload.
    public let restAPI: @Sendable () -> RestAPIConfig
    /// The certificates in force.
    public let tls: TransportSecurity

    /// - Parameters:
    ///   - config: what `loader` gave at start.
    ///   - loader: reads it again.
    ///   - keeper: the program `matriarch-keeper`.
    ///   - log: of the process; follows reloads.
    ///   - manager: is told how the service is; nil: nobody asked.
    ///   - exit: ends the process with a code, PostgreSQL left as it is.
    /// - Throws: `StartRefused` when the configuration names something that is not there, `ConfigError` for files of TLS.
    public init(
        config: AgentConfig, loader: ConfigLoader, runtime: RuntimeFolder, keeper binary: FilePath, http: HTTPClient,
        log: AgentLog, manager: ServiceManager?, logger: Logger, exit: @escaping @Sendable (Int32) -> Void
    ) async throws {
        let me = config.name
        let cache = DynamicConfigFile(dataDirectory: FilePath(config.postgresql.dataDir))
        let accepted = await cache.read().flatMap { try? JSONParser.parse($0) }?.asObject
        let settings = ClusterSettings(local: config, accepted: accepted)
        let layout = try Self.layout(config)
        let installation = try Self.installation(config, settings)
        let wakeup = Wakeup()
        let counts = EventCounts()
        let keeper = KeeperLink(
            runtime: runtime, binary: binary, dataDirectory: FilePath(config.postgresql.dataDir), member: me,
            wakeup: wakeup, counts: counts, logger: logger)
        let postgres = settings.postgres
        let callbacks = Callbacks(settings: settings, logger: logger)
        let serverConfig = ServerConfig(
            dataDirectory: FilePath(config.postgresql.dataDir),
            configDirectory: FilePath(config.postgresql.configDir),
            baseName: postgres.configBaseName, customConf: postgres.customConf)
        let gates = MeshGates(
            runtime: runtime.path,
            clientsAreShut: await serverConfig.says("default_transaction_read_only", is: "on"))
        let watches = MeshWatches(wakeup: Wakeup())
        let server = LocalServer(
            installation: installation, majorVersion: try await installation.majorVersion(),
            config: serverConfig, settings: settings, keeper: keeper,
            check: ParameterCheck(installation: installation, folder: runtime.path), me: me, callbacks: callbacks,
            gates: gates, logger: logger)
        let tls = try TransportSecurity(config)
        let peers = PeerClient(client: http, tls: tls)
        let transactions = LockTransactions(layout: layout, me: me)
        let guardian = LeaseGuard(
            transactions: transactions, tickTime: config.matriarch.tickTime.map { .milliseconds($0) }, keeper: keeper,
            wakeup: wakeup)
        guardian.setLoopWait(settings.policy.loopWait)
        let zooKeeper = try config.zooKeeper.session(timeout: .seconds(settings.dynamic.values.ttl))
        let search = TickTimeSearch(zooKeeper, logger: logger)
        var findTickTime: (@Sendable () async -> Duration?)?
        if config.matriarch.tickTime == nil { findTickTime = { await search.find() } }
        let sessions = SessionOwner(
            configuration: zooKeeper, layout: layout, me: me, guardian: guardian,
            wakeup: wakeup, watches: watches,
            vault: SessionVault(
                file: SessionFile(runtime), base: layout.base, member: me, keeper: { keeper.identity }, logger: logger),
            findTickTime: findTickTime, logger: logger,
            admit: { [peers] record in
                // Our own address is ours: its port is bound by this process.
                guard let url = (try? MemberRecord(znode: record))?.apiURL, url != config.restAPI.url,
                    await peers.isAlive(url)
                else { return }
                logger.critical("Can't start; there is already a node named '\(me)' running")
                exit(1)
            })
        let monitor = PostgresMonitor(
            info: { server.superuserConnection(applicationName: "Matriarch heartbeat") })
        let observer = LocalObserver(server: server, monitor: monitor)
        let reader = ClusterReader(layout: layout, logger: logger, changes: { sessions.changes })
        // Who asks for the tree wants it as it is now.
        let freshReader = ClusterReader(layout: layout, logger: logger)
        let latest = Latest()
        let lock = LockEffects(
            layout: layout, transactions: transactions, sessions: sessions, guardian: guardian, keeper: keeper)
        let meshBoard = MeshBoard { settings.mesh == nil || gates.servesClients }
        let board = StatusBoard(
            server: { age, deadline in
                guard let pid = keeper.lastStatus?.postmasterPID else { return nil }
                return await monitor.status(postmaster: pid, maxAge: age, deadline: deadline)
            },
            read: {
                guard let session = sessions.session else { throw ZooKeeperError(.connectionLoss) }
                return try await freshReader.read(session, deadline: .milliseconds(700))
            },
            servesWrites: { guardian.mayServeWrites(at: $0) && keeper.lastStatus?.stopRequested != true },
            logBacklog: { log.backlog },
            vitals: {
                Vitals(
                    provenUntil: guardian.lease?.provenUntil, keeperAnswers: keeper.answers, counts: counts.counts,
                    renewalDelays: guardian.delays)
            }, mesh: meshBoard)
        let orders = OrderBook { wakeup.signal(urgent: true) }
        let pending = PendingRestart(server: server, monitor: monitor, wakeup: wakeup)
        let meshSlots = Self.meshSlots(
            server, sessions, latest, orders, wakeups: [wakeup, watches.wakeup], mesh: { settings.mesh })
        let runner = EffectRunner(
            effects: EffectHandlers(
                me: me, lock: lock, server: server, monitor: monitor, observer: observer,
                peers: peers, settings: settings, latest: latest, orders: orders, pending: pending,
                meshSlots: meshSlots, exit: exit, logger: logger),
            wakeup: wakeup, logger: logger)
        let members = MemberPublisher(layout: layout, me: me, logger: logger)
        let publisher = Publisher(
            me: me, settings: settings, sessions: sessions, guardian: guardian, lock: lock, monitor: monitor,
            keeper: keeper, server: server, members: members,
            slots: SlotMaintenance(
                me: me, settings: settings,
                info: { server.superuserConnection(applicationName: "Matriarch slots") }, logger: logger),
            meshSlots: meshSlots, cache: cache, orders: orders, pending: pending, board: board, logger: logger)
        let loop = AgentLoop(
            me: me, settings: settings, sessions: sessions, reader: reader, guardian: guardian, observer: observer,
            runner: runner, latest: latest, orders: orders, meshSlots: meshSlots, publisher: publisher,
            callbacks: callbacks, wakeup: wakeup, mesh: watches.wakeup, counts: counts, manager: manager, agentLog: log,
            exit: exit, logger: logger)
        let requests = MeshRequests(layout: layout, sessions: sessions, guardian: guardian, lock: lock)
        let mesh = MeshLoop(
            me: me, scope: config.scope, settings: settings, sessions: sessions, guardian: guardian, lock: lock,
            keeper: keeper, server: server, latest: latest, gates: gates,
            reader: MeshReader(layout: layout, scope: config.scope, watches: watches, logger: logger),
            sql: MeshSQL(info: { server.superuserConnection(applicationName: "Matriarch mesh") }), slots: meshSlots,
            board: meshBoard, requests: requests,
            wakeup: watches.wakeup,
            reconfigure: {
                settings.touch()
                wakeup.signal(urgent: true)
            }, logger: logger)
        self.tls = tls
        self.board = board
        actions = ClusterActions(
            sessions: sessions, layout: layout, peers: peers,
            reloader: ConfigReloader(
                loader: loader, settings: settings, tls: tls, log: log, manager: manager, wakeup: wakeup, logger: logger
            ),
            requests: requests, orders: orders, cancel: { runner.cancel() })
        restAPI = { settings.local.restAPI }
        service = AgentService(
            keeper: keeper, sessions: sessions, guardian: guardian, loop: loop, mesh: mesh, publisher: publisher,
            callbacks: callbacks, manager: manager, exit: exit, logger: logger)
    }

    private static func layout(_ config: AgentConfig) throws -> ZNodeLayout {
        do throws(ZooKeeperError) {
            let layout = try ZNodeLayout(namespace: config.namespace, scope: config.scope)
            _ = try layout.member(config.name)
            return layout
        } catch {
            throw StartRefused(
                "scope '\(config.scope)', name '\(config.name)': not usable as a ZooKeeper path: \(error)")
        }
    }

    static func installation(_ config: AgentConfig, _ settings: ClusterSettings) throws -> Installation {
        var names: [Installation.Program: String] = [:]
        for (program, name) in settings.postgres.binNames {
            if let program = Installation.Program(rawValue: program) { names[program] = name }
        }
        if let folder = settings.postgres.binDir { return Installation(binDir: FilePath(folder), names: names) }
        return try Installation.find(names: names)
    }
}
