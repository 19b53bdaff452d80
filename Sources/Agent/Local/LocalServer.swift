import AdminModel
internal import LocalConfiguration
import CPlatform
import Glibc
import HACore
import LibPQ
import Logging
import NIOConcurrencyHelpers
import PostgresControl
import SystemPackage

/// The one PostgreSQL of this agent: its programs, its directory, its configuration files, and the ways to run it.
///
/// Only the keeper starts, promotes and fences it (design/keeper.md).
struct LocalServer: Sendable {
    let installation: Installation
    let majorVersion: Int
    let config: ServerConfig
    let settings: ClusterSettings
    let keeper: KeeperLink
    let check: ParameterCheck
    let me: MemberID
    let callbacks: Callbacks
    let gates: MeshGates
    let logger: Logger
    /// Whom commits wait for; written with the other parameters.
    let synchronous = NIOLockedValueBox(SynchronousNames.unmanaged)
    private let lastUpstreams = NIOLockedValueBox<[Upstream]>([])
    private let lastWarnings = NIOLockedValueBox<[String]>([])

    var dataDirectory: FilePath { config.dataDirectory }
    var layout: DataDirectoryLayout { DataDirectoryLayout(dataDirectory) }
    var inspector: DataDirectoryInspector {
        DataDirectoryInspector(installation: installation, majorVersion: majorVersion)
    }

    // MARK: How others are reached

    var passfilePath: FilePath { FilePath(settings.local.postgresql.pgpass) }

    /// The member as a source of WAL; nil when its record names no address.
    func upstream(_ record: MemberRecord, as account: LocalPostgresConfig.Account? = nil) -> Upstream? {
        guard let url = record.connURL, let address = ConnectionURL(url) else { return nil }
        let account = account ?? settings.local.postgresql.replication
        var options: [String: String] = [:]
        for option in account.options { options[option.name] = option.value }
        if let secret = account.sslPassword { options["sslpassword"] = secret.reveal() }
        if let name = settings.postgres.krbsrvname { options["krbsrvname"] = name }
        return Upstream(
            host: address.host, port: address.port, user: account.username ?? "postgres",
            passfile: account.password == nil ? nil : passfilePath, database: settings.postgres.database,
            options: options)
    }

    /// Writes the passwords for `upstream` where libpq and PostgreSQL find them. Those for the last few others stay: a
    /// standby may stream from one member while the agent asks another.
    func writePassfile(for upstream: Upstream) async throws(PostgresControlError) {
        let local = settings.local.postgresql
        let upstreams = lastUpstreams.withLockedValue { last in
            last = [upstream] + last.filter { $0.host != upstream.host || $0.port != upstream.port }.prefix(7)
            return last
        }
        var entries: [Passfile.Entry] = []
        for upstream in upstreams {
            var users: Set<String> = []
            for account in [local.replication, local.rewind ?? local.superuser] {
                guard let user = account.username, let password = account.password, users.insert(user).inserted else {
                    continue
                }
                entries.append(
                    Passfile.Entry(host: upstream.host, port: upstream.port, user: user, password: password))
            }
        }
        guard !entries.isEmpty else { return }
        try await Passfile(path: passfilePath, entries: entries).write()
    }

    /// Writes the password of one account, for a command that connects to the local server.
    func writePassfile(
        for host: String, port: Int, _ account: LocalPostgresConfig.Account
    ) async throws(PostgresControlError) {
        guard let password = account.password else { return }
        // libpq looks for `localhost` when it connects through the default socket.
        let entries = [host, "localhost"].map {
            Passfile.Entry(host: $0, port: port, user: account.username ?? "postgres", password: password)
        }
        try await Passfile(path: passfilePath, entries: entries).write()
    }

    /// A connection to the local server as the superuser, by its first local address, or by its socket when the
    /// configuration says `use_unix_socket`.
    func superuserConnection(applicationName: String) -> ConnectionInfo {
        let local = settings.local.postgresql
        let account = local.superuser
        var info = ConnectionInfo([
            ("port", String(local.listen.port)), ("dbname", settings.postgres.database),
            ("user", account.username ?? "postgres"), ("application_name", applicationName),
        ])
        info["host"] = settings.postgres.useUnixSocket ? socketFolder : localAddress
        info["krbsrvname"] = settings.postgres.krbsrvname
        for option in account.options { info[option.name] = option.value }
        if let password = account.password { info.password = password }
        return info
    }

    /// How workers of a mesh reach this server itself: the stanza of its own node.
    var meshAddress: [ServiceStanza.Setting] {
        let info = superuserConnection(applicationName: "")
        let connection = settings.mesh?.connection
        let values = [
            ("host", info["host"]), ("port", info["port"]), ("user", connection?.user),
            ("passfile", connection?.passfile),
        ]
        return values.compactMap { name, value in value.map { ServiceStanza.Setting(name, $0) } }
    }

