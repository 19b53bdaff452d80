public import SystemPackage

/// libpq's service file: where each node of a mesh is reached, and the gate of the apply workers (design/zones.md 1).
///
/// Workers inherit its path from the postmaster (`PGSERVICEFILE`), and each new connection reads it again. A service that
/// is missing here is no gate: libpq then looks into the system-wide file.
public struct ServiceFile: Hashable, Sendable {
    /// In the file's order.
    public let stanzas: [ServiceStanza]

    /// - Throws: `.unexpected` for two stanzas with one name, of which libpq would read the first.
    public init(_ stanzas: [ServiceStanza]) throws(PostgresControlError) {
        var names: Set<String> = []
        for stanza in stanzas where !names.insert(stanza.name).inserted {
            throw PostgresControlError(
                .unexpected, "service '\(stanza.name)' stands twice: each service has one stanza",
                outcome: .didNotHappen)
        }
        self.stanzas = stanzas
    }

    /// The settings of one service; nil when it has no stanza.
    public subscript(service: String) -> ServiceStanza? { stanzas.first { $0.name == service } }

    /// No apply worker reaches a peer: every stanza but the local node's leads nowhere, and that one is there (without
    /// any stanza libpq would ask the system-wide file). The keeper asks the same before a promotion.
    public func isClosed(exceptFor local: String) -> Bool {
        self[local] != nil && stanzas.allSatisfy { $0.name == local || $0.isClosed }
    }

    // MARK: Text

    static let heading = "# Written by Matriarch: changes made here are lost.\n"

    public func render() -> String {
        Self.heading
            + stanzas.map { stanza in
                let comment = stanza.isClosed ? "# closed: no apply worker gets through\n" : ""
                return "\n[\(stanza.name)]\n\(comment)" + stanza.settings.map { "\($0.line)\n" }.joined()
            }.joined()
    }

    /// Reads what `render` writes; stricter than libpq, as the keeper is.
    /// - Throws: `.unexpected` with the line's number.
    public init(parsing text: String) throws(PostgresControlError) {
        guard text.isEmpty || text.utf8.last == UInt8(ascii: "\n") else {
            throw Self.garbled(0, "the last line has no end")
        }
        var stanzas: [(name: String, settings: [ServiceStanza.Setting])] = []
        // By scalar: "\r\n" would be one character.
        let lines = text.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false).map { String($0) }
        for (number, line) in zip(1..., lines) where !line.isEmpty && !line.hasPrefix("#") {
            if line.hasPrefix("[") {
                guard line.hasSuffix("]"), line.utf8.count > 2 else {
                    throw Self.garbled(number, "'[NAME]' is expected")
                }
                stanzas.append((String(line.dropFirst().dropLast()), []))
            } else {
                guard let equals = line.firstIndex(of: "="), !stanzas.isEmpty else {
                    throw Self.garbled(number, "'keyword=value' in a stanza is expected")
                }
                stanzas[stanzas.count - 1].settings.append(
                    .init(String(line[..<equals]), String(line[line.index(after: equals)...])))
            }
        }
        var checked: [ServiceStanza] = []
        for stanza in stanzas { checked.append(try ServiceStanza(stanza.name, stanza.settings)) }
        try self.init(checked)
    }

    private static func garbled(_ line: Int, _ what: String) -> PostgresControlError {
        PostgresControlError(
            .unexpected, "service file\(line == 0 ? "" : ", line \(line)"): \(what)", outcome: .didNotHappen)
    }

    // MARK: Disk

    /// What the file says now; nil when there is none.
    /// - Throws: `.file`, `.timedOut`; `.unexpected` for a file that is not understood: no gate either.
    public static func read(_ path: FilePath) async throws(PostgresControlError) -> ServiceFile? {
        let text = try await Disk.run(within: .seconds(5)) { () throws(PostgresControlError) in
            try AtomicFile.read(path)
        }
        guard let text else { return nil }
        return try ServiceFile(parsing: text)
    }

    /// Replaces the file as a whole, with mode 0600, when it differs. A connection that is being made reads the old one
    /// or the new one.
    /// - Returns: true when it was written.
    /// - Throws: `.file`, `.timedOut`.
    @discardableResult
    public func write(to path: FilePath) async throws(PostgresControlError) -> Bool {
        let text = render()
        return try await Disk.run { () throws(PostgresControlError) in
            try AtomicFile.update(text, at: path, mode: 0o600)
        }
    }
}
