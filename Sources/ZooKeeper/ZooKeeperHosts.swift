/// The servers of an ensemble, and optionally the folder of their tree in which we live.
///
/// Addresses are better than names: the library resolves names on its I/O thread at each reconnect, so that a name
/// service that hangs holds a failover up. And one or three servers are better than two: when two refuse, the library
/// tries them without a pause.
public struct ZooKeeperHosts: Hashable, Sendable, CustomStringConvertible {
    public struct Host: Hashable, Sendable, CustomStringConvertible {
        /// A name or a literal address, without brackets.
        public let name: String
        public let port: UInt16

        public init(name: String, port: UInt16 = defaultPort) {
            self.name = name
            self.port = port
        }

        public var description: String { name.contains(":") ? "[\(name)]:\(port)" : "\(name):\(port)" }
    }

    public static let defaultPort: UInt16 = 2181

    public let hosts: [Host]
    /// nil without one.
    public let chroot: ZNodePath?

    /// - Throws: `.invalidHosts` when there is none.
    public init(_ hosts: [Host], chroot: ZNodePath? = nil) throws(ZooKeeperError) {
        guard !hosts.isEmpty, hosts.allSatisfy({ Self.isName($0.name) && $0.port != 0 }) else {
            throw ZooKeeperError(.invalidHosts, detail: hosts.map(\.description).joined(separator: ","))
        }
        self.hosts = hosts
        self.chroot = chroot == .root ? nil : chroot
    }

    /// Reads "host[:port],host[:port],...[/chroot]"; IPv6 addresses with a port stand in brackets; blanks around hosts
    /// are allowed; the port is ``defaultPort`` unless it is given.
    /// - Throws: `.invalidHosts`, `.invalidPath` for the chroot.
    public init(_ text: String) throws(ZooKeeperError) {
        let slash = text.firstIndex(of: "/") ?? text.endIndex
        var hosts: [Host] = []
        for part in text[..<slash].split(separator: ",", omittingEmptySubsequences: false) {
            guard let host = Self.host(part.trimmed) else { throw ZooKeeperError(.invalidHosts, detail: text) }
            hosts.append(host)
        }
        try self.init(hosts, chroot: slash == text.endIndex ? nil : ZNodePath(text[slash...].trimmed))
    }

    public var description: String { hosts.map(\.description).joined(separator: ",") + (chroot?.description ?? "") }

    /// The C library takes the last colon for the port's, knows no brackets and reads "010" as 8.
    var connectString: String {
        hosts.map { "\($0.name):\($0.port)" }.joined(separator: ",") + (chroot?.description ?? "")
    }

    private static func host(_ text: String) -> Host? {
        if text.hasPrefix("[") {
            guard let close = text.firstIndex(of: "]") else { return nil }
            let address = String(text[text.index(after: text.startIndex)..<close])
            let rest = text[text.index(after: close)...]
            guard address.contains(":") else { return nil }
            if rest.isEmpty { return Host(name: address) }
            guard rest.hasPrefix(":") else { return nil }
            return port(rest.dropFirst()).map { Host(name: address, port: $0) }
        }
        let pieces = text.split(separator: ":", omittingEmptySubsequences: false)
        switch pieces.count {
        case 1: return Host(name: text)
        case 2: return port(pieces[1]).map { Host(name: String(pieces[0]), port: $0) }
        default: return Host(name: text)  // an IPv6 address without a port
        }
    }

    private static func port(_ text: Substring) -> UInt16? {
        guard !text.isEmpty, text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else {
            return nil
        }
        return UInt16(text).flatMap { $0 == 0 ? nil : $0 }
    }

    private static func isName(_ name: String) -> Bool {
        guard !name.isEmpty else { return false }
        let isAddress = name.contains(":")
        return name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"),
                UInt8(ascii: "A")...UInt8(ascii: "F"), UInt8(ascii: "."):
                true
            case UInt8(ascii: ":"), UInt8(ascii: "%"): isAddress
            case UInt8(ascii: "g")...UInt8(ascii: "z"), UInt8(ascii: "G")...UInt8(ascii: "Z"), UInt8(ascii: "-"),
                UInt8(ascii: "_"):
                !isAddress || name.contains("%")
            default: false
            }
        }
    }
}

extension StringProtocol {
    fileprivate var trimmed: String {
        var text = Substring(self)
        while let first = text.first, first.isWhitespace { text.removeFirst() }
        while let last = text.last, last.isWhitespace { text.removeLast() }
        return String(text)
    }
}
