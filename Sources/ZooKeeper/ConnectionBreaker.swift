import CZooKeeper
import Foundation

/// Shuts down the TCP connection of a handle from outside: the C library has no call for it.
enum ConnectionBreaker {
    /// The library tells the server's address but not its own descriptor. All our sockets to that address are shut
    /// down: another session of this process on the same server reconnects, too, which does no harm.
    /// Returns whether there was one.
    static func shutDown(_ handle: OpaquePointer) -> Bool {
        guard let server = peer({ zookeeper_get_connected_host(handle, $0, $1) != nil }) else { return false }
        let entries = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? []
        var found = false
        for descriptor in entries.compactMap({ Int32($0) }) {
            // Work on a duplicate: the library may close its own at any moment, and the number may go to another file.
            let own = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
            guard own >= 0 else { continue }
            defer { close(own) }
            guard peer({ getpeername(own, $0, $1) == 0 }) == server else { continue }
            if shutdown(own, Int32(SHUT_RDWR)) == 0 { found = true }
        }
        return found
    }

    /// An address as its bytes; nil when the call gives none.
    private static func peer(
        _ call: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Bool
    ) -> [UInt8]? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let known = withUnsafeMutablePointer(to: &storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { call($0, &length) }
        }
        let isInternet = [sa_family_t(AF_INET), sa_family_t(AF_INET6)].contains(storage.ss_family)
        guard known, isInternet else { return nil }
        return withUnsafeBytes(of: &storage) { Array($0.prefix(Int(length))) }
    }
}
