internal import AdminModel
internal import Foundation
internal import Glibc
public import LocalConfiguration
internal import PostgresControl
internal import SystemPackage

/// The checks that ask the machine and the network. They block, each for seconds at most: for the command line only.
extension ConfigValidator {
    private static let patience = Duration.seconds(3)

    /// Listeners' names that nobody knows, ports that somebody else uses, and ZooKeeper servers that cannot be reached.
    /// - Parameter environment: tells where a running agent of this configuration has its folder.
    public static func checkNetwork(
        _ config: AgentConfig, ignoresListenPorts: Bool, environment: [String: String], source: String
    ) async -> [ConfigProblem] {
        var problems: [ConfigProblem] = []
        let dataDirectory = FilePath(config.postgresql.dataDir)
        let isSupervised = RuntimeFolder.isSupervised(
            configured: config.matriarch.runtimeDir, dataDirectory: dataDirectory, environment: environment)
        let server = await ServerFiles(dataDirectory: dataDirectory).runningPostmaster()
        let listeners: [(ConfigPath, HostPort, Bool)] = [
            (["restapi", "listen"], config.restAPI.listen, isSupervised),
            (["postgresql", "listen"], config.postgresql.listen, server != nil),
        ]
        for (path, address, isOurs) in listeners {
            let hosts = address.hosts.isEmpty || address.isEveryAddress ? ["127.0.0.1", "::1"] : address.hosts
            func problem(_ message: String) -> ConfigProblem {
                ConfigProblem(
                    .wrongValue, source: source, path: path, value: .string(address.description), message: message)
            }
            for host in hosts {
                switch TCPProbe.ask(host, address.port, within: patience) {
                case .unknownName(let reason): problems.append(problem("\(host): \(reason)"))
                case .takesConnections where !ignoresListenPorts && !isOurs:
                    problems.append(problem("Port \(address.port) is already in use."))
                case .takesConnections, .silent: continue
                }
                break
            }
        }
        for (position, host) in config.zooKeeper.hosts.enumerated() {
            if case .takesConnections = TCPProbe.ask(host.host, host.port, within: patience) { continue }
            problems.append(
                ConfigProblem(
                    .wrongValue, source: source, path: ["zookeeper", "hosts"] + position,
                    value: .string(host.description), message: "\(host) is not reachable"))
        }
        return problems
    }

    /// A data directory that is there must be one of PostgreSQL, and of the version of the programs.
    public static func checkVersion(_ config: AgentConfig, source: String) async -> [ConfigProblem] {
        let folder = config.postgresql.dataDir
        func problem(_ message: String) -> [ConfigProblem] {
            [
                ConfigProblem(
                    .wrongValue, source: source, path: ["postgresql", "data_dir"], value: .string(folder),
                    message: message)
            ]
        }
        let entries = try? FileManager.default.contentsOfDirectory(atPath: folder)
        guard let entries, !entries.isEmpty else { return [] }
        guard let version = (try? ConfigFile.text(of: folder + "/PG_VERSION"))?.filter({ !$0.isWhitespace }) else {
            return problem("doesn't look like a valid data directory")
        }
        guard entries.contains("pg_wal") else {
            return problem("data dir for the cluster is not empty, but doesn't contain \"pg_wal\" directory")
        }
        guard let installation = try? AgentAssembly.installation(config, ClusterSettings(local: config)),
            let major = try? await installation.majorVersion(), "\(major)" != version
        else { return [] }
        return problem(
            "data_dir directory postgresql version (\(version)) doesn't match with 'postgres --version' output (\(major))"
        )
    }

    /// Certificates and keys, and where the log goes.
    public static func checkFiles(_ config: AgentConfig, source: String) -> [ConfigProblem] {
        var problems: [ConfigProblem] = []
        do throws(ConfigError) { _ = try TransportSecurity(config) } catch { problems = error.problems }
        if let dir = config.log.dir, access(dir, W_OK | X_OK) != 0 {
            problems.append(
                ConfigProblem(
                    .wrongValue, source: source, path: ["log", "dir"], value: .string(dir),
                    message: "must be a directory in which files can be made: \(String(cString: strerror(errno)))"))
        }
        return problems
    }
}

/// Whether somebody takes connections at an address.
private enum TCPProbe {
    enum Answer {
        case takesConnections, silent
        /// With the resolver's reason.
        case unknownName(String)
    }

    static func ask(_ host: String, _ port: Int, within patience: Duration) -> Answer {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(host.filter { $0 != "[" && $0 != "]" }, String(port), &hints, &list)
        guard code == 0 else { return .unknownName(String(cString: gai_strerror(code))) }
        defer { freeaddrinfo(list) }
        var next = list
        while let address = next {
            if connects(address.pointee, within: patience) { return .takesConnections }
            next = address.pointee.ai_next
        }
        return .silent
    }

    private static func connects(_ address: addrinfo, within patience: Duration) -> Bool {
        let descriptor = socket(
            address.ai_family, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        if connect(descriptor, address.ai_addr, address.ai_addrlen) == 0 { return true }
        guard errno == EINPROGRESS else { return false }
        var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        guard poll(&waiting, 1, Int32(patience.components.seconds) * 1000) == 1 else { return false }
        var failure: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        return getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &failure, &size) == 0 && failure == 0
    }
}
