import Foundation

/// A real ZooKeeper server on 127.0.0.1, run by Debian's jars as the unprivileged user.
///
/// With `tick` 200 ms, sessions may last from 400 ms to 4 s. Data and ports stay over ``stop()`` and ``start()``.
public final class ZooKeeperServer: Sendable {
    /// What a server of an ensemble needs to know beside its own ports.
    struct Membership: Sendable {
        let number: Int
        let servers: [String]  // the lines server.N=... of all
        let syncLimit: Int
    }

    /// The port for clients.
    public let port: UInt16
    /// "127.0.0.1:PORT".
    public var host: String { "127.0.0.1:\(port)" }
    public let tick: Duration
    private let folder: TemporaryFolder
    private let process = Locked<UnprivilegedProcess?>(nil)

    /// False where Debian's ZooKeeper jars or java are missing: tests are then skipped by that name.
    public static let isInstalled = [jar, java].allSatisfy { FileManager.default.fileExists(atPath: $0) }
    private static let jar = "/usr/share/java/zookeeper.jar"
    private static let java = "/usr/bin/java"

    /// A standalone server that already answers.
    public static func standalone(tick: Duration = .milliseconds(200)) async throws -> ZooKeeperServer {
        let server = try ZooKeeperServer(port: try FreePort.next(), tick: tick, membership: nil)
        try server.launch()
        try await server.ready()
        return server
    }

    init(port: UInt16, tick: Duration, membership: Membership?) throws {
        self.port = port
        self.tick = tick
        folder = try TemporaryFolder("zookeeper")
        let data = try folder.makeFolder("data")
        let ticks = max(1, tick.components.seconds * 1_000 + tick.components.attoseconds / 1_000_000_000_000_000)
        var lines = [
            "tickTime=\(ticks)", "dataDir=\(data)", "clientPort=\(port)", "clientPortAddress=127.0.0.1",
            "maxClientCnxns=0", "admin.enableServer=false", "4lw.commands.whitelist=*",
            "fsync.warningthresholdms=10000",
            "preAllocSize=1024", "snapCount=1000000", "initLimit=50",
        ]
        if let membership {
            lines += membership.servers + ["syncLimit=\(membership.syncLimit)"]
            try folder.write("data/myid", "\(membership.number)\n")
        }
        try folder.write("zoo.cfg", lines.joined(separator: "\n") + "\n")
    }

    /// Starts the process without waiting for its answer.
    public func launch() throws {
        let started = try UnprivilegedProcess.start(
            Self.java,
            [
                "-Xmx128m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto",
                "-Dzookeeper.jmx.log4j.disable=true",
                "-Dzookeeper.forceSync=no", "-cp", "\(Self.jar):/usr/share/java/slf4j-simple.jar",
                "org.apache.zookeeper.server.quorum.QuorumPeerMain", folder.path("zoo.cfg"),
            ], folder: folder.path, output: folder.path("server.log"))
        process.withLock { $0 = started }
    }

    /// Starts the server again with the data it had, and waits until it answers.
    public func start() async throws {
        try launch()
        try await ready()
    }

    /// SIGKILL, and waits for the end.
    public func stop() async throws { try await process.withLock { $0 }?.end() }

    /// SIGSTOP: connections stay open and nothing is answered.
    public func freeze() { process.withLock { $0 }?.freeze() }
    /// SIGCONT.
    public func thaw() { process.withLock { $0 }?.thaw() }

    /// Waits until the server serves clients.
    /// - Throws: `EventuallyTimedOut`; `SupportError` with the end of its log when it has ended.
    public func ready(within deadline: Duration = .seconds(30)) async throws {
        try await eventually("ZooKeeper on port \(port) answers", within: deadline, pace: .milliseconds(20)) {
            guard process.withLock({ $0 })?.isRunning == true else {
                throw SupportError(
                    "ZooKeeper ended: \(folder.read("server.log").map { String($0.suffix(2_000)) } ?? "")")
            }
            return mode != nil
        }
    }

    /// "standalone", "leader" or "follower"; nil while the server does not serve.
    public var mode: String? {
        command("srvr")?.split(separator: "\n").first { $0.hasPrefix("Mode: ") }.map { String($0.dropFirst(6)) }
    }

    /// The answer to a four-letter command, such as `srvr`, `conf`, `cons`; nil when there is none within a second.
    public func command(_ word: String) -> String? {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var second = timeval(tv_sec: 1, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &second, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &second, socklen_t(MemoryLayout<timeval>.size))
        let connected = FreePort.withLoopback(port) { connect(descriptor, $0, $1) } == 0
        guard connected, send(descriptor, word, word.utf8.count, Int32(MSG_NOSIGNAL)) == word.utf8.count else {
            return nil
        }
        var answer: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4_096)
        while true {
            let count = recv(descriptor, &chunk, chunk.count, 0)
            guard count > 0 else { break }
            answer += chunk[..<count]
        }
        return answer.isEmpty ? nil : String(decoding: answer, as: UTF8.self)
    }
}
