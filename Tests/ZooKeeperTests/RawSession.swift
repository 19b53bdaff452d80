import Foundation
import Support
import ZooKeeper

/// A session spoken by hand, for what the C library never does: leave without closing, close what has moved.
///
/// Blocking, with a second as the limit of each step; for the tests' own servers only.
final class RawSession {
    private var descriptor: Int32
    private(set) var session: Int64 = 0
    private(set) var password: [UInt8] = Array(repeating: 0, count: 16)
    private(set) var timeout: Duration = .zero
    private var lastRequest: Int32 = 0

    /// Opens a session, or takes one up. After a refusal its number is 0.
    init(port: UInt16, timeout: Duration, resuming: RawSession? = nil) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var second = timeval(tv_sec: 1, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &second, socklen_t(MemoryLayout<timeval>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr = in_addr(s_addr: UInt32(0x7f00_0001).bigEndian)
        let connected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        guard connected else { throw SupportError("no connection to port \(port)") }
        var request = Packet()
        request.add(Int32(0))  // protocol
        request.add(Int64(0))  // last zxid seen
        request.add(Int32(timeout / .milliseconds(1)))
        request.add(resuming?.session ?? 0)
        request.add(resuming?.password ?? password)
        request.bytes.append(0)  // not read-only
        var answer = try exchange(request)
        _ = answer.int32()
        self.timeout = .milliseconds(Int64(answer.int32()))
        session = answer.int64()
        password = answer.buffer()
    }

    deinit { leave() }

    /// Closes the socket and says nothing: the session lives until its timeout.
    func leave() {
        if descriptor >= 0 { close(descriptor) }
        descriptor = -1
    }

    /// Creates an ephemeral znode; the server's code.
    func createEphemeral(_ path: ZNodePath) throws -> Int32 {
        var body = Packet()
        body.add(Array(path.description.utf8))
        body.add([])
        body.add(Int32(1))
        body.add(Int32(31))
        body.add(Array("world".utf8))
        body.add(Array("anyone".utf8))
        body.add(Int32(1))
        return try request(1, body)
    }

    /// Asks whether a znode exists; the server's code. The cheapest of reads.
    func exists(_ path: ZNodePath) throws -> Int32 {
        var body = Packet()
        body.add(Array(path.description.utf8))
        body.bytes.append(0)
        return try request(3, body)
    }

    /// Asks the server to end the session; the server's code.
    func closeSession() throws -> Int32 { try request(-11, Packet()) }

    private func request(_ type: Int32, _ body: Packet) throws -> Int32 {
        lastRequest += 1
        var packet = Packet()
        packet.add(lastRequest)
        packet.add(type)
        packet.bytes += body.bytes
        var answer = try exchange(packet)
        _ = answer.int32()
        _ = answer.int64()
        return answer.int32()
    }

    private func exchange(_ packet: Packet) throws -> Packet {
        var framed = Packet()
        framed.add(packet.bytes)
        guard send(descriptor, framed.bytes, framed.bytes.count, Int32(MSG_NOSIGNAL)) == framed.bytes.count else {
            throw SupportError("the server is gone")
        }
        var length = Packet(bytes: try receive(4))
        return Packet(bytes: try receive(Int(length.int32())))
    }

    private func receive(_ count: Int) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var have = 0
        while have < count {
            let got = bytes.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress! + have, count - have, 0) }
            guard got > 0 else { throw SupportError("the server closed the connection") }
            have += got
        }
        return bytes
    }
}

/// Numbers in network order and buffers with their length before them.
private struct Packet {
    var bytes: [UInt8] = []

    mutating func add<Number: FixedWidthInteger>(_ number: Number) {
        withUnsafeBytes(of: number.bigEndian) { bytes += $0 }
    }

    mutating func add(_ buffer: [UInt8]) {
        add(Int32(buffer.count))
        bytes += buffer
    }

    mutating func int32() -> Int32 { Int32(truncatingIfNeeded: number(4)) }
    mutating func int64() -> Int64 { Int64(bitPattern: number(8)) }
    mutating func buffer() -> [UInt8] { take(Int(int32())) }

    private mutating func number(_ count: Int) -> UInt64 { take(count).reduce(0) { $0 << 8 | UInt64($1) } }

    private mutating func take(_ count: Int) -> [UInt8] {
        defer { bytes.removeFirst(min(max(0, count), bytes.count)) }
        return Array(bytes.prefix(max(0, count)))
    }
}
