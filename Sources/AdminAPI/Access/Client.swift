import NIOCore
import NIOSSL

/// Who sent a request, as far as its connection knows.
struct Client: Sendable {
    let address: SocketAddress?
    private let channel: (any Channel)?

    /// Nobody in particular: without a connection.
    init() {
        address = nil
        channel = nil
    }

    init(_ channel: any Channel) {
        address = channel.remoteAddress
        self.channel = channel
    }

    /// Whether it showed a certificate in its handshake, which the handshake then checked. False without TLS.
    func hasCertificate() async -> Bool {
        guard let channel else { return false }
        return ((try? await channel.nioSSL_peerCertificate().get()) ?? nil) != nil
    }
}
