internal import AdminModel
internal import Glibc
internal import HACore
public import LocalConfiguration

extension ConfigValidator {
    /// The files that connections to peers read. libpq does not say why it goes on without one, only that a password is
    /// missing.
    public static func checkMesh(_ config: AgentConfig, source: String) -> [ConfigProblem] {
        guard let connection = ClusterSettings(local: config).mesh?.connection else { return [] }
        var files: [(path: ConfigPath, file: String, kind: Kind)] = []
        if let file = connection.passfile { files.append((["spock", "dsn", "passfile"], file, .passwords)) }
        for key in MeshSettings.Connection.certificateKeys {
            guard let file = connection.options[key], file.hasPrefix("/") else { continue }
            files.append((["spock", "dsn", key], file, key == "sslkey" ? .key : .open))
        }
        return files.compactMap { path, file, kind in
            problem(of: file, kind).map {
                ConfigProblem(.wrongValue, source: source, path: path, value: .string(file), message: $0)
            }
        }
    }

    private enum Kind {
        case open, passwords, key
    }

    private static func problem(of file: String, _ kind: Kind) -> String? {
        var status = stat()
        guard stat(file, &status) == 0 else { return "must be there: \(String(cString: strerror(errno)))" }
        guard status.st_mode & S_IFMT == S_IFREG else { return "must be a file" }
        // What libpq does not use: it leaves a key of root's to its group, for reading.
        let refused: mode_t =
            switch kind {
            case .open: 0
            case .passwords: 0o077
            case .key: status.st_uid == 0 ? 0o037 : 0o077
            }
        return status.st_mode & refused != 0 ? "must not be readable for others: chmod 0600" : nil
    }
}
