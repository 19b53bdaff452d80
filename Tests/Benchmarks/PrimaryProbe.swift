import Foundation
import Support

/// Asks each node `GET /primary` every few milliseconds, on a connection that is kept where the server keeps it.
final class PrimaryProbe: Sendable {
    /// By node, when each 200 was read.
    private let answers = Locked<[String: [ContinuousClock.Instant]]>([:])
    private let threads: Locked<Int>
    private let isOver = Locked(false)
    private static let pause = Duration.milliseconds(5)

    /// Starts, each node by a thread of its own, and waits until the leader has said 200.
    init(_ nodes: [ClusterNode], leader: ClusterNode) async throws {
        threads = Locked(nodes.count)
        for node in nodes {
            let (name, port) = (node.name, node.restPort)
            Thread.detachNewThread { [self] in ask(name, port) }
        }
        do {
            try await eventually("\(leader.name) says 200 to the probe", within: .seconds(10)) {
                answers.withLock { $0[leader.name] != nil }
            }
        } catch {
            await stop()
            throw error
        }
    }

    func stop() async {
        isOver.withLock { $0 = true }
        // No longer than an answer is waited for.
        try? await eventually("the probes end", within: .seconds(5)) { threads.withLock { $0 == 0 } }
    }

    /// - Throws: `SupportError` when the new primary never said 200.
    func withoutWrites(old: String, _ pause: RowWriter.Pause) throws -> WithoutWrites {
        try WithoutWrites(answers.withLock { $0 }, old: old, pause)
    }

    private func ask(_ name: String, _ port: UInt16) {
        let connection = KeptConnection(port)
        while !isOver.withLock({ $0 }) {
            if connection.status(of: "/primary") == 200 {
                let now = ContinuousClock.now
                answers.withLock { $0[name, default: []].append(now) }
            }
            usleep(UInt32(Self.pause / .microseconds(1)))
        }
        connection.end()
        threads.withLock { $0 -= 1 }
    }
}

/// How long, in one stretch, a node said 200 while it took no writes.
struct WithoutWrites {
    /// The old primary: from its last acknowledgement until its last 200.
    let old: Duration
    /// The new one: from its first 200 until its first acknowledgement.
    let new: Duration

    /// - Parameter answers: by node, when each 200 was read.
    /// - Throws: `SupportError` when the new primary never said 200.
    init(_ answers: [String: [ContinuousClock.Instant]], old: String, _ pause: RowWriter.Pause) throws {
        guard let first = answers[pause.node]?.first else {
            throw SupportError("\(pause.node) takes writes and never said 200 to /primary")
        }
        self.old = max(.zero, pause.last.duration(to: answers[old]?.last ?? pause.last))
        new = max(.zero, first.duration(to: pause.first))
    }
}

/// One HTTP connection to 127.0.0.1, opened again when the server has closed it. For one thread.
private final class KeptConnection {
    private let port: UInt16
    private var descriptor: Int32 = -1
    private var received: [UInt8] = []

    init(_ port: UInt16) { self.port = port }

    func end() {
        if descriptor >= 0 { close(descriptor) }
        descriptor = -1
        received = []
    }

    /// The status of an answer; nil when there was none.
    func status(of target: String) -> Int? {
        guard descriptor >= 0 || open() else { return nil }
        let request = Array("GET \(target) HTTP/1.1\r\nHost: 127.0.0.1:\(port)\r\n\r\n".utf8)
        guard send(descriptor, request, request.count, Int32(MSG_NOSIGNAL)) == request.count, let head = head() else {
            end()
            return nil
        }
        let lines = head.lowercased().split(separator: "\r\n")
        let length = lines.first { $0.hasPrefix("content-length:") }.flatMap { line in
            Int(line.dropFirst("content-length:".count).trimmingCharacters(in: .whitespaces))
        }
        let isKept = lines.first?.hasPrefix("http/1.1 ") == true && !lines.contains("connection: close")
        if isKept, let length, skip(length) {} else { end() }
        return lines.first?.split(separator: " ").dropFirst().first.flatMap { Int($0) }
    }

    /// The status line and the headers.
    private func head() -> String? {
        let end: [UInt8] = [13, 10, 13, 10]
        while true {
            if let range = received.firstRange(of: end) {
                let head = String(decoding: received[..<range.lowerBound], as: UTF8.self)
                received.removeSubrange(..<range.upperBound)
                return head
            }
            guard receive() else { return nil }
        }
    }

    private func skip(_ length: Int) -> Bool {
        while received.count < length { guard receive() else { return false } }
        received.removeFirst(length)
        return true
    }

    private func receive() -> Bool {
        var chunk = [UInt8](repeating: 0, count: 8_192)
        let count = recv(descriptor, &chunk, chunk.count, 0)
        guard count > 0 else { return false }
        received += chunk[..<count]
        return true
    }

    private func open() -> Bool {
        let made = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard made >= 0 else { return false }
        var limit = timeval(tv_sec: 1, tv_usec: 0)
        setsockopt(made, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        let connected = FreePort.withLoopback(port) { connect(made, $0, $1) } == 0
        guard connected else {
            close(made)
            return false
        }
        descriptor = made
        return true
    }
}
