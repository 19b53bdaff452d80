import AdminModel
public import HACore
import LocalConfiguration
import ZooKeeper

/// Why a change of `spock_intents` was not made.
public struct MeshRefusal: Error, Hashable, CustomStringConvertible {
    public enum Code: Hashable, Sendable {
        /// Only the leader writes it.
        case notLeader
        /// Somebody else went on changing it.
        case conflict
        /// ZooKeeper did not do it, or nobody knows.
        case failed
    }

    public let code: Code
    public let description: String

    public init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }
}

/// Changes what operators asked this cluster for, in its own `spock_intents`: read, changed, and written over what was
/// read, guarded by the lock (design/zones.md 2).
struct MeshRequests: Sendable {
    private static let attempts = 3
    private static let deadline = Duration.seconds(2)

    let layout: ZNodeLayout
    let sessions: SessionOwner
    let guardian: LeaseGuard
    let lock: LockEffects

    /// - Parameter term: under which it was decided; nil: the present one, of an operator's request.
    /// - Returns: what stands there now; unchanged when it said so already.
    func make(_ change: MeshIntents.Change, as term: Term? = nil) async throws(MeshRefusal) -> MeshIntents {
        guard let leadership = guardian.leadership, term == nil || term == leadership.term else {
            throw MeshRefusal(.notLeader, "this member does not lead")
        }
        for _ in 0..<Self.attempts {
            let (found, version) = try await read()
            let wanted = found.with(change)
            guard wanted != found else { return found }
            do throws(EffectFailure) {
                if let version {
                    try await lock.write(
                        layout.meshIntents, wanted.json.znode, as: leadership.term, expecting: .exactly(version))
                } else {
                    try await lock.create(layout.meshIntents, wanted.json.znode, as: leadership.term)
                }
                return wanted
            } catch {
                guard guardian.leadership?.term == leadership.term else {
                    throw MeshRefusal(.notLeader, "this member does not lead any more")
                }
                // Written by somebody else in between, it is read again.
                guard try await read().version != version else {
                    throw MeshRefusal(.failed, "\(error)")
                }
            }
        }
        throw MeshRefusal(.conflict, "\(layout.meshIntents) changes all the time")
    }

    private func read() async throws(MeshRefusal) -> (intents: MeshIntents, version: Version?) {
        guard let session = sessions.session else { throw MeshRefusal(.failed, "not connected to ZooKeeper") }
        do throws(ZooKeeperError) {
            guard let (data, stat) = try await session.get(layout.meshIntents, deadline: Self.deadline) else {
                return (MeshIntents(), nil)
            }
            // What cannot be read says nothing, and is replaced by what does.
            let json = try? JSONParser.parse(data)
            return (json.map(MeshIntents.init(json:)) ?? MeshIntents(), stat.version)
        } catch { throw MeshRefusal(.failed, "\(error)") }
    }
}
