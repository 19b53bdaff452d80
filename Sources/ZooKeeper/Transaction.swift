/// One part of a `multi`.
public enum Operation: Hashable, Sendable {
    case create(ZNodePath, [UInt8], CreateMode)
    case set(ZNodePath, [UInt8], ExpectedVersion)
    case delete(ZNodePath, ExpectedVersion)
    /// Does nothing but fail the whole `multi` unless the znode exists with this version.
    case check(ZNodePath, Version)

    public var path: ZNodePath {
        switch self {
        case .create(let path, _, _), .set(let path, _, _), .delete(let path, _), .check(let path, _): path
        }
    }
}

/// What one part of a `multi` that happened gave.
public enum OperationResult: Hashable, Sendable {
    /// ZooKeeper's client tells nothing of a znode created inside a `multi`. A set of it in the same `multi` does:
    /// its Stat has the czxid.
    case created
    case set(ZNodeStat)
    case deleted
    case checked

    public var stat: ZNodeStat? {
        if case .set(let stat) = self { return stat }
        return nil
    }
}
