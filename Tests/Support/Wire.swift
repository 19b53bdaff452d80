import Foundation

/// A TCP connection between two programs on this machine that can be cut without either noticing: no reset, no end,
/// only silence. What a dropped network does, and what stopping a process does not.
///
/// Threads and blocking calls; it ends with the test process.
public final class Wire: Sendable {
    /// Connect here instead of to the target.
    public let port: UInt16
    private let target: UInt16
    private let listener: Int32
    private let isCut = Locked(false)
    private let accepted = Locked(0)
    private let ends = Locked<[Int32]>([])

    /// A wire to a port of 127.0.0.1, which need not listen yet.
    public init(to target: UInt16) throws {
        self.target = target
        port = try FreePort.next()
        listener = try FreePort.occupy(port)
        Thread { [self] in
            while true {
                let near = accept(listener, nil, nil)
                guard near >= 0 else {
                    usleep(1_000)
                    continue
                }
                accepted.withLock { $0 += 1 }
                connectThrough(near)
            }
        }.start()
    }

    /// How many were made to it so far.
    public var connections: Int { accepted.withLock { $0 } }

    /// From now on nothing passes; what is sent is swallowed, and new connections get no answer.
    public func cut() { isCut.withLock { $0 = true } }

    /// Things pass again, on new connections: the old ones have lost bytes and are ended.
    public func mend() {
        isCut.withLock { $0 = false }
        ends.withLock { $0.forEach { shutdown($0, Int32(SHUT_RDWR)) } }
    }

    private func connectThrough(_ near: Int32) {
        let far = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard FreePort.withLoopback(target, { connect(far, $0, $1) }) == 0 else {
            close(far)
            close(near)
            return
        }
        // Small packets are to pass at once: with Nagle's algorithm each round trip would take 40 ms more.
        var yes: Int32 = 1
        for end in [near, far] {
            setsockopt(end, Int32(IPPROTO_TCP), TCP_NODELAY, &yes, socklen_t(MemoryLayout<Int32>.size))
        }
        ends.withLock { $0 += [near, far] }
        let left = Locked(2)
        for (from, to) in [(near, far), (far, near)] {
            Thread { [self] in
                pump(from, to)
                guard
                    left.withLock({
                        $0 -= 1
                        return $0 == 0
                    })
                else { return }
                ends.withLock { $0.removeAll { $0 == near || $0 == far } }
                close(near)
                close(far)
            }.start()
        }
    }

    private func pump(_ from: Int32, _ to: Int32) {
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = recv(from, &chunk, chunk.count, 0)
            guard count > 0 else { break }
            if isCut.withLock({ $0 }) { continue }
            var sent = 0
            while sent < count {
                let more = chunk.withUnsafeBytes { send(to, $0.baseAddress! + sent, count - sent, Int32(MSG_NOSIGNAL)) }
                guard more > 0 else { break }
                sent += more
            }
            if sent < count { break }
        }
        if !isCut.withLock({ $0 }) { shutdown(to, Int32(SHUT_RDWR)) }
    }
}
