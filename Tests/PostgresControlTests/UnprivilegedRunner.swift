import Foundation
import LibPQ
import PostgresControl
import Support
import SystemPackage

/// Runs tools as the unprivileged user, in the keeper's place.
struct UnprivilegedRunner: ToolRunner {
    /// Kills the tool as soon as its output contains this.
    var killWhenPrinted: String?
    /// Kills the tool as soon as this file exists.
    var killWhenMade: String?
    /// Kills the program of this name so long after its start.
    var killAfter: (program: String, delay: Duration)?

    func run(
        arguments: [String], environment: [String: String], output: FilePath, deadline: Duration
    ) async throws -> Int32 {
        let process = try UnprivilegedProcess.start(
            arguments[0], Array(arguments.dropFirst()), environment: environment, output: output.string)
        let start = ContinuousClock.now
        let status = try await eventually("\(arguments[0]) ends", within: deadline, pace: .milliseconds(1)) {
            if let killWhenPrinted, let text = try? String(contentsOfFile: output.string, encoding: .utf8),
                text.contains(killWhenPrinted)
            {
                process.kill()
            }
            if let killWhenMade, FileManager.default.fileExists(atPath: killWhenMade) { process.kill() }
            if let killAfter, arguments[0].hasSuffix(killAfter.program), ContinuousClock.now - start > killAfter.delay {
                process.kill()
            }
            return process.exitStatus
        }
        // As with the keeper, nothing of it is left when its end is told: pg_basebackup's child writes on by itself.
        try await eventually("what it started ends") { kill(-process.pid, SIGKILL) != 0 && errno == ESRCH }
        switch status {
        case .exited(let code): return code << 8
        case .signalled(let signal): return signal
        }
    }
}

extension PostgresInstance {
    var directory: FilePath { FilePath(dataDirectory) }
    var installation: Installation { Installation(binDir: FilePath(binaries)) }
    var config: ServerConfig { ServerConfig(dataDirectory: directory) }
    var inspector: DataDirectoryInspector { DataDirectoryInspector(installation: installation, majorVersion: nil) }
    func path(_ entry: String) -> FilePath { FilePath(folder.path(entry)) }

    /// This server as the one to follow, as superuser, with a passfile in its folder.
    func upstream() async throws -> Upstream {
        let passfile = Passfile(
            path: path("pgpass"),
            entries: [
                .init(
                    host: "127.0.0.1", port: Int(port), user: PostgresInstance.superuser,
                    password: conninfo.password ?? .init(""))
            ])
        try await passfile.write()
        return Upstream(
            host: "127.0.0.1", port: Int(port), user: PostgresInstance.superuser, passfile: passfile.path)
    }

    /// A standby of this server, running, cloned with pg_basebackup.
    func makeStandby(_ name: String) async throws -> PostgresInstance {
        let standby = try await PostgresInstance(name, binaries: binaries, empty: true)
        let cloner = Cloner(
            installation: installation, dataDirectory: standby.directory, runner: UnprivilegedRunner(),
            output: standby.path("basebackup.log"))
        _ = try await cloner.clone(from: upstream(), options: [], deadline: .seconds(60))
        try await standby.startFollowing(self, name)
        return standby
    }

    /// Writes the configuration of a standby of `primary` and starts it.
    func startFollowing(_ primary: PostgresInstance, _ name: String, slot: String? = nil) async throws {
        let layers = ParameterLayers(
            dynamic: ["fsync": "off"], listenAddresses: "127.0.0.1", port: Int(port), clusterName: "test",
            majorVersion: 15)
        var parameters = layers.resolve()
        parameters = parameters.raised(to: try await inspector.controlData(directory))
        let recovery = RecoverySettings(following: try await primary.upstream(), memberName: name, slot: slot)
        _ = try await config.write(parameters, recovery: recovery)
        try await StandbySignal.write(in: directory)
        let command = StartCommand(installation: installation, config: config, parameters: parameters)
        try await start(
            arguments: Array(command.arguments.dropFirst()) + ["-c", "unix_socket_directories="])
    }
}
