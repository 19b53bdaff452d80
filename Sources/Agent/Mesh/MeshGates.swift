import HACore
import NIOConcurrencyHelpers
import PostgresControl
import SystemPackage

/// The two gates of this member, as they are (design/zones.md 1): whether clients may write, and which peers its apply
/// workers can reach.
final class MeshGates: Sendable {
    /// What new sessions of clients may do.
    private enum Clients { case shut, opening, open }

    private struct State {
        var clients: Clients
        /// Nil: the file has not been written by this process.
        var routes: [String: MeshRoute]?
        /// Of a leader: the standbys that have to have a change before a peer gets it; nil: not known yet.
        var synchronizedSlots: [String]?
        var members = 1
    }

    /// libpq's service file when the settings name none.
    let defaultFile: FilePath
    private let state: NIOLockedValueBox<State>

    /// - Parameter clientsAreShut: as the server's configuration file says.
    init(runtime: FilePath, clientsAreShut: Bool) {
        defaultFile = runtime.appending("pg_service.conf")
        state = NIOLockedValueBox(State(clients: clientsAreShut ? .shut : .open))
    }

    func file(_ settings: MeshSettings) -> FilePath {
        settings.connection.serviceFile.map { FilePath($0) } ?? defaultFile
    }

    // MARK: Clients

    /// The configuration that is written next keeps clients from writing.
    var clientsAreShut: Bool { state.withLockedValue { $0.clients == .shut } }

    /// Clients are known to be let in: `/primary` may say so.
    var servesClients: Bool { state.withLockedValue { $0.clients == .open } }

    /// Of a standby that is about to start, or has been given its configuration: it may be promoted at any time.
    func shutClients() { state.withLockedValue { $0.clients = .shut } }

    /// - Returns: false when they were let in already.
    func openClients() -> Bool {
        state.withLockedValue { state in
            guard state.clients == .shut else { return false }
            state.clients = .opening
            return true
        }
    }

    /// The server says what holds for new sessions.
    func saw(clientsAreShut: Bool) {
        state.withLockedValue { state in
            switch (state.clients, clientsAreShut) {
            case (.opening, false), (.shut, false): state.clients = .open
            // Somebody has written the file meanwhile; what opens it says so again.
            case (.open, true): state.clients = .shut
            default: break
            }
        }
    }

    // MARK: Parameters

    /// Who streams from here now.
    /// - Returns: true when the parameters change with it.
    func noteStandbys(_ slots: [String], members: Int) -> Bool {
        state.withLockedValue { state in
            state.members = members
            defer { state.synchronizedSlots = slots }
            return state.synchronizedSlots != slots
        }
    }

    /// What the mesh asks of this server's parameters.
    func parameters(_ settings: MeshSettings, as role: StartRole) -> MeshParameters {
        let state = state.withLockedValue { $0 }
        return MeshParameters(
            settings, peers: state.routes?.count ?? 0, members: state.members, role: role,
            synchronizedStandbySlots: role == .standby ? [] : state.synchronizedSlots,
            clientGateIsClosed: role == .standby || state.clients == .shut)
    }

    // MARK: Apply workers

    /// The ways as the file has them; nil: not known to this process.
    var routes: [String: MeshRoute]? { state.withLockedValue { $0.routes } }

    /// Replaces the service file.
    /// - Parameter local: how this member itself is reached; the name of its node is the settings'.
    /// - Throws: `PostgresControlError` when a value does not fit into it, or the disk does not take it.
    func write(_ routes: [String: MeshRoute], _ settings: MeshSettings, local: [ServiceStanza.Setting])
        async throws(PostgresControlError)
    {
        var stanzas = [try ServiceStanza(settings.node, local)]
        for (node, route) in routes.sorted(by: { $0.key < $1.key }) where node != settings.node {
            switch route {
            case .shut: stanzas.append(try .closed(node))
            case .open(let address):
                stanzas.append(try ServiceStanza(node, Self.settings(address, settings.connection)))
            }
        }
        // Unknown until it is done: a failed write leaves the old file or the new one.
        state.withLockedValue { $0.routes = nil }
        try await ServiceFile(stanzas).write(to: file(settings))
        state.withLockedValue { $0.routes = routes }
    }

    /// Every way that the file has, and those to `nodes`, are shut.
    func shutAll(_ nodes: some Sequence<String>, _ settings: MeshSettings, local: [ServiceStanza.Setting])
        async throws(PostgresControlError)
    {
        // A file that is not understood is replaced.
        let found = try? await ServiceFile.read(file(settings))
        var routes: [String: MeshRoute] = [:]
        for stanza in found?.stanzas ?? [] { routes[stanza.name] = .shut }
        for node in nodes { routes[node] = .shut }
        routes[settings.node] = nil
        guard routes != self.routes || found == nil else { return }
        try await write(routes, settings, local: local)
    }

    /// The ways as the file on the disk has them; taken over from the process before.
    func read(_ settings: MeshSettings) async -> [String: MeshRoute] {
        if let routes { return routes }
        guard let found = try? await ServiceFile.read(file(settings)) else { return [:] }
        var routes: [String: MeshRoute] = [:]
        for stanza in found.stanzas where stanza.name != settings.node {
            func value(_ keyword: String) -> String? { stanza.settings.first { $0.keyword == keyword }?.value }
            guard !stanza.isClosed, let host = value("host"), let port = value("port").flatMap({ Int($0) }) else {
                routes[stanza.name] = .shut
                continue
            }
            routes[stanza.name] = .open(MeshRecord.Address(host: host, port: port))
        }
        let read = routes
        state.withLockedValue { $0.routes = read }
        return read
    }

    /// A peer that dies in silence is noticed within seconds: a worker ignores `connect_timeout` (design/zones.md 1).
    private static func settings(
        _ address: MeshRecord.Address, _ connection: MeshSettings.Connection
    ) -> [ServiceStanza.Setting] {
        var values: [(String, String)] = [
            ("host", address.host), ("port", String(address.port)), ("user", connection.user),
            ("target_session_attrs", "primary"), ("connect_timeout", "2"), ("tcp_user_timeout", "2000"),
            ("keepalives_idle", "2"), ("keepalives_interval", "1"), ("keepalives_count", "3"),
        ]
        if let passfile = connection.passfile { values.append(("passfile", passfile)) }
        values.removeAll { connection.options.keys.contains($0.0) }
        values += connection.options.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
        return values.map { ServiceStanza.Setting($0.0, $0.1) }
    }
}
