import Dispatch
import Glibc
import HACore
import NIOConcurrencyHelpers
import NIOCore

/// An address of 4 or 16 bytes; one of IPv4 inside IPv6 is the one of IPv4.
struct IPAddress: Hashable, Sendable {
    let bytes: [UInt8]

    init(bytes: [UInt8]) {
        let mapped = [UInt8](repeating: 0, count: 10) + [255, 255]
        self.bytes = bytes.count == 16 && bytes.starts(with: mapped) ? Array(bytes.suffix(4)) : bytes
    }

    /// Nil for what is no literal address.
    init?(_ text: String) {
        guard let address = try? SocketAddress(ipAddress: text, port: 0) else { return nil }
        self.init(address)
    }

    /// Nil for a socket of another kind.
    init?(_ address: SocketAddress) {
        // `sockaddr_in` and `sockaddr_in6`: family, port, and in the latter the flow, before the address.
        let place: Range<Int>
        switch address.protocol {
        case .inet: place = 4..<8
        case .inet6: place = 8..<24
        default: return nil
        }
        self.init(
            bytes: address.withSockAddr { pointer, size in
                Array(UnsafeRawBufferPointer(start: pointer, count: size)[place])
            })
    }
}

/// `10.0.0.0/8`, `fd00::/8`, or one address.
struct IPNetwork: Hashable, Sendable {
    let address: IPAddress
    let length: Int

    /// Nil for a host's name.
    init?(_ text: String) {
        let parts = text.split(separator: "/", maxSplits: 1).map(String.init)
        guard let first = parts.first, let address = IPAddress(first) else { return nil }
        let most = address.bytes.count * 8
        guard parts.count == 1 || Int(parts[1]).map({ (0...most).contains($0) }) == true else { return nil }
        self.address = address
        length = parts.count == 1 ? most : Int(parts[1]) ?? most
    }

    func contains(_ other: IPAddress) -> Bool {
        guard other.bytes.count == address.bytes.count else { return false }
        for index in 0..<length where (address.bytes[index / 8] ^ other.bytes[index / 8]) >> (7 - index % 8) & 1 != 0 {
            return false
        }
        return true
    }
}

/// Host names to addresses, each looked up at most once a minute, on a thread that nothing waits for but who asked.
final class HostResolver: Sendable {
    private let known = NIOLockedValueBox<[String: (at: Duration, addresses: Set<IPAddress>)]>([:])
    private static let queue = DispatchQueue(label: "matriarch.names")

    func addresses(of host: String) async -> Set<IPAddress> {
        let now = Duration.nanoseconds(Int64(DispatchTime.now().uptimeNanoseconds))
        if let entry = known.withLockedValue({ $0[host] }), now - entry.at < .seconds(60) { return entry.addresses }
        let found = await withCheckedContinuation { continuation in
            Self.queue.async { continuation.resume(returning: Self.lookUp(host)) }
        }
        known.withLockedValue { $0[host] = (now, found) }
        return found
    }

    private static func lookUp(_ host: String) -> Set<IPAddress> {
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, nil, nil, &list) == 0 else { return [] }
        defer { freeaddrinfo(list) }
        var addresses: Set<IPAddress> = []
        var next = list
        while let entry = next?.pointee {
            var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
            let length = socklen_t(text.count)
            if getnameinfo(entry.ai_addr, entry.ai_addrlen, &text, length, nil, 0, NI_NUMERICHOST) == 0,
                let address = IPAddress(
                    String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self))
            {
                addresses.insert(address)
            }
            next = entry.ai_next
        }
        return addresses
    }
}
