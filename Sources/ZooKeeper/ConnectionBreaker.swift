import CZooKeeper
import Foundation

/// Shuts down the TCP connection of a handle from outside: the C library has no call for it.
enum ConnectionBreaker {
    /// The library tells the server's address but not its own descriptor. All our sockets to that address are shut
    /// down: another session of this process on the same server reconnects, too, which does no harm.
    /// Returns whether there was one.
    static func shutDown(_ handle: OpaquePointer) -> Bool {
        guard let server = endpoint({ zookeeper_get_connected_host(handle, $0, $1) != nil }) ?? attempted(handle) else {
            return false
        }
        let entries = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? []
        var found = false
        for descriptor in entries.compactMap({ Int32($0) }) {
            // Work on a duplicate: the library may close its own at any moment, and the number may go to another file.
            let own = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
            guard own >= 0 else { continue }
            defer { close(own) }
            guard endpoint({ getpeername(own, $0, $1) == 0 }) == server else { continue }
            if shutdown(own, Int32(SHUT_RDWR)) == 0 { found = true }
        }
        return found
    }

    /// The server that has not answered the handshake yet. The library's buffer is shared by its threads: what is garbled
    /// is no address of ours.
    private static func attempted(_ handle: OpaquePointer) -> String? {
        zoo_get_current_server(handle).map { String(cString: $0).filter { $0 != "[" && $0 != "]" } }
    }

    /// "ADDRESS:PORT"; nil when the call gives none.
    private static func endpoint(
        _ call: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Bool
    ) -> String? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        var host = [CChar](repeating: 0, count: Int(NI_MAXHOST))
        var port = [CChar](repeating: 0, count: Int(NI_MAXSERV))
        let isKnown = withUnsafeMutablePointer(to: &storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                guard call(address, &length), [AF_INET, AF_INET6].contains(Int32(address.pointee.sa_family)) else {
                    return false
                }
                return getnameinfo(
                    address, length, &host, socklen_t(host.count), &port, socklen_t(port.count),
                    NI_NUMERICHOST | NI_NUMERICSERV) == 0
            }
        }
        return isKnown ? "\(String(cString: host)):\(String(cString: port))" : nil
    }
}
