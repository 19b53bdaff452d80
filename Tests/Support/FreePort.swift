public import Foundation

/// Ports on 127.0.0.1 that nothing listened on a moment ago.
///
/// They lie below the range from which the kernel takes the ports of outgoing connections, so that no connection of
/// another test takes one between the choice and the server's start. None is given out twice in one process;
/// processes that run at the same time have ranges of their own: MATRIARCH_TEST_PORTS, such as `12000-21999`.
public enum FreePort {
    private static let taken = Locked<Set<UInt16>>([])
    private static let range: ClosedRange<UInt16> = {
        let ends = ProcessInfo.processInfo.environment["MATRIARCH_TEST_PORTS"]?.split(separator: "-").map { UInt16($0) }
        guard let ends, ends.count == 2, let first = ends[0], let last = ends[1], first < last else {
            return 12_000...31_999
        }
        return first...last
    }()

    /// The next free port.
    public static func next() throws -> UInt16 {
        for _ in 0..<1_000 {
            let candidate = UInt16.random(in: range)
            if taken.withLock({ $0.insert(candidate).inserted }), isFree(candidate) { return candidate }
        }
        throw SupportError("no free port on 127.0.0.1 in \(range)")
    }

    /// `count` different free ports.
    public static func next(_ count: Int) throws -> [UInt16] { try (0..<count).map { _ in try next() } }

    private static func isFree(_ port: UInt16) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return withLoopback(port) { bind(descriptor, $0, $1) } == 0
    }

    /// Listens on a port, for a server to find it taken, until the descriptor that is returned is closed.
    public static func occupy(_ port: UInt16) throws -> Int32 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var yes: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        guard withLoopback(port, { bind(descriptor, $0, $1) }) == 0, listen(descriptor, 64) == 0 else {
            throw SupportError("cannot listen on port \(port)")
        }
        return descriptor
    }

    /// Makes a call of the socket interface with the address of this port of 127.0.0.1; returns what that does.
    public static func withLoopback(
        _ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) -> Int32 {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr = in_addr(s_addr: UInt32(0x7f00_0001).bigEndian)
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        }
    }
}

/// A failure of the test's own equipment, not of what is tested.
public struct SupportError: Error, CustomStringConvertible {
    public let description: String
    public init(_ description: String) { self.description = description }
}
