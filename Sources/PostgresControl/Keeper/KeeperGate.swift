public import SystemPackage

/// What has to keep the apply workers of a standby from every peer before the keeper promotes it (design/zones.md 1).
public struct KeeperGate: Hashable, Sendable {
    /// libpq's service file, by its absolute path.
    public let serviceFile: FilePath
    /// The one service that need not be closed; the file must have it.
    public let localService: String

    public init(serviceFile: FilePath, localService: String) {
        self.serviceFile = serviceFile
        self.localService = localService
    }

    /// As `start` takes them, before the number of variables.
    var fields: [String] { ["gate", serviceFile.string, localService] }
}
