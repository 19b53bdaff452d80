import Glibc
public import SystemPackage

/// The configuration files of one server, exactly as contract/patroni.md 3.5 lays them out: the folder can go back to
/// Patroni at any time.
public struct ServerConfig: Hashable, Sendable {
    public let dataDirectory: FilePath
    /// Where postgresql.conf, pg_hba.conf and pg_ident.conf are; the data directory unless `config_dir` is set.
    public let configDirectory: FilePath
    /// `config_base_name`.
    public let baseName: String
    /// Included in place of the base file (`custom_conf`).
    public let customConf: String?

    public init(
        dataDirectory: FilePath, configDirectory: FilePath? = nil, baseName: String = "postgresql",
        customConf: String? = nil
    ) {
        self.dataDirectory = dataDirectory
        self.configDirectory = configDirectory ?? dataDirectory
        self.baseName = baseName
        self.customConf = customConf
    }

    public var configFile: FilePath { configDirectory.appending("\(baseName).conf") }
    var baseFile: FilePath { configDirectory.appending("\(baseName).base.conf") }
    var hbaFile: FilePath { configDirectory.appending("pg_hba.conf") }
    var identFile: FilePath { configDirectory.appending("pg_ident.conf") }

    static let heading =
        "# Written by Matriarch: changes made here are lost.\n# Set parameters in the cluster's configuration.\n"

    // MARK: Rendering

    /// The text of postgresql.conf.
    /// - Parameter recovery: nil leaves the recovery block out.
    public func render(_ parameters: ServerParameters, recovery: RecoverySettings?) -> String {
        var text = Self.heading + "include \(Self.quoted(customConf ?? "\(baseName).base.conf"))\n\n"
        for (name, value) in parameters.values.sorted(by: { $0.key < $1.key }) where !Self.fileNames.contains(name) {
            text += "\(name) = \(Self.quoted(value))\n"
        }
        text += "hba_file = \(Self.quoted(parameters.values["hba_file"] ?? hbaFile.string))\n"
        text += "ident_file = \(Self.quoted(parameters.values["ident_file"] ?? identFile.string))\n"
        guard let recovery, !recovery.values.isEmpty else { return text }
        text += "\n# recovery.conf\n"
        for (name, value) in recovery.values.sorted(by: { $0.key < $1.key }) {
            text += "\(name) = \(Self.quoted(value))\n"
        }
        return text
    }

    /// The text of pg_hba.conf or pg_ident.conf.
    public func render(lines: [String]) -> String { Self.heading + lines.map { "\($0)\n" }.joined() }

    private static let fileNames: Set<String> = ["hba_file", "ident_file"]

    /// A value as PostgreSQL's configuration files quote it; a line break would end the value and is written as `\n`.
    static func quoted(_ value: String) -> String {
        var text = "'"
        for scalar in value.unicodeScalars {
            switch scalar {
            case "'": text += "''"
            case "\\": text += "\\\\"
            case "\n": text += "\\n"
            case "\r": text += "\\r"
            case "\0": break
            default: text.unicodeScalars.append(scalar)
            }
        }
        return text + "'"
    }

    // MARK: Reading

    /// Whether postgresql.conf, as it was written last, gives a parameter this value.
    public func says(_ name: String, is value: String) async -> Bool {
        let text = try? await Disk.run(within: .seconds(5)) { () throws(PostgresControlError) in
            try AtomicFile.read(configFile)
        }
        return (text ?? "")?.split(separator: "\n").contains("\(name) = \(Self.quoted(value))") == true
    }

    // MARK: Writing

    public enum File: Hashable, Sendable { case server, hostBasedAccess, userNameMap }

    /// Writes what differs, each file atomically with the data directory's mode, and keeps the copies from which a clone
    /// gets its files back. The original postgresql.conf becomes the base file first, once.
    /// - Parameters:
    ///   - hostBasedAccess: pg_hba.conf's lines; nil leaves the file as it is. So does `hba_file` set elsewhere.
    ///   - userNameMap: the same for pg_ident.conf.
    ///   - keepsCopies: what is written is to last.
    /// - Returns: the files that were written: the server has to reload, if any.
    /// - Throws: `.file`.
    public func write(
        _ parameters: ServerParameters, recovery: RecoverySettings?, hostBasedAccess: [String]? = nil,
        userNameMap: [String]? = nil, keepsCopies: Bool = true
    ) async throws(PostgresControlError) -> Set<File> {
        try await Disk.run { () throws(PostgresControlError) in
            let mode = try fileMode()
            var written: Set<File> = []
            try restoreMissing()
            try keepOriginal(mode)
            if try AtomicFile.update(render(parameters, recovery: recovery), at: configFile, mode: mode) {
                written.insert(.server)
            }
            if let hostBasedAccess, parameters.values["hba_file"].map({ $0 == hbaFile.string }) ?? true,
                try AtomicFile.update(render(lines: hostBasedAccess), at: hbaFile, mode: mode)
            {
                written.insert(.hostBasedAccess)
            }
            if let userNameMap, parameters.values["ident_file"].map({ $0 == identFile.string }) ?? true,
                try AtomicFile.update(render(lines: userNameMap), at: identFile, mode: mode)
            {
                written.insert(.userNameMap)
            }
            if keepsCopies { try saveCopies(mode) }
            return written
        }
    }

