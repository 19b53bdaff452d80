import AdminModel
import HACore
import LibPQ
import Logging
import NIOConcurrencyHelpers
import PostgresControl
import SystemPackage

/// A new cluster that a command of the user's makes, such as from a backup (contract/patroni.md 3.2, 4.2).
extension EffectHandlers {
    /// Longer than any restore, so that a command that hangs does not hang for ever.
    static let longest = Duration.seconds(7 * 24 * 3600)

    func runBootstrap(_ method: BootstrapConfig.Method) async throws(EffectFailure) {
        let local = settings.local
        guard let words = ShellWords.split(method.command) else { throw EffectFailure("not a command line") }
        var arguments = method.noParams ? [] : ["--scope=\(local.scope)", "--datadir=\(server.dataDirectory.string)"]
        arguments += method.extra.map(\.argument)
        logger.notice("running the bootstrap method \(method.name)")
        do {
            try await DirectoryCommand(
                dataDirectory: server.dataDirectory, runner: try server.keeper.client(),
                output: server.keeper.runtime.toolOutput("bootstrap")
            ).run(words + arguments, .clone, isReplica: false, source: method.name, deadline: Self.longest)
            if settings.postgres.pgHBA == nil, !local.bootstrap.pgHBA.isEmpty {
                try await server.config.appendHostBasedAccess(local.bootstrap.pgHBA)
            }
            try await server.config.keepForBootstrap()
        } catch {
            await observer.invalidateDirectory()
            throw EffectFailure("\(error)")
        }
        bootstrapped.withLockedValue { $0 = method }
        await observer.invalidateDirectory()
    }

    /// What makes the cluster, until it is made; a recovery that an agent before this one began goes on to its target.
    func unfinishedMethod() async throws(EffectFailure) -> BootstrapConfig.Method? {
        if let method = bootstrapped.withLockedValue({ $0 }) { return method }
        if case .done? = latest.tree?.view.initialize { return nil }
        do throws(PostgresControlError) {
            return try await RecoverySignal.isSet(in: server.dataDirectory) ? settings.local.bootstrap.method : nil
        } catch { throw EffectFailure("\(error)") }
    }

    /// The first start: recovery to the target that the method names, or of what the backup needs to be consistent. The
    /// superuser is let in from here without its password, which the backup need not have.
    func startBootstrapped(by method: BootstrapConfig.Method, epochZxid: Int64) async throws(EffectFailure) {
        let folder = server.dataDirectory
        do {
            let recovers = !method.recoveryConf.isEmpty
            var parameters = await server.parameters(as: .primary).with("hba_file", nil)
            // Recovery that ends by itself need not have the settings that a hot standby has to have.
            if method.keepExistingRecoveryConf || method.endsByItself {
                parameters = parameters.with("hot_standby", "off")
            } else {
                parameters = parameters.raised(to: try await server.inspector.controlData(folder))
            }
            if !method.keepExistingRecoveryConf {
                try await StandbySignal.remove(in: folder)
                try await RecoverySignal.set(recovers, in: folder)
                try await server.config.stripAutoConf()
            }
            let recovery = RecoverySettings(method.recoverySettings)
            _ = try await server.config.write(
                parameters, recovery: recovers ? recovery : nil, hostBasedAccess: openAccess,
                userNameMap: settings.postgres.pgIdent, keepsCopies: false)
            try await server.launch(as: .primary, parameters, epochZxid: epochZxid)
        } catch {
            throw EffectFailure("\(error)")
        }
    }

    /// For the superuser alone, from this server alone.
    private var openAccess: [String] {
        let user = settings.local.postgresql.superuser.username.map { "\"\($0)\"" } ?? "all"
        // Nil and a path alike are the socket's.
        guard let host = server.superuserConnection(applicationName: "")["host"], !host.hasPrefix("/") else {
            return ["local all \(user) trust"]
        }
        let network =
            host.contains(":") ? "\(host)/128" : host.allSatisfy { $0.isNumber || $0 == "." } ? "\(host)/32" : host
        return ["local all \(user) trust", "host all \(user) \(network) trust"]
    }

    /// From here on passwords count, and the files say what they will say.
    func closeAfterBootstrap() async throws(EffectFailure) {
        do {
            try await RecoverySignal.set(false, in: server.dataDirectory)
            if settings.postgres.pgHBA == nil { try await server.config.restoreHostBasedAccess() }
            try await server.writeConfiguration(as: .primary, following: nil, await server.parameters(as: .primary))
            try await server.reload()
        } catch let error as EffectFailure {
            throw error
        } catch {
            throw EffectFailure("\(error)")
        }
        bootstrapped.withLockedValue { $0 = nil }
    }

    /// The user's own last step, with the local superuser's connection.
    func runPostBootstrap(_ line: String) async throws(EffectFailure) {
        let connection = server.superuserConnection(applicationName: "post_bootstrap")
        var environment = ["PGOPTIONS": "-c synchronous_commit=local -c statement_timeout=0"]
        do throws(PostgresControlError) {
            let host = connection["host"].flatMap { $0.hasPrefix("/") ? nil : $0 } ?? "localhost"
            if let port = connection["port"].flatMap({ Int($0) }) {
                try await server.writePassfile(for: host, port: port, settings.local.postgresql.superuser)
                environment["PGPASSFILE"] = server.passfilePath.string
            }
            let code = try await script(
                "post_bootstrap", line, [connection.conninfo(includingPassword: false)], environment: environment,
                deadline: .seconds(24 * 3600))
            guard code == 0 else {
                throw PostgresControlError(.tool, "it ended with exit code \(code)", outcome: .unknown)
            }
        } catch {
            throw EffectFailure("the post_bootstrap script: \(error)")
        }
    }
}

extension BootstrapConfig.Method {
    var recoverySettings: [String: String] {
        var values: [String: String] = [:]
        for setting in recoveryConf where RecoverySettings.names.contains(setting.name.lowercased()) {
            values[setting.name.lowercased()] = setting.value
        }
        return values
    }

    /// The target reached, it becomes a primary without being told.
    var endsByItself: Bool { recoverySettings["recovery_target_action"] == "promote" }
}
