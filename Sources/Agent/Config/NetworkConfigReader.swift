internal import AdminModel
internal import LibPQ

extension RestAPIConfig {
    init?(reading reader: SectionReader?) {
        guard let reader else { return nil }
        if reader.value("listen") == nil { reader.findings.missing(reader.path + "listen", "is required: host:port") }
        let listen = reader.hostPort("listen")
        let connectAddress = reader.hostPort("connect_address")
        if let listen, listen.isEveryAddress, reader.value("connect_address") == nil {
            reader.findings.missing(
                reader.path + "connect_address",
                "is required beside a listener on all addresses: host:port for the peers")
        }
        let authentication = reader.section("authentication")
        let username = authentication.looseText("username")
        let password = authentication.secret("password")
        if (username == nil) != (password == nil) {
            reader.findings.missing(
                authentication.path + (username == nil ? "username" : "password"), "username and password go together")
        }
        authentication.finish()
        let allowlist =
            reader.value("allowlist")?.asArray == nil ? Self.words(reader, "allowlist") : reader.texts("allowlist")
        let includeMembers = reader.bool("allowlist_include_members") ?? false
        let headers = reader.map("http_extra_headers") ?? [:]
        // Plain HTTP in place of what the user asked for would be a hole.
        for key in ["certfile", "keyfile", "keyfile_password", "cafile", "https_extra_headers"] {
            reader.unsupported(key, "is not yet supported: the REST API speaks HTTP without TLS")
        }
        if let mode = reader.value("verify_client"), mode.asString?.lowercased() != "none" {
            reader.unsupported("verify_client", "is not yet supported: the REST API speaks HTTP without TLS")
        }
        reader.withoutEffect("ciphers", "request_queue_size", "thread_pool_size", "server_tokens")
        reader.finish()
        guard let listen else { return nil }
        self.init(listen: listen, connectAddress: connectAddress ?? listen)
        self.username = username
        self.password = password
        self.allowlist = allowlist ?? []
        allowlistIncludeMembers = includeMembers
        for member in headers where !member.value.isNull { httpExtraHeaders[member.key] = member.value.pythonText }
    }

    private static func words(_ reader: SectionReader, _ key: String) -> [String]? {
        reader.text(key)?.split { $0 == "," || $0.isWhitespace }.map(String.init)
    }
}

extension ZooKeeperConfig {
    init?(reading reader: SectionReader?) {
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
