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
        let headers = reader.headers("http_extra_headers")
        let secureHeaders = reader.headers("https_extra_headers")
        let identity = reader.identity()
        let cafile = reader.text("cafile")
        let ciphers = reader.text("ciphers")
        let verifyClient = Self.verifyClient(reader, hasIdentity: identity != nil, hasAuthority: cafile != nil)
        let tokens = reader.word("server_tokens", ServerTokens.allCases.map(\.rawValue))
        reader.withoutEffect("request_queue_size", "thread_pool_size")
        reader.finish()
        guard let listen else { return nil }
        self.init(listen: listen, connectAddress: connectAddress ?? listen)
        self.username = username
        self.password = password
        self.allowlist = allowlist ?? []
        allowlistIncludeMembers = includeMembers
        httpExtraHeaders = headers
        httpsExtraHeaders = secureHeaders
        self.identity = identity
        self.cafile = cafile
        self.ciphers = ciphers
        self.verifyClient = verifyClient
        serverTokens = tokens.flatMap(ServerTokens.init(rawValue:)) ?? .original
    }

    /// What would let in whom the user wants to keep out, or nobody at all, is refused.
    private static func verifyClient(
        _ reader: SectionReader, hasIdentity: Bool, hasAuthority: Bool
    ) -> ClientVerification {
        let word = reader.word("verify_client", ClientVerification.allCases.map(\.rawValue))
        guard let mode = word.flatMap(ClientVerification.init(rawValue:)), mode != .none else { return .none }
        let value = reader.value("verify_client")
        if !hasIdentity {
            reader.wrong("verify_client", value, "must be none without certfile: clients are seen only over TLS")
        } else if !hasAuthority {
            reader.wrong("verify_client", value, "must be none without cafile: no client certificate could be trusted")
        }
        return mode
    }

    private static func words(_ reader: SectionReader, _ key: String) -> [String]? {
        reader.text(key)?.split { $0 == "," || $0.isWhitespace }.map(String.init)
    }
}

extension PeerAccess {
    /// The rest of the section is for the command line tools.
    init(reading reader: SectionReader) {
        _ = reader.bool("insecure")
        let authentication = reader.section("authentication")
        _ = authentication.looseText("username")
        _ = authentication.secret("password")
        authentication.finish()
        self.init(identity: reader.identity(), cacert: reader.text("cacert"))
        reader.finish()
    }
}

extension SectionReader {
    /// `certfile` with what belongs to it.
    fileprivate func identity() -> TLSIdentity? {
        let (certfile, keyfile, password) = (text("certfile"), text("keyfile"), secret("keyfile_password"))
        if let certfile { return TLSIdentity(certfile: certfile, keyfile: keyfile, keyfilePassword: password) }
        // Plain HTTP in place of what the user asked for would be a hole.
        for key in ["keyfile", "keyfile_password"] where value(key) != nil {
            wrong(key, value(key), "must have certfile beside it")
        }
        return nil
    }

    fileprivate func headers(_ key: String) -> [String: String] {
        var headers: [String: String] = [:]
        for member in map(key)?.members ?? [] where !member.value.isNull {
            headers[member.key] = member.value.pythonText
        }
        return headers
    }
}
