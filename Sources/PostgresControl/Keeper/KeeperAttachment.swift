import Foundation
import Logging
import Subprocess
import SystemPackage

/// How a client comes to its connection: connect, start a keeper if none listens, say hello.
struct KeeperAttachment {
    let runtime: RuntimeFolder
    let binary: FilePath
    let dataDirectory: FilePath
    let member: String
    let logger: Logger

    func run(deadline: Duration) async throws(KeeperError) -> KeeperClient {
        let end = ContinuousClock.now + deadline
        while true {
            let descriptor = try await reach(until: end)
            let listener = Self.listener(descriptor)
            let connection = KeeperConnection(descriptor: descriptor, logger: logger)
            do throws(KeeperError) {
                try await expectAnswer(connection, from: listener)
                let fields = try await connection.request("attach", [member], deadline: max(.zero, end - .now))
                guard let pid = fields.first.flatMap({ Int32($0) }) else {
                    throw KeeperError(.garbled, outcome: .unknown, "the keeper did not name its pid")
                }
                return KeeperClient(keeperPID: pid, connection: connection)
            } catch {
                connection.close()
                // A keeper that has nothing left to keep may end just as we come: start the next one.
                guard error.code == .closed, ContinuousClock.now < end, (try? await pause()) != nil else { throw error }
            }
        }
    }

    /// A keeper that does not answer enforces nothing and confirms nobody: it is killed, and so is PostgreSQL (rulings,
    /// Lock 9).
    private func expectAnswer(_ connection: KeeperConnection, from listener: Int32?) async throws(KeeperError) {
        guard let silence = try await connection.silence(of: listener ?? 0, pings: 2) else { return }
        guard let listener else {
            throw KeeperError(.timedOut, outcome: .didNotHappen, "the keeper does not answer, and its pid is not known")
        }
        guard silence == .isItsOwn else {
            throw KeeperError(.timedOut, outcome: .didNotHappen, "the keeper does not answer: \(silence)")
        }
        logger.critical("the keeper does not answer, killing it", metadata: ["pid": "\(listener)"])
        kill(listener, SIGKILL)
        throw KeeperError(.closed, outcome: .didNotHappen, "the keeper did not answer and was killed")
    }

    /// The process at the other end: it lives as long as its socket accepts.
    private static func listener(_ descriptor: Int32) -> Int32? {
        // struct ucred: pid, uid, gid.
        var user: (pid: Int32, UInt32, UInt32) = (0, 0, 0)
        var size = socklen_t(MemoryLayout.size(ofValue: user))
        guard getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &user, &size) == 0, user.pid > 0 else { return nil }
        return user.pid
    }

    private func reach(until end: ContinuousClock.Instant) async throws(KeeperError) -> Int32 {
        while true {
            if let descriptor = try connect() { return descriptor }
            guard ContinuousClock.now < end else {
                throw KeeperError(.timedOut, outcome: .didNotHappen, "no keeper listens at \(runtime.keeperSocket)")
            }
            if try runtime.restore() {
                logger.error("\(runtime.path) was removed while its member runs: made again, without its locks")
            }
            try await startKeeper()
            if let descriptor = try connect() { return descriptor }
            try await pause()
        }
    }

    private func pause() async throws(KeeperError) {
        do { try await Task.sleep(for: .milliseconds(10)) } catch {
            throw KeeperError(.cancelled, outcome: .didNotHappen, "attaching was given up")
        }
    }

    /// nil when nobody listens.
    private func connect() throws(KeeperError) -> Int32? {
        let descriptor = socket(
            AF_UNIX, Int32(SOCK_SEQPACKET.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        guard descriptor >= 0 else {
            throw KeeperError(.unreachable, outcome: .didNotHappen, "socket: \(String(cString: strerror(errno)))")
        }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let path = Array(runtime.keeperSocket.string.utf8)
        guard path.count <= RuntimeFolder.longestSocketPath else {
            _ = Glibc.close(descriptor)
            throw KeeperError(
                .runtimeFolder, outcome: .didNotHappen,
                "\(runtime.keeperSocket) is longer than \(RuntimeFolder.longestSocketPath) bytes")
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path) }
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        if result == 0 { return descriptor }
        let failure = errno
        _ = Glibc.close(descriptor)
        if failure == ENOENT || failure == ECONNREFUSED || failure == EAGAIN { return nil }
        throw KeeperError(
            .unreachable, outcome: .didNotHappen, "\(runtime.keeperSocket): \(String(cString: strerror(failure)))")
    }

    /// The keeper forks into a session of its own; this returns when it listens. PostgreSQL inherits our stderr.
    private func startKeeper() async throws(KeeperError) {
        let arguments = ["start", "--runtime", runtime.path.string, "--data", dataDirectory.string]
        do {
            let result = try await Subprocess.run(
                .path(binary), arguments: Arguments(arguments), environment: .custom([:]),
                output: .string(limit: 4096), error: .fileDescriptor(.standardError, closeAfterSpawningProcess: false))
            guard case .exited(0) = result.terminationStatus else {
                let said = result.standardOutput.trimmingCharacters(in: .whitespacesAndNewlines)
                throw KeeperError(
                    .unreachable, outcome: .didNotHappen, "\(binary) start: \(result.terminationStatus): \(said)")
            }
        } catch let error as KeeperError {
            throw error
        } catch {
            throw KeeperError(.unreachable, outcome: .didNotHappen, "\(binary) start: \(error)")
        }
    }
}
