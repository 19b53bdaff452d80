import AdminModel
import LibPQ
import LocalConfiguration
import NIOSSL

/// What the files of `restapi` and `ctl` hold, read at one moment: equal material needs no new handshakes.
struct TLSMaterial: Hashable {
    /// A certificate, those that vouch for it, and its key, in PEM.
    struct Identity: Hashable {
        var certificate: String
        var key: String
        var password: Secret?
    }

    var identity: Identity?
    var ciphers: String?
    var verifyClient = ClientVerification.none
    /// Of the clients' certificates.
    var clientAuthority: String?
    /// How peers are asked.
    var ownIdentity: Identity?
    var peerAuthority: String?

    /// - Parameter restAPI: nil: no server.
    init(restAPI: RestAPIConfig? = nil, control: PeerAccess = PeerAccess()) throws(ConfigError) {
        identity = try Self.read(restAPI?.identity, ["restapi"])
        if identity != nil {
            ciphers = restAPI?.ciphers
            verifyClient = restAPI?.verifyClient ?? .none
            if verifyClient != .none { clientAuthority = try Self.read(restAPI?.cafile, ["restapi", "cafile"]) }
        }
        ownIdentity = try Self.read(control.identity, ["ctl"])
        guard ownIdentity != nil else { return }
        peerAuthority = try Self.read(control.cacert, ["ctl", "cacert"])
        if peerAuthority == nil { peerAuthority = try Self.read(restAPI?.cafile, ["restapi", "cafile"]) }
    }

    /// Nil without `restapi.certfile`.
    func serverContext() throws(ConfigError) -> NIOSSLContext? {
        guard let identity else { return nil }
        let (chain, key) = try Self.parse(identity, ["restapi"])
        var tls = TLSConfiguration.makeServerConfiguration(certificateChain: chain, privateKey: key)
        tls.minimumTLSVersion = .tlsv12
        switch verifyClient {
        case .none: tls.certificateVerification = .none
        case .optional: tls.certificateVerification = .optionalVerification
        case .required: tls.certificateVerification = .noHostnameVerification
        }
        if let clientAuthority {
            tls.trustRoots = .certificates(try Self.certificates(clientAuthority, ["restapi", "cafile"]))
        }
        if let ciphers {
            let suites = CipherList.suites(ciphers)
            guard !suites.isEmpty else {
                throw Self.refusal(
                    ["restapi", "ciphers"], ciphers, "must choose a cipher of TLS 1.2, as OpenSSL writes it")
            }
            tls.cipherSuiteValues = suites
        }
        return try Self.context(tls, ["restapi", "keyfile"], "must be the key of the certificate in certfile")
    }

    /// As Patroni's daemon asks its peers: without a certificate of its own it trusts everybody; with one it checks where
    /// theirs come from, never their names (contract/patroni.md 3.2).
    func peerConfiguration() throws(ConfigError) -> TLSConfiguration {
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.minimumTLSVersion = .tlsv12
        tls.certificateVerification = ownIdentity == nil ? .none : .noHostnameVerification
        guard let ownIdentity else { return tls }
        let (chain, key) = try Self.parse(ownIdentity, ["ctl"])
        tls.certificateChain = chain
        tls.privateKey = key
        if let peerAuthority {
            tls.trustRoots = .certificates(try Self.certificates(peerAuthority, ["ctl", "cacert"]))
        }
        _ = try Self.context(tls, ["ctl", "keyfile"], "must be the key of the certificate in certfile")
        return tls
    }

    // MARK: Files and their content

    private static func read(_ identity: TLSIdentity?, _ section: ConfigPath) throws(ConfigError) -> Identity? {
        guard let identity, let certificate = try read(identity.certfile, section + "certfile") else { return nil }
        let key = try read(identity.keyfile, section + "keyfile")
        return Identity(certificate: certificate, key: key ?? certificate, password: identity.keyfilePassword)
    }

    private static func read(_ file: String?, _ path: ConfigPath) throws(ConfigError) -> String? {
        guard let file else { return nil }
        do throws(ConfigError) {
            return try ConfigFile.text(of: file)
        } catch {
            throw refusal(path, file, error.problems.first?.message ?? "cannot be read")
        }
    }

    private static func parse(
        _ identity: Identity, _ section: ConfigPath
    ) throws(ConfigError) -> (chain: [NIOSSLCertificateSource], key: NIOSSLPrivateKeySource) {
        let chain = try certificates(identity.certificate, section + "certfile")
        let isEncrypted = identity.key.contains("ENCRYPTED")
        do {
            let key = try NIOSSLPrivateKey(bytes: Array(identity.key.utf8), format: .pem) { setter in
                setter((identity.password?.reveal() ?? "").utf8)
            }
            return (chain.map { .certificate($0) }, .privateKey(key))
        } catch {
            throw isEncrypted
                ? refusal(section + "keyfile_password", nil, "must be the password of the key, which is encrypted")
                : refusal(section + "keyfile", nil, "must hold a private key in PEM (left out: certfile must)")
        }
    }

    private static func certificates(_ pem: String, _ path: ConfigPath) throws(ConfigError) -> [NIOSSLCertificate] {
        if let found = try? NIOSSLCertificate.fromPEMBytes(Array(pem.utf8)), !found.isEmpty { return found }
        throw refusal(path, nil, "must hold certificates in PEM")
    }

    private static func context(
        _ tls: TLSConfiguration, _ path: ConfigPath, _ rule: String
    ) throws(ConfigError) -> NIOSSLContext {
        do { return try NIOSSLContext(configuration: tls) } catch { throw refusal(path, nil, rule) }
    }

    private static func refusal(_ path: ConfigPath, _ value: String?, _ message: String) -> ConfigError {
        ConfigError([
            ConfigProblem(.wrongValue, source: "", path: path, value: value.map { .string($0) }, message: message)
        ])
    }
}
