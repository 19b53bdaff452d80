import Glibc
public import SystemPackage

/// One major version of PostgreSQL's programs.
public struct Installation: Hashable, Sendable {
    public enum Program: String, Hashable, Sendable, CaseIterable {
        case postgres, initdb
        case pgCtl = "pg_ctl"
        case pgControldata = "pg_controldata"
        case pgBasebackup = "pg_basebackup"
        case pgRewind = "pg_rewind"
        case pgIsready = "pg_isready"
        case pgWaldump = "pg_waldump"
    }

    public let binDir: FilePath
    /// Other names for programs (`postgresql.bin_name`).
    public let names: [Program: String]

    public init(binDir: FilePath, names: [Program: String] = [:]) {
        self.binDir = binDir
        self.names = names
    }

    public func path(of program: Program) -> FilePath { binDir.appending(names[program] ?? program.rawValue) }

    /// Without a `bin_dir`: the folder of `postgres` on PATH, links resolved (a folder of links need not hold them all),
    /// else the newest of /usr/lib/postgresql and /usr/pgsql-*.
    /// - Throws: `.notInstalled`.
    public static func find(
        searchPath: String? = nil, names: [Program: String] = [:]
    ) throws(PostgresControlError) -> Installation {
        let postgres = names[.postgres] ?? Program.postgres.rawValue
        let folders = (searchPath ?? getenv("PATH").map { String(cString: $0) } ?? "").split(separator: ":")
        for folder in folders {
            guard let resolved = realpath("\(folder)/\(postgres)", nil) else { continue }
            defer { free(resolved) }
            let folder = FilePath(String(cString: resolved)).removingLastComponent()
            let found = Installation(binDir: folder, names: names)
            if found.isComplete { return found }
        }
        if let newest = candidates().map({ Installation(binDir: $0, names: names) }).first(where: \.isComplete) {
            return newest
        }
        throw PostgresControlError(
            .notInstalled, "no PostgreSQL on PATH, in /usr/lib/postgresql/*/bin or in /usr/pgsql-*/bin: set bin_dir",
            outcome: .didNotHappen)
    }

    /// Every program that a member cannot do without is there and can be executed.
    public var isComplete: Bool { missing.isEmpty }

    /// The necessary programs that are not there.
    public var missing: [FilePath] {
        [.postgres, .initdb, .pgControldata, .pgBasebackup].map { path(of: $0) }
            .filter { access($0.string, X_OK) != 0 }
    }

    /// Such as 15; asked of `postgres --version`.
    /// - Throws: `.tool`, `.timedOut`, `.unexpected`.
    public func majorVersion(deadline: Duration = .seconds(5)) async throws(PostgresControlError) -> Int {
        let output = try await QuickCommand.run(path(of: .postgres), ["--version"], deadline: deadline)
        guard output.succeeded, let major = Self.majorVersion(in: output.standardOutput) else {
            throw PostgresControlError(
                .unexpected, "\(path(of: .postgres).string) --version: \(output.status) \(output.standardError)",
                outcome: .didNotHappen)
        }
        return major
    }

    /// `postgres (PostgreSQL) 18beta1 (Vendor)` -> 18.
    static func majorVersion(in text: String) -> Int? {
        guard let marker = text.firstRange(of: "(PostgreSQL) ") else { return nil }
        return Int(text[marker.upperBound...].prefix { $0.isNumber })
    }

    private static func candidates() -> [FilePath] {
        var found: [(Int, FilePath)] = []
        for name in (try? AtomicFile.entries("/usr/lib/postgresql")) ?? [] {
            if let version = Int(name) { found.append((version, FilePath("/usr/lib/postgresql/\(name)/bin"))) }
        }
        for name in (try? AtomicFile.entries("/usr")) ?? [] where name.hasPrefix("pgsql-") {
            if let version = Int(name.dropFirst(6)) { found.append((version, FilePath("/usr/\(name)/bin"))) }
        }
        return found.sorted { $0.0 > $1.0 }.map(\.1)
    }
}
