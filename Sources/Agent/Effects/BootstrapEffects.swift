import AdminModel
import HACore
import LibPQ
import LocalConfiguration
import Logging
import NIOConcurrencyHelpers
import PostgresControl

extension EffectHandlers {
    /// The steps that make a new cluster, and what a leader keeps true of it afterwards.
    func bootstrap(_ effect: Effect) async throws(EffectFailure) {
        switch effect {
        case .raceInitialize:
            try await lock.raceInitialize(abandoned: latest.tree?.view.initialize == .abandoned)
        case .initdb:
            if let method = settings.local.bootstrap.method {
                try await runBootstrap(method)
            } else {
                try await initdb()
            }
        case .finishBootstrap(let term): try await finish(term)
        case .cancelBootstrap:
            bootstrapped.withLockedValue { $0 = nil }
            isPopulated.withLockedValue { $0 = false }
            do {
                if let path = try await server.layout.moveAside("failed") {
                    logger.warning("what the failed bootstrap made is now \(path)")
                }
            } catch { throw EffectFailure("\(error)") }
            await observer.invalidateDirectory()
            try await lock.withdrawInitialize()
        case .claimInitialize(let identifier):
            try await lock.write(lock.layout.initialize, Array(identifier.rawValue.utf8), as: nil)
        case .writeConfig(let term): try await writeConfig(term)
        default: break
        }
    }

    private func initdb() async throws(EffectFailure) {
        let local = settings.local
        let superuser = local.postgresql.superuser
        do {
            let client = try server.keeper.client()
            let bootstrapper = Bootstrapper(
                installation: server.installation, dataDirectory: server.dataDirectory, runner: client,
                output: server.keeper.runtime.toolOutput("initdb"))
            try await bootstrapper.initdb(
                options: local.bootstrap.initdbOptions.map(ToolOption.init), superuser: superuser.username,
                password: superuser.password, deadline: .seconds(600))
            // Before its first start: a new cluster listens to whom the configuration says, and to nobody else.
            let lines = local.bootstrap.pgHBA
            if settings.postgres.pgHBA == nil, !lines.isEmpty {
                try await server.config.appendHostBasedAccess(lines)
            }
        } catch {
            throw EffectFailure("\(error)")
        }
        await observer.invalidateDirectory()
    }

    /// - Throws: a known failure when the cluster cannot become one; an unknown one when only the tree has to be written
    ///   yet: no backup is to be restored anew because ZooKeeper did not answer in time.
    private func finish(_ term: Term) async throws(EffectFailure) {
        if !isPopulated.withLockedValue({ $0 }) { try await populate() }
        isPopulated.withLockedValue { $0 = true }
        await observer.invalidateDirectory()
        guard case .ready(let control) = await server.inspector.inspect(server.dataDirectory) else {
            throw EffectFailure("the new data directory cannot be read")
        }
        do throws(EffectFailure) {
            try await lock.write(lock.layout.initialize, Array(control.systemIdentifier.rawValue.utf8), as: term)
            try await writeConfig(term)
        } catch {
            throw EffectFailure(error.description, isUnknown: true)
        }
        isPopulated.withLockedValue { $0 = false }
        logger.notice("initialized a new cluster", metadata: ["system_identifier": "\(control.systemIdentifier)"])
    }

    /// Users, the user's own script, and the files as they are to last.
    private func populate() async throws(EffectFailure) {
        let local = settings.local.postgresql
        let bootstrap = settings.local.bootstrap
        func user(_ account: LocalPostgresConfig.Account?) -> DatabaseUsers.User? {
            guard let account, let name = account.username else { return nil }
            return DatabaseUsers.User(name: name, password: account.password)
        }
        let superuser = local.superuser.password == nil ? nil : user(local.superuser)
        try await create(DatabaseUsers(superuser: superuser, replication: nil, rewind: nil))
        if let line = bootstrap.postBootstrap { try await runPostBootstrap(line) }
        let isSuperuser = local.rewind?.username == local.superuser.username
        try await create(
            DatabaseUsers(
                superuser: nil, replication: user(local.replication), rewind: isSuperuser ? nil : user(local.rewind)))
        // Also after a restart of the agent, which does not remember that the server is open.
        if bootstrap.method != nil { try await closeAfterBootstrap() }
    }

    private func create(_ users: DatabaseUsers) async throws(EffectFailure) {
        do {
            try await PostgresConnection.use(
                server.superuserConnection(applicationName: "Matriarch bootstrap"), deadline: .seconds(5)
            ) { connection throws(PostgresError) in
                try await users.create(on: connection, deadline: .seconds(30))
            }
        } catch {
            throw EffectFailure("creating the users: \(error)")
        }
    }

    private func writeConfig(_ term: Term) async throws(EffectFailure) {
        guard latest.tree?.config == nil else { return }
        try await lock.write(lock.layout.config, (settings.local.bootstrap.dcs ?? [:]).znode, as: term)
    }
}

extension ToolOption {
    init(_ option: CommandOption) {
        self = option.value.map { .value(option.name, $0) } ?? .flag(option.name)
    }
}
