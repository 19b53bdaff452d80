public import LocalConfiguration
import NIOConcurrencyHelpers
public import NIOSSL

/// The certificates in force, of the REST API and towards peers. They are read at start and at each reload; connections
/// that exist keep theirs.
public final class TransportSecurity: Sendable {
    private struct State {
        var material: TLSMaterial
        var server: NIOSSLContext?
        var peers: TLSConfiguration

        init(_ material: TLSMaterial) throws(ConfigError) {
            self.material = material
            server = try material.serverContext()
            peers = try material.peerConfiguration()
        }
    }

    private let state: NIOLockedValueBox<State>

    /// - Throws: what is wrong with a file, by the key that names it.
    public convenience init(_ config: AgentConfig) throws(ConfigError) {
        try self.init(TLSMaterial(restAPI: config.restAPI, control: config.control))
    }

    init(_ material: TLSMaterial) throws(ConfigError) { state = NIOLockedValueBox(try State(material)) }

    /// Reads the files again, whether or not the configuration changed. When it throws, the old ones stay in force.
    /// - Returns: whether anything is different now.
    func reload(_ config: AgentConfig) throws(ConfigError) -> Bool {
        let material = try TLSMaterial(restAPI: config.restAPI, control: config.control)
        guard material != state.withLockedValue({ $0.material }) else { return false }
        let new = try State(material)
        state.withLockedValue { $0 = new }
        return true
    }

    /// For connections that begin now; nil: they are not encrypted.
    public var server: NIOSSLContext? { state.withLockedValue { $0.server } }

    /// For questions to peers with an `https` URL.
    var peers: TLSConfiguration { state.withLockedValue { $0.peers } }
}
