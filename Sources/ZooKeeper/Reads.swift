import CZooKeeper
import NIOConcurrencyHelpers
import Waiting

/// One question about the tree.
///
/// A watch is told once: of the next change or deletion, by `exists` also of the next creation.
public enum ReadRequest: Hashable, Sendable {
    public enum Watch: Hashable, Sendable {
        case none
        /// Told as an event.
        case event
        /// Told by ``ZooKeeperSession/takeTold()`` alone: wakes nobody.
        case quiet
    }

    /// The data and their Stat. Sets no watch on a znode that does not exist: use `exists` for that.
    case get(ZNodePath, watch: Watch = .none)
    /// The Stat.
    case exists(ZNodePath, watch: Watch = .none)
    /// The names of the children. Sets no watch on a znode that does not exist.
    case children(ZNodePath, watch: Watch = .none)

    public var path: ZNodePath {
        switch self {
        case .get(let path, _), .exists(let path, _), .children(let path, _): path
        }
    }

    fileprivate func submit(to handle: OpaquePointer, _ context: UnsafeRawPointer?) -> Int32 {
        switch self {
        case .get(let path, let watch):
            zoo_awget(handle, path.description, watch.watcher, watch.context(handle), Completions.data, context)
        case .exists(let path, let watch):
            zoo_awexists(handle, path.description, watch.watcher, watch.context(handle), Completions.stat, context)
        case .children(let path, let watch):
            zoo_awget_children(
                handle, path.description, watch.watcher, watch.context(handle), Completions.children, context)
        }
    }
}

extension ReadRequest.Watch {
    fileprivate var watcher: watcher_fn? {
        switch self {
        case .none: nil
        case .event: SessionState.watcher
        case .quiet: SessionState.quietWatcher
        }
    }

    fileprivate func context(_ handle: OpaquePointer) -> UnsafeMutableRawPointer? {
        self == .none ? nil : UnsafeMutableRawPointer(mutating: zoo_get_context(handle))
    }
}

/// What was answered to a ``ReadRequest``.
public enum ReadAnswer: Sendable {
    /// There is no such znode.
    case absent
    case data([UInt8], ZNodeStat)
    case stat(ZNodeStat)
    /// Sorted.
    case children([String])

    public var data: (data: [UInt8], stat: ZNodeStat)? {
        if case .data(let data, let stat) = self { (data, stat) } else { nil }
    }

    public var stat: ZNodeStat? {
        switch self {
        case .stat(let stat), .data(_, let stat): stat
        case .absent, .children: nil
        }
    }

    public var children: [String]? { if case .children(let names) = self { names } else { nil } }

    fileprivate init(_ reply: Reply, to request: ReadRequest) throws(ZooKeeperError) {
        switch (reply.body, request) {
        case _ where reply.code == .noNode: self = .absent
        case _ where reply.code.rawValue != 0:
            throw ZooKeeperError(reply.code, path: request.path, outcome: .didNotHappen)
        case (.data(let data, let stat), .get): self = .data(data, stat)
        case (.stat(let stat), .exists): self = .stat(stat)
        case (.children(let names), .children): self = .children(names.sorted())
        default: throw ZooKeeperError(.marshalling, path: request.path, outcome: .didNotHappen)
        }
    }
}

extension ZooKeeperSession {
    /// Asks all at once, on one connection, where ZooKeeper answers in the order of asking: what a later answer shows is
    /// not older than what an earlier one shows.
    /// - Throws: the first error, and then nothing is known; a znode that does not exist is none.
    public func read(_ requests: [ReadRequest], deadline: Duration) async throws(ZooKeeperError) -> [ReadAnswer] {
        guard !requests.isEmpty else { return [] }
        let collection = ReadCollection(requests)
        for (index, request) in requests.enumerated() {
            let refused = submit({ request.submit(to: $0, $1) }, finish: { collection.note($0, at: index) })
            if let refused { throw ZooKeeperError(refused, path: request.path) }
        }
        let path = requests.count == 1 ? requests[0].path : nil
        return try await collection.done.value(within: deadline) {
            .failure(ZooKeeperError($0, path: path, outcome: .didNotHappen))
        }.get()
    }

    /// The data and their Stat; nil when there is no such znode (and then no watch: use ``exists(_:watch:deadline:)``).
    public func get(
        _ path: ZNodePath, watch: Bool = false, deadline: Duration
    ) async throws(ZooKeeperError) -> (data: [UInt8], stat: ZNodeStat)? {
        try await read([.get(path, watch: watch ? .event : .none)], deadline: deadline)[0].data
    }

    /// The Stat; nil when there is no such znode.
    public func exists(
        _ path: ZNodePath, watch: Bool = false, deadline: Duration
    ) async throws(ZooKeeperError) -> ZNodeStat? {
        try await read([.exists(path, watch: watch ? .event : .none)], deadline: deadline)[0].stat
    }

    /// The names of the children, sorted; nil when there is no such znode (and then no watch).
    public func children(
        _ path: ZNodePath, watch: Bool = false, deadline: Duration
    ) async throws(ZooKeeperError) -> [String]? {
        try await read([.children(path, watch: watch ? .event : .none)], deadline: deadline)[0].children
    }
}

/// The answers to one read, as they come in.
private final class ReadCollection: Sendable {
    let done = OneShot<Result<[ReadAnswer], ZooKeeperError>>()
    private let requests: [ReadRequest]
    private let answers: NIOLockedValueBox<(got: [ReadAnswer], missing: Int)>

    init(_ requests: [ReadRequest]) {
        self.requests = requests
        answers = NIOLockedValueBox((Array(repeating: .absent, count: requests.count), requests.count))
    }

    func note(_ reply: Reply, at index: Int) {
        do throws(ZooKeeperError) {
            let answer = try ReadAnswer(reply, to: requests[index])
            let all = answers.withLockedValue { answers -> [ReadAnswer]? in
                answers.got[index] = answer
                answers.missing -= 1
                return answers.missing == 0 ? answers.got : nil
            }
            if let all { done.settle(.success(all)) }
        } catch {
            done.settle(.failure(error))
        }
    }
}
