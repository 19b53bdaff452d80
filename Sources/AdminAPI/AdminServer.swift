import AdminModel
public import Agent
internal import LocalConfiguration
import Glibc
import Hummingbird
import HummingbirdCore
public import Logging
public import NIOCore
public import NIOSSL
public import ServiceLifecycle

/// The REST API: health checks, the member's status, the cluster (contract/patroni.md 2).
///
/// It answers from what the loop last posted and never waits for the loop. HTTP is 1.1 with keep-alive.
public struct AdminServer: Service {
    private let responder: AdminResponder
    private let listen: HostPort
    private let eventLoopGroup: any EventLoopGroup
    private let tls: @Sendable () -> NIOSSLContext?
    private let logger: Logger
    private let limits: ConnectionLimits
    private let book: ConnectionBook
    private let onListening: @Sendable (_ port: Int) async -> Void

    /// - Parameters:
    ///   - board: where the loop puts what it knows.
    ///   - actions: what the endpoints that change something may do.
    ///   - config: `restapi`, as it holds at the moment of asking; only the address of the listener is that of now.
    ///     Several hosts separated by commas share the port; none or `*` means all addresses.
    ///   - tls: for a connection that begins; nil: it is not encrypted.
    ///   - eventLoopGroup: one thread is enough; may be shared, and is not shut down here.
    public init(
        board: StatusBoard, actions: ClusterActions, config: @escaping @Sendable () -> RestAPIConfig,
        tls: @escaping @Sendable () -> NIOSSLContext?, eventLoopGroup: any EventLoopGroup, logger: Logger
    ) {
        self.init(
            responder: AdminResponder(
                board: board, actions: actions, access: AccessRules(config), headers: CommonHeaders(config),
                logger: logger),
            listen: config().listen, tls: tls,
            eventLoopGroup: eventLoopGroup, logger: logger, limits: ConnectionLimits(), onListening: { _ in })
    }

    init(
        responder: AdminResponder, listen: HostPort, tls: @escaping @Sendable () -> NIOSSLContext? = { nil },
        eventLoopGroup: any EventLoopGroup, logger: Logger,
        limits: ConnectionLimits,
        onListening: @escaping @Sendable (_ port: Int) async -> Void
    ) {
        self.responder = responder
        self.listen = listen
        self.tls = tls
        self.eventLoopGroup = eventLoopGroup
        self.logger = logger
        self.limits = limits
        book = ConnectionBook(limit: limits.connections)
        self.onListening = onListening
    }

    /// Serves until the task is cancelled or a graceful shutdown begins; requests in progress are answered then.
    ///
    /// - Throws: `AdminServerError` when an address cannot be listened on; then none is.
    public func run() async throws {
        let hosts = addresses
        try await withThrowingTaskGroup(of: Void.self) { group in
            for host in hosts {
                group.addTask { try await self.serve(host) }
            }
            try await group.waitForAll()
        }
    }

    /// Nil: all addresses of this machine.
    private var addresses: [String?] {
        let hosts = listen.hosts.map { host in host.trimmingBrackets }
        return hosts.isEmpty || hosts.contains { $0.isEmpty || $0 == "*" } ? [nil] : hosts
    }

    private func serve(_ host: String?) async throws {
        guard let host else {
            do {
                try await server("::").run()
            } catch let error as IOError where [EAFNOSUPPORT, EADDRNOTAVAIL].contains(error.errnoCode) {
                // No IPv6 on this machine.
                try await serve("0.0.0.0")
            } catch {
                throw refusal("*", error)
            }
            return
        }
        do { try await server(host).run() } catch { throw refusal(host, error) }
    }

    private func server(_ host: String) -> Server<AdminChannel> {
        let responder = responder
        let logger = logger
        let channel = AdminChannel(limits: limits, book: book, tls: tls) { request, writer, channel in
            let response = await responder.respond(to: request, from: Client(channel))
            logger.debug("\(request.method) \(request.head.path ?? "") \(response.status.code)")
            try await writer.write(response: response.head, body: response.body)
        }
        // Hummingbird speaks of each listener and client by itself; what matters is said here.
        var quiet = logger
        quiet.logLevel = max(logger.logLevel, .warning)
        return Server(
            childChannelSetup: channel,
            configuration: ServerConfiguration(
                address: .hostname(host, port: listen.port)),
            onServerRunning: { [onListening, listen] channel in
                let port = channel.localAddress?.port ?? listen.port
                logger.info("REST API listens on \(HostPort(host: host, port: port))")
                await onListening(port)
            },
            eventLoopGroup: eventLoopGroup, logger: quiet)
    }

    private func refusal(_ host: String, _ error: any Error) -> any Error {
        if error is CancellationError || error is AdminServerError { return error }
        let code = (error as? IOError)?.errnoCode
        let reason = code.map { String(cString: strerror($0)) } ?? "\(error)"
        let cure = code == EADDRINUSE ? ": end what listens there (ss -ltnp shows it), or choose another port" : ""
        return AdminServerError(
            .cannotListen, "restapi.listen: cannot listen on port \(listen.port) of \(host): \(reason)\(cure)")
    }
}

extension String {
    /// One of several hosts may be an IPv6 address in brackets.
    fileprivate var trimmingBrackets: String {
        let text = split(whereSeparator: \.isWhitespace).joined()
        return text.hasPrefix("[") && text.hasSuffix("]") ? String(text.dropFirst().dropLast()) : text
    }
}
