internal import AdminModel
internal import LocalConfiguration
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
