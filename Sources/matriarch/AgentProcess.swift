import AdminAPI
import Agent
import AsyncHTTPClient
import Glibc
import Logging
import NIOPosix
import ServiceLifecycle
import UnixSignals

/// The agent's process: its log, its parts, its doors, its end.
enum AgentProcess {
    static func run(_ config: AgentConfig, _ loader: ConfigLoader) async throws {
        // Until somebody listens for it, SIGHUP must not end the process.
        signal(SIGHUP, SIG_IGN)
        signal(SIGPIPE, SIG_IGN)
        let log = AgentLog(config.log)
        LoggingSystem.bootstrap { log.handler($0) }
        let logger = Logger(label: "matriarch")
        let threads = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        var client = HTTPClient.Configuration()
        // A peer that refuses is silent now, not after its deadline.
        client.connectionPool.retryConnectionEstablishment = false
        let http = HTTPClient(eventLoopGroupProvider: .shared(threads), configuration: client)
        do {
            let assembly = try await AgentAssembly(
                config: config, loader: loader, runtime: Launch.prepareRuntime(config), keeper: Launch.keeper,
                http: http, log: log, manager: ServiceManager(environment: Launch.environment), logger: logger,
                exit: { code in
                    _ = log.flush(within: .seconds(1))
                    // No exit handlers: the ZooKeeper client's would end the session, and with it a lock.
                    _exit(code)
                })
            let doors = AdminServer(
                board: assembly.board, actions: assembly.actions, config: assembly.restAPI,
                tls: { [tls = assembly.tls] in tls.server }, eventLoopGroup: threads, logger: logger)
            let group = ServiceGroup(
                configuration: ServiceGroupConfiguration(
                    services: [
                        // Nobody could ask a member without its listener; cancelled, the loop would go on as if it had one.
                        .init(
                            service: doors, successTerminationBehavior: .ignore,
                            failureTerminationBehavior: .gracefullyShutdownGroup),
                        .init(
                            service: ReloadOnSignal(reload: assembly.actions.reload),
                            successTerminationBehavior: .ignore),
                        .init(service: assembly.service, successTerminationBehavior: .gracefullyShutdownGroup),
                    ],
                    gracefulShutdownSignals: [.sigterm, .sigint], logger: logger))
            try await group.run()
            logger.info("ended")
        } catch {
            logger.critical("\(error)")
            _ = log.flush(within: .seconds(1))
            _exit(1)
        }
        try? await http.shutdown()
        // Exit handlers of OpenSSL and others free what threads that are just ending still use (ran: signal 11, once in
        // some fifty ends, and the supervisor started the agent again).
        _exit(log.flush(within: .seconds(2)) ? 0 : 5)
    }
}

/// Reads the configuration again at each SIGHUP.
private struct ReloadOnSignal: Service {
    let reload: @Sendable () async -> Void

    func run() async throws {
        for try await _ in await UnixSignalsSequence(trapping: .sighup).cancelOnGracefulShutdown() { await reload() }
    }
}
