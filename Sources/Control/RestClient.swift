package import AdminModel
internal import AsyncHTTPClient
internal import Foundation
internal import LibPQ
internal import NIOCore
internal import NIOHTTP1
internal import NIOSSL

/// Requests to the members' REST API.
package struct RestClient: Sendable {
    package struct Answer: Sendable {
        package var status: Int
        package var body: String
    }

    /// What a member answers at once, and what it answers when PostgreSQL is done.
    package enum Patience: Sendable {
        case short, long

        var deadline: TimeAmount {
            switch self {
            case .short: .seconds(30)
            case .long: .hours(1)
            }
        }
    }

    private let http: HTTPClient
    private let authorization: String?

    /// Opens connections for one command and closes them afterwards.
    package static func with<Value: Sendable>(
        _ config: ControlConfig.Rest, _ body: (RestClient) async throws -> Value
    ) async throws -> Value {
        var configuration = HTTPClient.Configuration(
            tlsConfiguration: try tls(config), redirectConfiguration: .disallow,
            timeout: .init(connect: .seconds(10)))
        configuration.httpVersion = .http1Only
        // A member that refuses is asked again by the user, or another one is.
        configuration.connectionPool.retryConnectionEstablishment = false
        let http = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
        let client = RestClient(http: http, authorization: config.authorization)
        do {
            let value = try await body(client)
            try? await http.shutdown()
            return value
        } catch {
            try? await http.shutdown()
            throw error
        }
    }

    /// - Parameters:
    ///   - endpoint: such as `reload`; nil: the member's own URL, which is `/patroni`.
    /// - Throws: when the member does not answer, also without a URL.
    package func send(
        _ method: String, _ endpoint: String? = nil, to member: ClusterTree.Member, _ body: JSONValue? = nil,
        _ patience: Patience = .short
    ) async throws -> Answer {
        guard let url = member.record.apiURL else { throw ControlError("member \(member.name) has no api_url") }
        var request = HTTPClientRequest(url: endpoint.map { Self.base(of: url) + "/" + $0 } ?? url)
        request.method = HTTPMethod(rawValue: method)
        request.headers.add(name: "User-Agent", value: "matriarchctl/\(MatriarchVersion.own)")
        if let authorization { request.headers.add(name: "Authorization", value: authorization) }
        if let body {
            request.headers.add(name: "Content-Type", value: "application/json")
            request.body = .bytes(ByteBuffer(string: body.text(.spaced)))
        }
        let response = try await http.execute(request, timeout: patience.deadline)
        let text = try await response.body.collect(upTo: 4 << 20)
        return Answer(status: Int(response.status.code), body: String(buffer: text))
    }

    /// `http://host:port` of any URL there.
    static func base(of url: String) -> String {
        guard let scheme = url.firstRange(of: "://") else { return url }
        let end = url[scheme.upperBound...].firstIndex { "/?#".contains($0) } ?? url.endIndex
        return String(url[..<end])
    }

    private static func tls(_ config: ControlConfig.Rest) throws -> TLSConfiguration {
        var tls = TLSConfiguration.makeClientConfiguration()
        if let file = config.caFile { tls.trustRoots = .file(file) }
        guard let certificate = config.certificateFile else {
            if config.isInsecure { tls.certificateVerification = .none }
            return tls
        }
        // With a certificate of its own the client goes on asking whether the members' are from the right authority.
        if config.isInsecure { tls.certificateVerification = .noHostnameVerification }
        do {
            tls.certificateChain = try NIOSSLCertificate.fromPEMFile(certificate).map { .certificate($0) }
        } catch {
            throw ControlError("ctl.certfile: '\(certificate)' must be a PEM file with a certificate: \(error)")
        }
        let file = config.keyFile ?? certificate
        do {
            let key = try NIOSSLPrivateKey(file: file, format: .pem) { give in
                give((config.keyPassword?.reveal() ?? "").utf8)
            }
            tls.privateKey = .privateKey(key)
        } catch {
            let place = config.keyFile == nil ? "ctl.certfile" : "ctl.keyfile"
            throw ControlError(
                "\(place): '\(file)' must be a PEM file with a private key that ctl.keyfile_password opens: \(error)")
        }
        return tls
    }
}

extension ControlConfig.Rest {
    fileprivate var authorization: String? {
        guard let username, let password else { return nil }
        return "Basic " + Data("\(username):\(password.reveal())".utf8).base64EncodedString()
    }
}