    /// Appends lines to pg_hba.conf as initdb left it (`bootstrap.pg_hba`). Lines that are there already are not repeated.
    public func appendHostBasedAccess(_ lines: [String]) async throws(PostgresControlError) {
        try await Disk.run { () throws(PostgresControlError) in
            let present = try AtomicFile.read(hbaFile) ?? ""
            let known = Set(present.split(separator: "\n"))
            let missing = lines.filter { !known.contains($0[...]) }
            guard !missing.isEmpty else { return }
            let separator = present.isEmpty || present.hasSuffix("\n") ? "" : "\n"
            let text = present + separator + missing.map { "\($0)\n" }.joined()
            try AtomicFile.write(text, to: hbaFile, mode: try fileMode())
        }
    }

    /// Takes recovery settings out of postgresql.auto.conf, where they would win over ours.
    /// - Parameter own: more names for which the same holds, such as those of a gate.
    /// - Returns: the names that were found.
    @discardableResult
    public func stripAutoConf(also own: Set<String> = []) async throws(PostgresControlError) -> [String] {
        try await Disk.run { () throws(PostgresControlError) in
            let path = dataDirectory.appending("postgresql.auto.conf")
            guard let text = try AtomicFile.read(path) else { return [] }
            var found: [String] = []
            let kept = text.split(separator: "\n", omittingEmptySubsequences: false).filter { line in
                let name = line.drop(while: \.isWhitespace).prefix { !$0.isWhitespace && $0 != "=" }.lowercased()
                guard RecoverySettings.names.contains(name) || own.contains(name) else { return true }
                found.append(name)
                return false
            }
            if !found.isEmpty {
                try AtomicFile.write(kept.joined(separator: "\n"), to: path, mode: try fileMode())
            }
            return found
        }
    }

    // MARK: Copies

    /// After a command of the user's made the data directory: its files are there and have copies, so that the first
    /// start may let the superuser in without its password, which nobody here knows yet.
    public func keepForBootstrap() async throws(PostgresControlError) {
        try await Disk.run { () throws(PostgresControlError) in
            try restoreMissing()
            try saveCopies(try fileMode())
        }
    }

    /// Takes back pg_hba.conf as it was before the first start.
    public func restoreHostBasedAccess() async throws(PostgresControlError) {
        try await Disk.run { () throws(PostgresControlError) in
            guard AtomicFile.exists(copy(of: hbaFile)) else { return }
            try AtomicFile.remove(hbaFile)
            try restoreMissing()
        }
    }

    private var copied: [FilePath] { [configFile, baseFile, hbaFile, identFile] }

    private func copy(of file: FilePath) -> FilePath {
        dataDirectory.appending("\(file.lastComponent?.string ?? "").backup")
    }

    private func saveCopies(_ mode: mode_t) throws(PostgresControlError) {
        for file in copied {
            if let text = try AtomicFile.read(file) { try AtomicFile.update(text, at: copy(of: file), mode: mode) }
        }
    }

    /// A clone of a member whose configuration lies elsewhere has the copies, not the files.
    private func restoreMissing() throws(PostgresControlError) {
        for file in copied where !AtomicFile.exists(file) {
            if let text = try AtomicFile.read(copy(of: file)) {
                try AtomicFile.write(text, to: file, mode: try fileMode())
            }
        }
    }

    private func keepOriginal(_ mode: mode_t) throws(PostgresControlError) {
        guard customConf == nil, !AtomicFile.exists(baseFile) else { return }
        let original = try AtomicFile.read(configFile)
        // A postgresql.conf that includes the base file is ours, or Patroni's: as its own base it would include itself.
        let isOriginal = original.map { !$0.contains("include '\(baseName).base.conf'") } ?? false
        if isOriginal {
            try AtomicFile.rename(configFile, to: baseFile)
        } else {
            try AtomicFile.write("", to: baseFile, mode: mode)
        }
    }

    /// 0600, or 0640 when the data directory is open to its group.
    private func fileMode() throws(PostgresControlError) -> mode_t {
        var status = stat()
        guard stat(dataDirectory.string, &status) == 0 else { throw AtomicFile.failure("stat", dataDirectory) }
        return status.st_mode & 0o040 == 0 ? 0o600 : 0o640
    }
}

/// The file that makes a server recover to its target before it becomes a primary.
public enum RecoverySignal {
    /// Puts it there or takes it away.
    public static func set(_ isWanted: Bool, in dataDirectory: FilePath) async throws(PostgresControlError) {
        try await Disk.run { () throws(PostgresControlError) in
            let path = dataDirectory.appending("recovery.signal")
            if isWanted { try AtomicFile.update("", at: path, mode: 0o600) } else { try AtomicFile.remove(path) }
        }
    }

    /// PostgreSQL takes it away at the end of the recovery.
    public static func isSet(in dataDirectory: FilePath) async throws(PostgresControlError) -> Bool {
        try await Disk.run { () throws(PostgresControlError) in
            AtomicFile.exists(dataDirectory.appending("recovery.signal"))
        }
    }
}

/// The file that makes a server start as a standby; the keeper refuses to start one without it (lock.md 4.A6).
public enum StandbySignal {
    /// On disk, folder included, when this returns.
    public static func write(in dataDirectory: FilePath) async throws(PostgresControlError) {
        try await Disk.run { () throws(PostgresControlError) in try writeNow(in: dataDirectory) }
    }

    public static func remove(in dataDirectory: FilePath) async throws(PostgresControlError) {
        try await Disk.run { () throws(PostgresControlError) in
            try AtomicFile.remove(dataDirectory.appending("standby.signal"))
        }
    }

    static func writeNow(in dataDirectory: FilePath) throws(PostgresControlError) {
        try AtomicFile.update("", at: dataDirectory.appending("standby.signal"), mode: 0o600)
    }
}
