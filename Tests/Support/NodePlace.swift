/// Where one member of a test's cluster lives.
public struct NodePlace: Sendable {
    public let name: String
    /// Holds the YAML file, the data directory, the log, the sockets.
    public let folder: String
    public let port: UInt16
    public let restPort: UInt16

    public var dataDirectory: String { "\(folder)/data" }
    public var configuration: String { "\(folder)/\(name).yml" }
    /// What the program and its PostgreSQL say, over all starts.
    public var log: String { "\(folder)/\(name).log" }
    public var runtimeFolder: String { "\(folder)/run" }
    public var passwordFile: String { "\(folder)/pgpass" }
}
