public import AdminModel
public import LibPQ
package import ZooKeeper

/// The section `zookeeper`.
public struct ZooKeeperConfig: Hashable, Sendable {
    public struct Credential: Hashable, Sendable {
        public var scheme: String
        public var credential: Secret
    }

    public struct ACLEntry: Hashable, Sendable {
        public var scheme: String
        public var id: String
        /// Bits: READ 1, WRITE 2, CREATE 4, DELETE 8, ADMIN 16.
        public var permissions: Int32

        package init(scheme: String, id: String, permissions: Int32) {
            self.scheme = scheme
            self.id = id
            self.permissions = permissions
        }
    }

    public var hosts: [HostPort]
    /// Begins with a slash; nil: the root.
    public var chroot: String?
    /// Sent after each connect, in order.
    public var authData: [Credential] = []
    /// The ACL of each znode that this agent creates; empty: open to all.
    public var setACLs: [ACLEntry] = []

    /// As the client library wants them.
    public var connectString: String { hosts.map(\.description).joined(separator: ",") + (chroot ?? "") }

    /// How a session is opened.
    package func session(timeout: Duration) throws(ZooKeeperError) -> ZooKeeperConfiguration {
        let acl = setACLs.map {
            ZooKeeper.ACLEntry(.init(rawValue: $0.permissions), scheme: $0.scheme, id: $0.id)
        }
        return ZooKeeperConfiguration(
            hosts: try ZooKeeperHosts(connectString), timeout: timeout,
            authentication: authData.map { .init(scheme: $0.scheme, credential: Array($0.credential.reveal().utf8)) },
            accessControl: acl.isEmpty ? .open : .list(acl))
    }

    /// The path of a cluster's znodes, `/<namespace>/<scope>`.
    package static func basePath(namespace: String, scope: String) -> String {
        "/" + [namespace, scope].filter { !$0.isEmpty }.joined(separator: "/")
    }

    /// Without slashes at its ends.
    package static func namespace(_ root: SectionReader) -> String {
        let text = root.text("namespace") ?? "service"
        return text.split(separator: "/").joined(separator: "/")
    }
}

extension ZooKeeperConfig {
    package init?(reading reader: SectionReader?) {
        guard let reader else { return nil }
        let hosts = Self.hosts(reader)
        let authData = Self.authData(reader)
        let setACLs = Self.acls(reader)
        if let useSSL = reader.value("use_ssl"), useSSL.boolText != false {
            reader.unsupported("use_ssl", "is not yet supported: must be false or left out")
        }
        reader.unsupported("exhibitor", "is not yet supported: list the servers under zookeeper.hosts")
        reader.withoutEffect("cacert", "cert", "key", "key_password", "verify")
        reader.finish()
        guard let hosts else { return nil }
        self.init(hosts: hosts.list, chroot: hosts.chroot, authData: authData, setACLs: setACLs)
    }

    private static func hosts(_ reader: SectionReader) -> (list: [HostPort], chroot: String?)? {
        guard let value = reader.value("hosts") else {
            reader.findings.missing(reader.path + "hosts", "is required: a list of host:port, or text with commas")
            return nil
        }
        guard let text = value.asString ?? value.asArray.flatMap(joined) else {
            reader.wrong("hosts", value, "must be a list of host:port, or text with commas")
            return nil
        }
        let slash = text.firstIndex(of: "/") ?? text.endIndex
        let chroot = text[slash...].split(separator: "/").map { "/" + $0 }.joined()
        var hosts: [HostPort] = []
        for item in text[..<slash].split(separator: ",") {
            let trimmed = item.filter { !$0.isWhitespace }
            guard let host = HostPort(trimmed, defaultPort: 2181), !host.host.isEmpty else {
                reader.wrong("hosts", .string(trimmed), "must be host:port with a port from 1 to 65535")
                return nil
            }
            hosts.append(host)
        }
        guard !hosts.isEmpty else {
            reader.wrong("hosts", value, "must name at least one server")
            return nil
        }
        return (hosts, chroot.isEmpty ? nil : chroot)
    }

    private static func joined(_ items: [JSONValue]) -> String? {
        let texts = items.compactMap(\.asString)
        return texts.count == items.count ? texts.joined(separator: ",") : nil
    }

    private static func authData(_ reader: SectionReader) -> [Credential] {
        (reader.map("auth_data")?.members ?? []).compactMap { member in
            if let text = member.value.asString {
                return Credential(scheme: member.key, credential: Secret(text))
            }
            reader.wrong("auth_data", member.value, "must be a map of scheme: credential, both text")
            return nil
        }
    }

    private static let permissions: [String: Int32] = [
        "READ": 1, "WRITE": 2, "CREATE": 4, "DELETE": 8, "ADMIN": 16, "ALL": 31,
    ]

    /// A principal may hold a digest, so that messages only count them.
    private static func acls(_ reader: SectionReader) -> [ACLEntry] {
        (reader.map("set_acls")?.members ?? []).enumerated().compactMap { position, member in
            let path = reader.path + "set_acls" + position
            var bits: Int32 = 0
            for word in member.value.asArray ?? [.null] {
                guard let bit = word.asString.flatMap({ permissions[$0.uppercased()] }) else {
                    reader.findings.wrong(path, word, "must be a list of CREATE, READ, WRITE, DELETE, ADMIN, ALL")
                    return nil
                }
                bits |= bit
            }
            let parts = member.key.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            let hasScheme = parts.count == 2 && ["world", "auth", "digest", "ip", "sasl", "x509"].contains(parts[0])
            return ACLEntry(
                scheme: hasScheme ? String(parts[0]) : "x509", id: hasScheme ? String(parts[1]) : member.key,
                permissions: bits)
        }
    }
}
