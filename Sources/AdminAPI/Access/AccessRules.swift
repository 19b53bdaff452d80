import AdminModel
import Agent
import HTTPTypes
import LibPQ
import NIOCore

/// Who may use the endpoints that change something (contract/patroni.md 2.2), in the contract's order: where from, then
/// who. Safe endpoints are open to all.
struct AccessRules: Sendable {
    private let credentials: (user: String, password: Secret)?
    private let allowlist: [String]
    private let includesMembers: Bool
    private let resolver = HostResolver()

    /// Open to all.
    init() {
        credentials = nil
        allowlist = []
        includesMembers = false
    }

    init(_ config: RestAPIConfig) {
        credentials = config.username.flatMap { user in config.password.map { (user, $0) } }
        allowlist = config.allowlist
        includesMembers = config.allowlistIncludeMembers
    }

    /// - Parameter members: URLs of the members' REST APIs, asked for only when they count.
    /// - Returns: nil when the request may go on.
    func refusal(
        _ headers: HTTPFields, from address: SocketAddress?, members: @Sendable () async -> [String]
    ) async -> Answer? {
        if !allowlist.isEmpty || includesMembers, await !isAllowed(address, members) {
            return .text(403, "Access is denied")
        }
        guard let credentials else { return nil }
        guard let header = headers[.authorization] else { return .challenge("no auth header received") }
        let expected = "Basic " + Base64.encode(Array("\(credentials.user):\(credentials.password.reveal())".utf8))
        return Self.equal(Array(header.utf8), Array(expected.utf8)) ? nil : .challenge("not authenticated")
    }

    private func isAllowed(_ address: SocketAddress?, _ members: @Sendable () async -> [String]) async -> Bool {
        guard let client = address.flatMap(IPAddress.init(_:)) else { return false }
        for item in allowlist {
            if let network = IPNetwork(item) {
                if network.contains(client) { return true }
            } else if await resolver.addresses(of: item).contains(client) {
                return true
            }
        }
        guard includesMembers else { return false }
        for url in await members() {
            guard let host = Self.host(of: url) else { continue }
            if let network = IPNetwork(host) {
                if network.contains(client) { return true }
            } else if await resolver.addresses(of: host).contains(client) {
                return true
            }
        }
        return false
    }

    private static func host(of url: String) -> String? {
        guard let scheme = url.firstRange(of: "://") else { return nil }
        let authority = url[scheme.upperBound...].prefix { $0 != "/" }
        return HostPort(String(authority), defaultPort: 80).map { $0.host.filter { $0 != "[" && $0 != "]" } }
    }

    /// Takes the same time for every wrong guess of one length.
    private static func equal(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        guard left.count == right.count else { return false }
        return zip(left, right).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
    }
}

/// Of RFC 4648, for what HTTP's basic scheme sends.
enum Base64 {
    private static let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")

    static func encode(_ bytes: [UInt8]) -> String {
        var text = ""
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<min(start + 3, bytes.count)]
            let bits = group.reduce(0) { $0 << 8 | UInt32($1) } << UInt32(8 * (3 - group.count))
            for place in 0..<4 {
                text.append(place <= group.count ? digits[Int(bits >> UInt32(18 - 6 * place) & 63)] : "=")
            }
        }
        return text
    }
}
