import AdminModel
import HACore
import LibPQ
import Logging
import PostgresControl
import SystemPackage

/// Ways to create a replica, tried in order until one succeeds (contract/patroni.md 4.3).
extension EffectHandlers {
    /// - Parameters:
    ///   - member: whose copy it becomes; nil without a leader, for the methods that need none.
    ///   - isOrdered: an operator gives the data up that are here.
    func createReplica(from member: MemberID?, isOrdered: Bool = false) async throws(EffectFailure) {
        var upstream: Upstream?
        if let member { upstream = try await source(member) }
        let postgres = settings.postgres
        var failure: (any Error)?
        defer { latest.upstream = nil }
        // Who asks for a copy of the leader wants no backup.
        let fromLeader = isOrdered && orders.current?.kind == .reinitialize(fromLeader: true)
        for name in fromLeader ? ["basebackup"] : postgres.createReplicaMethods {
            let method = postgres.replicaMethods.first { $0.name == name }
            guard upstream != nil || method?.noLeader == true, !Task.isCancelled else { continue }
            do {
                let aside =
                    if let method {
                        try await run(method, upstream)
                    } else if let upstream {
                        try await baseBackup(of: upstream, old: isOrdered ? .removeFirst : .keep)
                    } else { FilePath?.none }
                await observer.invalidateDirectory()
                let origin = member.map { " from \($0)" } ?? ""
                logger.notice("replica has been created using \(name)\(origin)")
                if let aside { logger.notice("the old data directory is kept as \(aside)") }
                return
            } catch {
                await observer.invalidateDirectory()
                logger.warning("creating a replica using \(name): \(error)")
                failure = error
            }
        }
        throw EffectFailure(failure.map { "\($0)" } ?? "no way to create a replica is configured")
    }

    private func baseBackup(of upstream: Upstream, old: Cloner.OldDirectory) async throws -> FilePath? {
        try await Cloner(
            installation: server.installation, dataDirectory: server.dataDirectory,
            runner: try server.keeper.client(), output: server.keeper.runtime.toolOutput("pg_basebackup")
        ).clone(
            from: upstream, options: settings.postgres.basebackupOptions.map(ToolOption.init), old: old,
            deadline: .seconds(24 * 3600), pause: .seconds(1)
        ).movedAside
    }

    private func run(_ method: ReplicaMethod, _ upstream: Upstream?) async throws -> FilePath? {
        guard let words = ShellWords.split(method.command) else { throw EffectFailure("not a command line") }
        var arguments = method.extra.map(\.argument)
        if !method.noParams {
            let connection = upstream?.connection().conninfo(includingPassword: false) ?? ""
            arguments += [
                "--scope=\(settings.local.scope)", "--role=replica", "--datadir=\(server.dataDirectory.string)",
                "--connstring=\(connection)",
            ]
        }
        return try await DirectoryCommand(
            dataDirectory: server.dataDirectory, runner: try server.keeper.client(),
            output: server.keeper.runtime.toolOutput("create_replica")
        ).run(
            words + arguments, method.keepData ? .restore : .clone, isReplica: true, source: method.name,
            passfile: upstream?.passfile, deadline: Self.longest)
    }
}