    private var localAddress: String {
        let first = settings.local.postgresql.listen.hosts.first ?? "*"
        return ["*", "0.0.0.0", "::"].contains(first) ? "127.0.0.1" : first
    }

    /// The first absolute path that PostgreSQL is told; nil: its own default, which is libpq's.
    private var socketFolder: String? {
        settings.postgres.parameters.last { $0.name.lowercased() == "unix_socket_directories" }
            .flatMap { ServerParameters.socketFolders($0.value).first }
    }

    // MARK: Configuration files

    /// The parameters in force for this server: without what it would refuse to start with.
    /// - Parameter role: that it has, or is to have.
    func parameters(as role: StartRole) async -> ServerParameters {
        let (wanted, refused) = await judged(role)
        guard !refused.isEmpty else { return wanted }
        // Of the cluster's document the last accepted value stays in force; of the local file there is none.
        for rejection in settings.refuse(refused, of: wanted.values) {
            logger.warning("dynamic configuration: \(rejection); the last accepted value stays in force")
        }
        let (left, refusedStill) = await judged(role)
        return left.leavingOut(refusedStill)
    }

    /// The parameters that are wanted, and why PostgreSQL would not take some of the user's. The agent's own are not
    /// judged: whom commits wait for changes in the middle of a failover, which is no time to run a program.
    private func judged(_ role: StartRole) async -> (ServerParameters, refused: [String: String]) {
        let layers = await layers(role)
        let parameters = layers.resolve()
        let own = layers.ownNames
        return (parameters, await check.refused(parameters.values.filter { !own.contains($0.key) }))
    }

    private func layers(_ role: StartRole) async -> ParameterLayers {
        let dynamic = settings.dynamic
        let listen = settings.local.postgresql.listen
        func map(_ parameters: [PostgresParameter]) -> [String: String] {
            Dictionary(parameters.map { ($0.name, $0.value) }, uniquingKeysWith: { $1 })
        }
        let (shared, own) = (map(dynamic.postgresql.dynamicParameters), map(dynamic.postgresql.localParameters))
        return ParameterLayers(
            dynamic: shared, local: own,
            listenAddresses: listen.host.isEmpty ? "*" : listen.host, port: listen.port,
            clusterName: settings.local.scope,
            synchronousStandbyNames: synchronous.withLockedValue { $0 }.setting,
            mesh: settings.mesh.map { gates.parameters($0, as: role) }, majorVersion: majorVersion,
            known: await check.known(including: Set(shared.keys).union(own.keys)))
    }

    /// Writes what differs.
    /// - Parameters:
    ///   - following: whom a standby follows; nil for nobody.
    ///   - role: a primary has no recovery block.
    /// - Returns: true when something was written, so that a running server has to reload.
    @discardableResult
    func writeConfiguration(
        as role: StartRole, following upstream: Upstream?, _ parameters: ServerParameters
    ) async throws(PostgresControlError) -> Bool {
        let postgres = settings.postgres
        // A standby may be promoted at any time: the gate of clients is shut before.
        if role == .standby, settings.mesh != nil { gates.shutClients() }
        var recovery: RecoverySettings?
        if role == .standby {
            if let upstream { try await writePassfile(for: upstream) }
            recovery = RecoverySettings(
                following: upstream, memberName: me.rawValue,
                slot: settings.dynamic.values.useSlots && upstream != nil ? me.slotName : nil,
                configured: Dictionary(postgres.recoveryConf.map { ($0.name, $0.value) }, uniquingKeysWith: { $1 }),
                parameters: parameters.recovery)
        }
        warn(parameters.warnings)
        let written = try await config.write(
            parameters, recovery: recovery, hostBasedAccess: postgres.pgHBA, userNameMap: postgres.pgIdent)
        // ALTER SYSTEM would open the gate past the file.
        try await config.stripAutoConf(also: settings.mesh == nil ? [] : ["default_transaction_read_only"])
        return !written.isEmpty
    }

    /// Each once, until it changes: the files are written often in a failover.
    private func warn(_ warnings: [String]) {
        let known = lastWarnings.withLockedValue { last in
            defer { last = warnings }
            return last
        }
        for warning in warnings where !known.contains(warning) { logger.warning("\(warning)") }
    }

    // MARK: Running it

