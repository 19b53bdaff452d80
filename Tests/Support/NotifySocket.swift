import Foundation

/// A socket in systemd's place.
public final class NotifySocket: Sendable {
    private let descriptor: Int32
    private let all = Locked<[String]>([])

    /// - Parameter name: as in NOTIFY_SOCKET.
    public init(_ name: String) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var bytes = Array(name.utf8)
        if name.hasPrefix("@") { bytes[0] = 0 }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let length = socklen_t(2 + bytes.count)
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) }
        }
        guard bound == 0, fcntl(descriptor, F_SETFL, O_NONBLOCK) == 0 else {
            throw SupportError("\(name): \(String(cString: strerror(errno)))")
        }
    }

    deinit { close(descriptor) }

    /// What has come since the last call: a datagram is there when the sender's call returned.
    public func messages() -> [String] {
        var messages: [String] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while case let count = recv(descriptor, &buffer, buffer.count, 0), count >= 0 {
            messages.append(String(decoding: buffer[..<count], as: UTF8.self))
        }
        return messages
    }

    /// Everything so far; for tests that do not use ``messages()``.
    public var heard: [String] {
        all.withLock { all in
            all += messages()
            return all
        }
    }
}
