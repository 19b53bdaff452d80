public import HACore

/// A slot as its file `pg_replslot/NAME/state` says (`ReplicationSlotOnDisk` of PostgreSQL 15 to 18).
///
/// A server does not start with a file that it cannot read: what is not exactly a sound one is none.
public struct SlotState: Hashable, Sendable {
    public let name: String
    public let database: UInt32
    public let plugin: String
    public let restart: LSN
    public let confirmed: LSN
    public let isLost: Bool
    public let bytes: [UInt8]

    /// Nil: damaged, of a physical or temporary slot, or of a layout that is not known.
    public init?(_ bytes: [UInt8]) {
        guard bytes.count >= Layout.shortest, Layout.number(bytes, 0, 4) == 0x0105_1ca1,
            Layout.number(bytes, 12, 4) == bytes.count - Layout.header,
            Layout.number(bytes, 4, 4) == UInt64(CRC32C.checksum(bytes[8...]))
        else { return nil }
        let version = Layout.number(bytes, 8, 4)
        // Zero: persistent.
        database = UInt32(Layout.number(bytes, 80, 4))
        guard (2...5).contains(version), Layout.number(bytes, 84, 4) == 0, database != 0,
            let name = Layout.text(bytes, Layout.header), let plugin = Layout.text(bytes, 129),
            !name.isEmpty, !plugin.isEmpty
        else { return nil }
        self.name = name
        self.plugin = plugin
        self.bytes = bytes
        restart = LSN(Layout.number(bytes, 96, 8))
        confirmed = LSN(Layout.number(bytes, 112, 8))
        // A position up to 15, a cause since.
        isLost = Layout.number(bytes, 104, version == 2 ? 8 : 4) != 0 || restart == .zero
        guard isLost || restart <= confirmed else { return nil }
    }

    public func slot(database: String) -> MeshSlot {
        MeshSlot(
            name, database: database, plugin: plugin, restart: restart, confirmed: confirmed, isLost: isLost)
    }
}

private enum Layout {
    static let header = 16
    /// Up to the end of the plugin's name.
    static let shortest = 129 + 64

    static func number(_ bytes: [UInt8], _ offset: Int, _ count: Int) -> UInt64 {
        bytes[offset..<offset + count].reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    static func text(_ bytes: [UInt8], _ offset: Int) -> String? {
        String(validating: bytes[offset..<offset + 64].prefix { $0 != 0 }, as: UTF8.self)
    }
}

/// Castagnoli's, as PostgreSQL uses it for its files.
enum CRC32C {
    private static let table: [UInt32] = (0..<256).map { byte in
        (0..<8).reduce(UInt32(byte)) { value, _ in value & 1 == 1 ? value >> 1 ^ 0x82f6_3b78 : value >> 1 }
    }

    static func checksum(_ bytes: some Sequence<UInt8>) -> UInt32 {
        ~bytes.reduce(~0) { crc, byte in table[Int((crc ^ UInt32(byte)) & 0xff)] ^ crc >> 8 }
    }
}

/// Names of files whose names are positions.
enum PositionNames {
    /// `0-30067D8.snap` in `pg_logical/snapshots`.
    static func snapshot(_ name: some StringProtocol) -> LSN? {
        guard name.hasSuffix(".snap") else { return nil }
        return LSN(name.dropLast(5).map { $0 == "-" ? "/" : String($0) }.joined())
    }

    static func snapshotFile(_ position: LSN) -> String {
        position.description.map { $0 == "/" ? "-" : String($0) }.joined() + ".snap"
    }

    /// Where a WAL segment begins, by its name alone.
    static func segment(_ name: some StringProtocol, size: UInt64) -> LSN? {
        guard name.utf8.count == 24, let log = UInt64(name.dropFirst(8).prefix(8), radix: 16),
            let part = UInt64(name.suffix(8), radix: 16), UInt64(name.prefix(8), radix: 16) != nil
        else { return nil }
        return LSN(log << 32 | (part &* size))
    }

    /// Where WAL begins that consists of these files; nil: there is none.
    static func oldest(_ names: [String], segmentSize: UInt64) -> LSN? {
        names.compactMap { segment($0, size: segmentSize) }.min()
    }
}
