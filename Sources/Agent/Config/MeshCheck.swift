internal import AdminModel
internal import HACore
internal import LocalConfiguration

extension MeshSettings {
    /// What a whole section lacks, and what in it excludes each other.
    /// - Parameters:
    ///   - scope: of the own cluster.
    ///   - reader: of the section that these settings were read from.
    func check(scope: String, _ reader: SectionReader) {
        checkNames(reader)
        checkConnection(reader.section("dsn"))
        checkPeers(scope: scope, reader.section("subscribe"))
        checkTemplate(reader.section("subscribe"), node: reader.section("node"))
    }

    private func checkNames(_ reader: SectionReader) {
        let node = reader.section("node")
        func require(_ value: some Collection, _ key: String, of section: SectionReader, _ what: String) {
            if value.isEmpty { section.findings.missing(section.path + key, "is required: \(what)") }
        }
        require(mesh, "mesh", of: reader, "the name that all clusters of the mesh have in common")
        require(self.node, "name", of: node, "the name of this cluster's node, unique in the mesh")
        require(databases, "databases", of: reader, "a list of names")
        if !self.node.isEmpty, NodeID(of: self.node).isReserved {
            node.wrong(
                "name", .string(self.node),
                "must be another name: its 16 bits (\(NodeID(of: self.node))) have a meaning of their own in PostgreSQL"
            )
        }
    }

    private func checkConnection(_ reader: SectionReader) {
        if connection.mode == .fixed, connection.fixed == nil {
            reader.findings.missing(reader.path + "fixed", "is required with dsn.mode fixed: host=... port=...")
        }
        if connection.mode != .fixed, connection.fixed != nil {
            reader.wrong("fixed", nil, "must not be given without dsn.mode fixed")
        }
        guard connection.mode != .service else { return }
        if applyGate == .service {
            reader.wrong(
                "mode", .string(connection.mode.rawValue),
                """
                must be service while failover.apply_gate is service, since the service file is that gate; with \
                apply_gate none it may be \(connection.mode.rawValue), and after a failover nothing keeps peers from \
                skipping this cluster's new changes (loss 2) or this cluster from skipping theirs (loss 3)
                """)
        }
        if connection.serviceFile != nil {
            reader.findings.notice(
                .withoutEffect, reader.path + "service_file", "has no effect without dsn.mode service")
        }
    }

    private func checkPeers(scope: String, _ reader: SectionReader) {
        if case .listed(let scopes) = peers, let position = scopes.firstIndex(of: scope) {
            reader.findings.wrong(
                reader.path + "peers" + position, .string(scope), "must not be this cluster's own scope")
        }
        if synchronization == .full, !peers.isOne {
            reader.wrong(
                "synchronize", "full",
                "must be none or structure unless subscribe.peers lists exactly one: rows are copied into an empty node, from one seed"
            )
        }
    }

    /// Beyond this Spock shortens a part of a slot's name (contract/spock.md 1.6).
    private static let readableLength = 16

    private func checkTemplate(_ reader: SectionReader, node: SectionReader) {
        // Peers' names are not known yet; they will be about as long as the own.
        let name = subscription(to: self.node)
        if !Self.isPlain(subscription(to: "")) {
            node.wrong(
                "name", .string(self.node),
                "must be made of a-z, 0-9 and '_', since subscribe.name_template (\(subscriptionTemplate)) puts it into names of subscriptions"
            )
        } else if name.utf8.count > 63 {
            reader.wrong(
                "name_template", .string(subscriptionTemplate), "must give names of at most 63 bytes, unlike \(name)")
        } else if name.utf8.count > Self.readableLength {
            reader.findings.notice(
                .doubtful, reader.path + "name_template",
                "gives names of more than \(Self.readableLength) bytes, such as \(name): Spock shortens them in the names of slots"
            )
        }
    }
}

extension MeshSettings.Peers {
    fileprivate var isOne: Bool {
        if case .listed(let scopes) = self { scopes.count == 1 } else { false }
    }
}
