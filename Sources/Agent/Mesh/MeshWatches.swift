import NIOConcurrencyHelpers
import ZooKeeper

/// Which znodes the mesh is read from, and which of them have changed since: their events are none of the cluster's own
/// loop.
final class MeshWatches: Sendable {
    private struct State {
        var watched: Set<ZNodePath> = []
        var changed: Set<ZNodePath> = []
    }

    private let state = NIOLockedValueBox(State())
    let wakeup: Wakeup

    init(wakeup: Wakeup) { self.wakeup = wakeup }

    /// The next event of this znode is the mesh's.
    func expect(_ path: ZNodePath) { state.withLockedValue { _ = $0.watched.insert(path) } }

    /// - Returns: false when the event is not the mesh's.
    func take(_ path: ZNodePath) -> Bool {
        let isOurs = state.withLockedValue { state in
            guard state.watched.remove(path) != nil else { return false }
            state.changed.insert(path)
            return true
        }
        if isOurs { wakeup.signal(urgent: true) }
        return isOurs
    }

    /// The changes since the last call.
    func changes() -> Set<ZNodePath> {
        state.withLockedValue { state in
            defer { state.changed = [] }
            return state.changed
        }
    }

    /// Another session has none of the watches of the one before.
    func forget() { state.withLockedValue { $0 = State() } }
}
