public import LibPQ
public import SystemPackage

/// Makes a new cluster with initdb, in `<data_dir>.new`, and renames it into place when it is complete.
public struct Bootstrapper: Sendable {
    public let installation: Installation
    public internal(set) var layout: DataDirectoryLayout
    private let tool: ToolRun

    /// - Parameter output: the file for what initdb prints.
    public init(
        installation: Installation, dataDirectory: FilePath, runner: any ToolRunner, output: FilePath,
        environment: ChildEnvironment = .inherited
    ) {
        self.installation = installation
        layout = DataDirectoryLayout(dataDirectory)
        tool = ToolRun(runner: runner, environment: environment, output: output)
    }

    /// - Parameters:
    ///   - options: `bootstrap.initdb`, already checked for what is forbidden.
    ///   - superuser: `--username` unless the options name one.
    ///   - password: given to initdb in a 0600 file that is removed after.
    /// - Throws: `.wrongState` when the data directory is not empty, `.tool`, `.file`, `.timedOut`. The data directory is
    ///   then as it was, except when it is a mount point, where initdb has to work in place.
    public func initdb(
        options: [ToolOption], superuser: String?, password: Secret?, deadline: Duration
    ) async throws(PostgresControlError) {
        let target = try await Disk.run { [layout] () throws(PostgresControlError) -> FilePath in
            if let marker = try UnfinishedMarker.read(for: layout.dataDirectory), UnfinishedMarker.isOfClone(marker) {
                try layout.removeContents()
                try UnfinishedMarker.remove(for: layout.dataDirectory)
            }
            guard try layout.isEmpty else {
                throw PostgresControlError(
                    .wrongState, "\(layout.dataDirectory.string) is not empty", outcome: .didNotHappen)
            }
            if layout.mustWorkInPlace { return layout.dataDirectory }
            try DataDirectoryLayout.remove(layout.bootstrapStaging)
            return layout.bootstrapStaging
        }
        let passwordFile = try await writePasswordFile(password)
        let outcome: Result<ToolRun.Result, PostgresControlError>
        do throws(PostgresControlError) {
            outcome = .success(
                try await tool.run(
                    arguments(target: target, options: options, superuser: superuser, passwordFile: passwordFile),
                    deadline: deadline))
        } catch {
            outcome = .failure(error)
        }
        // Not in a defer: that could not wait, and the file must be gone before anybody is told the result.
        if let passwordFile {
            try await Disk.run { () throws(PostgresControlError) in try AtomicFile.remove(passwordFile) }
        }
        let result = try outcome.get()
        guard result.succeeded else { throw ToolRun.failure(installation.path(of: .initdb), result) }
        guard target != layout.dataDirectory else { return }
        try await Disk.run { [layout] () throws(PostgresControlError) in try layout.moveIntoPlace(target) }
    }

    /// initdb's command line.
    func arguments(
        target: FilePath, options: [ToolOption], superuser: String?, passwordFile: FilePath?
    ) -> [String] {
        var arguments = [installation.path(of: .initdb).string, "--pgdata=\(target.string)"]
        arguments += options.map(\.argument)
        if let superuser, !options.contains(where: { $0.name == "username" }) {
            arguments.append("--username=\(superuser)")
        }
        if let passwordFile { arguments.append("--pwfile=\(passwordFile.string)") }
        return arguments
    }

    private func writePasswordFile(_ password: Secret?) async throws(PostgresControlError) -> FilePath? {
        guard let password, !password.isEmpty else { return nil }
        guard !password.reveal().contains(where: \.isNewline) else {
            throw PostgresControlError(
                .unexpected, "the superuser's password holds a line break", outcome: .didNotHappen)
        }
        let path = FilePath("\(tool.output.string).password")
        try await Disk.run { () throws(PostgresControlError) in
            try AtomicFile.write(password.reveal() + "\n", to: path, mode: 0o600)
        }
        return path
    }
}
