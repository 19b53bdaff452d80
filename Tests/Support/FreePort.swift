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
        var address = loopback(port)
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }

    /// 127.0.0.1 with this port, as the socket calls want it.
    public static func loopback(_ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr = in_addr(s_addr: UInt32(0x7f00_0001).bigEndian)
        return address
    }
}

/// A failure of the test's own equipment, not of what is tested.
public struct SupportError: Error, CustomStringConvertible {
    public let description: String
    public init(_ description: String) { self.description = description }
}
