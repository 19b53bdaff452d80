public import AdminModel
public import HACore
public import ZooKeeper

/// One read of the cluster's tree: what decisions need (`view`), and the records as others wrote them.
public struct TreeSnapshot: Hashable, Sendable {
    public var view: StoreView
    /// In the order of their names.
    public var members: [(name: MemberID, record: MemberRecord)]
    /// The dynamic configuration's document; nil when absent or unreadable so far.
    public var config: JSONObject?
    /// Transaction of its last change: the configuration is applied anew when it moves.
    public var configZxid: Int64?
    /// Its version; nil when what the znode holds now cannot be read, and `config` is what it held before.
    public var configVersion: Version?
    public var status: StatusRecord?
    public var sync: SyncRecord
    public var history: HistoryRecord?
    public var failover: FailoverRecord
    public var failoverVersion: Version?
    /// The highest timeline that a leader reserved before its promotion.
    public var reservedTimeline: Timeline?

    public static func == (left: Self, right: Self) -> Bool {
        left.view == right.view && left.config == right.config && left.status == right.status
            && left.members.elementsEqual(right.members) { $0.name == $1.name && $0.record == $1.record }
    }

    public func hash(into hasher: inout Hasher) { hasher.combine(view) }

    public func record(of member: MemberID) -> MemberRecord? { members.first { $0.name == member }?.record }
}
