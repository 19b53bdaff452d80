public import HACore
public import ZooKeeper

/// Every path of a cluster's tree (contract/patroni.md 1.2), and those of our own.
public struct ZNodeLayout: Hashable, Sendable {
    public let base: ZNodePath
    public let members, leader, initialize, config, status, sync, failover, history: ZNodePath
    /// Moved by each change of the lock; its version is what guarded writes expect (design/lock.md 3).
    public let epoch: ZNodePath
    /// Keeps `epoch` from being removed by anything but a recursive delete.
    public let epochKeep: ZNodePath
    /// The highest timeline that was ever given away: written before each promotion.
    public let timeline: ZNodePath
    /// Ephemeral while an agent of ours makes the cluster: an `initialize` with our mark and without it was given up.
    public let bootstrap: ZNodePath
    /// Ephemeral while a standby restarts to take in slots of the mesh: one at a time (design/zones.md 4).
    public let slotTurn: ZNodePath
    /// Parent of the candidates' own lease znodes (lock.md 2.5).
    public let leases: ZNodePath
    /// What the cluster says to its peers of a mesh, and what operators asked it for (design/zones.md 2).
    public let mesh, meshIntents: ZNodePath

    /// - Throws: `ZooKeeperError` `.invalidPath` when namespace or scope do not make a valid path.
    public init(namespace: String, scope: String) throws(ZooKeeperError) {
        let parts = namespace.split(separator: "/") + scope.split(separator: "/")
        base = try ZNodePath("/" + parts.joined(separator: "/"))
        members = try base.child("members")
        leader = try base.child("leader")
        initialize = try base.child("initialize")
        config = try base.child("config")
        status = try base.child("status")
        sync = try base.child("sync")
        failover = try base.child("failover")
        history = try base.child("history")
        epoch = try base.child("epoch")
        epochKeep = try epoch.child("keep")
        timeline = try base.child("timeline")
        bootstrap = try base.child("bootstrap")
        slotTurn = try base.child("spock_slots")
        leases = try base.child("lease")
        mesh = try base.child("spock")
        meshIntents = try base.child("spock_intents")
    }

    /// - Throws: `.invalidPath` when the name is no path component.
    public func member(_ name: MemberID) throws(ZooKeeperError) -> ZNodePath { try members.child(name.rawValue) }
    public func lease(_ name: MemberID) throws(ZooKeeperError) -> ZNodePath { try leases.child(name.rawValue) }
}
