/// A network address of the configuration: `host:port`, `[2001:db8::1]:port`.
public struct HostPort: Hashable, Sendable, CustomStringConvertible {
    /// Without brackets; several, separated by commas, where a listener allows them; `*` or empty for all addresses.
    public let host: String
    /// 1 to 65535.
    public let port: Int

    public init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    /// Nil for text that is no such address, and for one without a port when there is no default.
    public init?(_ text: String, defaultPort: Int? = nil) {
        var host = Substring(text)
        var digits: Substring?
        if host.hasPrefix("["), let end = host.firstIndex(of: "]"), !host.contains(",") {
            let rest = host[host.index(after: end)...]
            guard rest.isEmpty || rest.hasPrefix(":") else { return nil }
            if !rest.isEmpty { digits = rest.dropFirst() }
            host = host[host.index(after: host.startIndex)..<end]
        } else if let colon = host.lastIndex(of: ":") {
            digits = host[host.index(after: colon)...]
            host = host[..<colon]
        }
        guard !host.contains(where: \.isWhitespace), !host.contains("\0") else { return nil }
        if let digits {
            guard !digits.isEmpty, digits.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }), let port = Int(digits),
                (1...65535).contains(port)
            else { return nil }
            self.init(host: String(host), port: port)
        } else {
            guard let defaultPort, !host.isEmpty else { return nil }
            self.init(host: String(host), port: defaultPort)
        }
    }

    /// The addresses of a listener, in order.
    public var hosts: [String] { host.split(separator: ",").map(String.init) }

    /// Whether a listener takes connections on all addresses, so that the text says nothing about where it is.
    public var isEveryAddress: Bool { ["", "*", "0.0.0.0", "::"].contains(host) }

    public var description: String { (host.contains(":") && !host.contains(",") ? "[\(host)]" : host) + ":\(port)" }
}
