internal import AdminModel
public import LocalConfiguration
internal import Glibc
internal import PostgresControl
internal import SystemPackage

/// The checks of `--validate-config` beyond reading: they look at the disk, and refuse what works on one machine only
/// (contract/patroni.md 6).
public enum ConfigValidator {
    /// Addresses under which peers on other machines cannot reach this one.
    static let localAddresses = ["127.0.0.1", "0.0.0.0", "*", "::1", "localhost"]

    /// The binaries without which an agent cannot work; `pg_rewind` only with `use_pg_rewind`.
    static let requiredBinaries = ["pg_ctl", "initdb", "pg_controldata", "pg_basebackup", "postgres", "pg_isready"]

    /// What peers are told must be reachable for them. Pure.
    public static func checkAddresses(_ config: AgentConfig, source: String) -> [ConfigProblem] {
        let addresses: [(ConfigPath, HostPort?)] = [
            (["restapi", "connect_address"], config.restAPI.connectAddress),
            (["postgresql", "connect_address"], config.postgresql.connectAddress),
        ]
        let listed = localAddresses.map { "\"\($0)\"" }.joined(separator: ", ")
        var problems = addresses.compactMap { path, address -> ConfigProblem? in
            guard let address, localAddresses.contains(address.host) else { return nil }
            return ConfigProblem(
                .wrongValue, source: source, path: path, value: .string(address.description),
                message: "must not contain \(listed)")
        }
        if config.postgresql.superuser.username == nil {
            problems.append(
                ConfigProblem(
                    .missing, source: source, path: ["postgresql", "authentication", "superuser", "username"],
                    message: "is required: the superuser that a new cluster gets"))
        }
        return problems
    }

    /// Looks at the data directory and for the binaries. `searchPath` is the PATH that is used without `bin_dir`.
    public static func checkDisk(_ config: AgentConfig, searchPath: String, source: String) -> [ConfigProblem] {
        var problems: [ConfigProblem] = []
        let postgresql = config.postgresql
        var folders = [("data_dir", postgresql.dataDir)]
        if postgresql.configDir != postgresql.dataDir { folders.append(("config_dir", postgresql.configDir)) }
        for (key, path) in folders {
            guard let kind = kind(of: path), kind != S_IFDIR else { continue }
            problems.append(
                ConfigProblem(
                    .wrongValue, source: source, path: ["postgresql", key], value: .string(path),
                    message: "must be a directory"))
        }
        var places = postgresql.settings.binDir.map { [$0] } ?? searchPath.split(separator: ":").map(String.init)
        // What the agent finds by itself, where the PATH does not lead.
        if postgresql.settings.binDir == nil, let found = try? Installation.find(searchPath: searchPath) {
            places.append(found.binDir.string)
        }
        let needed = requiredBinaries + (postgresql.settings.usePgRewind ? ["pg_rewind"] : [])
        for tool in needed {
            let name = postgresql.settings.binNames[tool] ?? tool
            let isThere = places.contains {
                access("\($0)/\(name)", X_OK) == 0 && kind(of: "\($0)/\(name)") == S_IFREG
            }
            guard !isThere else { continue }
            let place =
                postgresql.settings.binDir
                ?? "the PATH: install PostgreSQL (on Debian postgresql-15), or name the folder of its programs"
            problems.append(
                ConfigProblem(
                    .wrongValue, source: source, path: ["postgresql", "bin_dir"],
                    value: postgresql.settings.binDir.map(JSONValue.string),
                    message: "must hold the program \(name), which is not in \(place)"))
        }
        return problems
    }

    /// The file type behind a path, links followed; nil when nothing is there.
    private static func kind(of path: String) -> mode_t? {
        var status = stat()
        return stat(path, &status) == 0 ? status.st_mode & S_IFMT : nil
    }
}
