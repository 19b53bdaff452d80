import Dispatch
import Glibc

/// A client that writes bytes and reads bytes: HTTP libraries hide when a server closes. Each read has a deadline.
struct RawClient: Sendable {
    struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    private let descriptor: Int32
    /// A queue of its own: reads that block in the shared pool would keep the server's tasks from running.
    private let queue = DispatchQueue(label: "raw-client")

    /// - Parameter host: a numeric IPv4 address.
    init(port: Int, host: String = "127.0.0.1") throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = inet_addr(host)
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else { throw Failure(description: "connect: \(String(cString: strerror(errno)))") }
        var patience = timeval(tv_sec: 10, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    }

    func close() { _ = Glibc.close(descriptor) }

    func send(_ text: String) throws {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let sent = bytes.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard sent > 0 else { throw Failure(description: "send: \(String(cString: strerror(errno)))") }
            bytes = bytes.dropFirst(sent)
        }
    }

    /// Ends this side of the stream: the server sees its end and can still answer.
    func finishSending() { _ = shutdown(descriptor, Int32(SHUT_WR)) }

    /// All that comes until the server closes.
    func readToEnd() async throws -> String {
        try await offThePool {
            var text: [UInt8] = []
            while let more = try readSome() { text += more }
            return String(decoding: text, as: UTF8.self)
        }
    }

    /// One answer, by its Content-Length; what comes after stays unread.
    func readAnswer() async throws -> String {
        try await offThePool {
            var header: [UInt8] = []
            while !header.suffix(4).elementsEqual("\r\n\r\n".utf8) { header += try readExactly(1) }
            let text = String(decoding: header, as: UTF8.self)
            let field = text.lowercased().split(separator: "\r\n").first { $0.hasPrefix("content-length:") }
            let length = field.flatMap { Int($0.dropFirst("content-length:".count).filter(\.isNumber)) } ?? 0
            return text + String(decoding: try readExactly(length), as: UTF8.self)
        }
    }

    private func readExactly(_ count: Int) throws -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count {
            guard let more = try readSome(atMost: count - bytes.count) else {
                throw Failure(description: "closed after \(bytes.count) of \(count) bytes")
            }
            bytes += more
        }
        return bytes
    }

    /// Nil at the end of the stream, also when it was reset.
    private func readSome(atMost limit: Int = 65536) throws -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: limit)
        let count = recv(descriptor, &buffer, limit, 0)
        if count > 0 { return Array(buffer.prefix(count)) }
        if count == 0 || errno == ECONNRESET { return nil }
        throw Failure(description: "nothing came within 10 s: \(String(cString: strerror(errno)))")
    }

    private func offThePool<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            queue.async { continuation.resume(with: Result(catching: work)) }
        }
    }
}
