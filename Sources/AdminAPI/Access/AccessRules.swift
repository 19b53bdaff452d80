import AdminModel
import Agent
internal import LocalConfiguration
import Foundation
import HTTPTypes
import LibPQ
import NIOCore

/// Who may use the endpoints that change something (contract/patroni.md 2.2), in the contract's order: where from, by
/// which certificate, who. Safe endpoints are open to all.
struct AccessRules: Sendable {
    private let config: @Sendable () -> RestAPIConfig?
    private let resolver = HostResolver()

    /// Open to all.
    init() { config = { nil } }

    /// - Parameter config: asked at each request, since a reload changes it.
    init(_ config: @escaping @Sendable () -> RestAPIConfig) { self.config = config }

    /// - Parameter members: URLs of the members' REST APIs, asked for only when they count.
    /// - Returns: nil when the request may go on.
    func refusal(
        _ headers: HTTPFields, from client: Client, members: @Sendable () async -> [String]
    ) async -> Answer? {
        guard let config = config() else { return nil }
        if !config.allowlist.isEmpty || config.allowlistIncludeMembers,
            await !isAllowed(client.address, config, members)
        {
            return .text(403, "Access is denied")
        }
        if config.identity != nil, config.verifyClient != .none, await !client.hasCertificate() {
            return .text(403, "client certificate required")
        }
        guard let user = config.username, let password = config.password else { return nil }
        guard let header = headers[.authorization] else { return .challenge("no auth header received") }
        let expected = "Basic " + Data("\(user):\(password.reveal())".utf8).base64EncodedString()
        return Self.equal(Array(header.utf8), Array(expected.utf8)) ? nil : .challenge("not authenticated")
    }

    private func isAllowed(
        _ address: SocketAddress?, _ config: RestAPIConfig, _ members: @Sendable () async -> [String]
    ) async -> Bool {
        guard let client = address.flatMap(IPAddress.init(_:)) else { return false }
        for item in config.allowlist where await matches(item, client) { return true }
        guard config.allowlistIncludeMembers else { return false }
        for url in await members() {
            if let host = Self.host(of: url), await matches(host, client) { return true }
        }
        return false
    }

    /// - Parameter item: an address, a network or a host's name.
    private func matches(_ item: String, _ client: IPAddress) async -> Bool {
        if let network = IPNetwork(item) { return network.contains(client) }
        return await resolver.addresses(of: item).contains(client)
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