    /// Starts the server through the keeper; as a primary only while armed, which the keeper checks itself.
    func start(
        as role: StartRole, following upstream: Upstream?, epochZxid: Int64
    ) async throws(EffectFailure) {
        do {
            var parameters = await parameters(as: role)
            if role == .standby {
                if let mesh = settings.mesh { try await gates.shutAll([], mesh, local: meshAddress) }
                parameters = parameters.raised(to: try await inspector.controlData(dataDirectory))
                try await StandbySignal.write(in: dataDirectory)
            } else {
                try await StandbySignal.remove(in: dataDirectory)
            }
            try await writeConfiguration(as: role, following: upstream, parameters)
            try await launch(as: role, parameters, epochZxid: epochZxid)
            if role == .standby { try await keeper.client().kick(for: .seconds(1)) }
        } catch {
            throw EffectFailure("\(error)")
        }
    }

    /// Has the keeper start it with what the files say now.
    func launch(as role: StartRole, _ parameters: ServerParameters, epochZxid: Int64) async throws {
        let mesh = settings.mesh.flatMap { $0.connection.mode == .service ? $0 : nil }
        let command = StartCommand(
            installation: installation, config: config, parameters: parameters,
            serviceFile: mesh.map { gates.file($0) }, passfile: mesh?.connection.passfile.map { FilePath($0) })
        let gate = mesh.flatMap { mesh in
            mesh.applyGate == .service
                ? KeeperGate(serviceFile: gates.file(mesh), localService: MeshSettings.service(of: mesh.node)) : nil
        }
        await clearLocks(parameters)
        let pid = try await keeper.client().start(
            as: role, epochZxid: epochZxid, dataDirectory: dataDirectory, arguments: command.arguments,
            environment: command.environment, gate: gate)
        logger.info("PostgreSQL started as \(role.rawValue)", metadata: ["pid": "\(pid)"])
    }

    /// Removes the lock files of a crashed server, which would keep the next one from starting.
    func clearLocks(_ parameters: ServerParameters) async {
        guard await keeper.status()?.isEmpty == true else { return }
        let locks = LockFiles(dataDirectory: dataDirectory, port: settings.local.postgresql.listen.port)
        let sockets = parameters.values["unix_socket_directories"]
        for removed in await locks.clear(sockets: sockets) { logger.notice("\(removed)") }
    }

    /// Stops the server: fast, then at once, each with its deadline; returns when nothing of it is left.
    func stop(fastFor patience: Duration) async throws(EffectFailure) {
        do {
            let client = try keeper.client()
            guard let status = await keeper.status() else { throw EffectFailure("the keeper does not answer") }
            if status.isEmpty { return }
            try? await client.stop(.fast)
            if await isEmpty(within: patience) { return }
            logger.warning("PostgreSQL did not stop within \(patience), stopping it immediately")
            try? await client.stop(.immediate)
            if await isEmpty(within: .seconds(5)) { return }
            client.fence()
            if await isEmpty(within: .seconds(5)) { return }
            throw EffectFailure("PostgreSQL does not end")
        } catch let error as EffectFailure {
            throw error
        } catch {
            throw EffectFailure("\(error)")
        }
    }

    /// Asks for a fast stop and does not wait for its end. From here on this server takes no writes.
    func beginStop() async throws(EffectFailure) {
        do { try await keeper.client().stop(.fast) } catch { throw EffectFailure("\(error)") }
        _ = await keeper.status()
    }

    func stopAtOnce() async throws(EffectFailure) {
        do { try await keeper.client().stop(.immediate) } catch { throw EffectFailure("\(error)") }
    }

    private func isEmpty(within patience: Duration) async -> Bool {
        let until = Instant.now + patience
        repeat {
            if await keeper.status()?.isEmpty == true { return true }
            try? await Task.sleep(for: .milliseconds(10), clock: .continuous)
        } while Instant.now < until && !Task.isCancelled
        return false
    }

    /// Makes a running server read its configuration again; without SQL, which may not be had.
    func reload() async throws(EffectFailure) {
        guard let pid = await keeper.status()?.postmasterPID else { throw EffectFailure("PostgreSQL does not run") }
        let descriptor = matriarch_pidfd_open(pid)
        guard descriptor >= 0 else { throw EffectFailure("PostgreSQL has ended") }
        defer { close(descriptor) }
        guard matriarch_pidfd_send_signal(descriptor, SIGHUP) == 0 else { throw EffectFailure("PostgreSQL has ended") }
        callbacks.reloaded()
    }
}

/// The address in a member's `conn_url`, `postgres://host:port/database`.
struct ConnectionURL: Hashable, Sendable {
    let host: String
    let port: Int

    init?(_ url: String) {
        guard let scheme = url.firstRange(of: "://") else { return nil }
        let authority = url[scheme.upperBound...].prefix { $0 != "/" && $0 != "?" }
        let address = authority.split(separator: "@").last ?? authority
        guard let parsed = HostPort(String(address), defaultPort: 5432), !parsed.host.isEmpty else { return nil }
        host = parsed.host
        port = parsed.port
    }
}
