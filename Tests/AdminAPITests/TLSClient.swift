import NIOCore
import NIOPosix
import NIOSSL

/// A client that speaks TLS and shows what came, and whether the server ended the stream in order.
struct TLSClient: Sendable {
    struct Reply: Sendable {
        var text = ""
        /// The server said goodbye in TLS before it closed.
        var endedInOrder = false
    }

    private let context: NIOSSLContext

    /// Trusts every server.
    /// - Parameter identity: files of a certificate and its key.
    init(identity: (certificate: String, key: String)? = nil) throws {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.certificateVerification = .none
        if let identity {
            configuration.certificateChain = try NIOSSLCertificate.fromPEMFile(identity.certificate)
                .map { .certificate($0) }
            configuration.privateKey = .privateKey(try NIOSSLPrivateKey(file: identity.key, format: .pem))
        }
        context = try NIOSSLContext(configuration: configuration)
    }

    /// Sends and reads until the server closes.
    func exchange(_ request: String, port: Int) async throws -> Reply {
        let context = context
        let channel = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .connect(host: "127.0.0.1", port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        try NIOSSLClientHandler(context: context, serverHostname: nil))
                    return try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                }
            }
        return try await channel.executeThenClose { inbound, outbound in
            var reply = Reply()
            do {
                try await outbound.write(ByteBuffer(string: request))
                for try await bytes in inbound { reply.text += String(buffer: bytes) }
                reply.endedInOrder = true
            } catch NIOSSLError.uncleanShutdown {
                return reply
            }
            return reply
        }
    }
}
