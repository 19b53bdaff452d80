import AdminModel
import HACore
import LocalConfiguration
import ZooKeeper

/// One standby of the cluster at a time restarts for slots: an ephemeral znode, which ends with its holder at the latest.
struct SlotTurn: Sendable {
    enum Answer: Hashable {
        case ours
        /// Its holder, as the znode names it.
        case taken(by: String)
        case unknown(String)
    }

    private static let deadline = Duration.seconds(1)

    let path: ZNodePath
    let me: MemberID
    let session: @Sendable () -> ZooKeeperSession?

    func take() async -> Answer {
        guard let session = session(), let id = session.connection?.session else {
            return .unknown("not connected to ZooKeeper")
        }
        do throws(ZooKeeperError) {
            do throws(ZooKeeperError) {
                try await session.create(
                    path, Array(me.rawValue.utf8), mode: .ephemeral, deadline: Self.deadline)
                return .ours
            } catch  where error.code == .nodeExists {
                // Also our own, whose making was not answered in time.
                guard let (data, stat) = try await session.get(path, deadline: Self.deadline) else {
                    return .unknown("it was given back just now")
                }
                return stat.ephemeralOwner == id ? .ours : .taken(by: String(decoding: data, as: UTF8.self))
            }
        } catch {
            return .unknown("\(error)")
        }
    }

    /// Best effort: what stays ends with the session.
    func giveBack() async {
        guard let session = session(), let id = session.connection?.session,
            let stat = try? await session.exists(path, deadline: Self.deadline), stat.ephemeralOwner == id
        else { return }
        try? await session.delete(path, expecting: .exactly(stat.version), deadline: Self.deadline)
    }
}
