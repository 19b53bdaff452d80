import CPlatform

/// The way for one plain thread to renew a lease: no actor, no task, no await between the clock and the socket.
///
/// Writes go through the same handle as those of ``ZooKeeperSession``; after `close()` began, none is accepted.
public final class RenewalPort: Sendable {
    private let handle: Handle

    init(handle: Handle) { self.handle = handle }

    /// The connection as the client's thread last saw it; nil while there is none.
    public var connection: Connection? { handle.state.connection }

    /// As ``ZooKeeperSession/abandonConnection()``: for a renewal that is not acknowledged in time. Takes about a
    /// millisecond.
    @discardableResult
    public func abandonConnection() -> Bool { handle.with { ConnectionBreaker.shutDown($0) } ?? false }

    /// Hands a `multi` to the client. Does not block.
    ///
    /// - Parameter completion: called exactly once when this returns true, on the client's thread (or, at close, on
    ///   another one with `.closing`, outcome unknown). It must not block, nor close the session. Session events and
    ///   completions come in their order on that thread.
    /// - Returns: false when nothing was handed over: not connected, closing, or the session has ended. `completion` is
    ///   not called then.
    public func submit(
        _ operations: [Operation], completion: @escaping @Sendable (RenewalResult) -> Void
    ) -> Bool {
        guard !operations.isEmpty, let connection = handle.state.connection else { return false }
        let results = TransactionResults(operations)
        let refused = handle.submit(results: results) { pointer, context in
            results.submit(to: pointer, handle.accessControl, context)
        } finish: { [handle] reply, sentAt in
            completion(
                RenewalResult(
                    submittedOn: connection.generation, completedOn: handle.state.connection?.generation,
                    sentAt: sentAt,
                    completedAt: matriarch_boottime_ns(), result: results.outcome(reply)))
        }
        return refused == nil
    }
}

/// The end of one renewal.
public struct RenewalResult: Sendable {
    /// The connection's generation when it was submitted.
    public let submittedOn: UInt64
    /// The connection's generation when it ended; nil without a connection.
    public let completedOn: UInt64?
    /// CLOCK_BOOTTIME in ns, before it was handed to the client.
    public let sentAt: Int64
    /// CLOCK_BOOTTIME in ns, when the client's thread processed the acknowledgement (or the failure).
    public let completedAt: Int64
    public let result: Result<[OperationResult], ZooKeeperError>

    /// Sent and acknowledged on one connection: only then it says something about that connection.
    public var isOnOneConnection: Bool { submittedOn == completedOn }
}

extension TransactionResults {
    /// What a reply to the `multi` means.
    func outcome(_ reply: Reply) -> Result<[OperationResult], ZooKeeperError> {
        guard reply.code.rawValue != 0 else { return .success(successes()) }
        let index = failedOperation(reply.code)
        return .failure(
            ZooKeeperError(
                reply.code, path: path(of: index), failedOperation: index,
                outcome: reply.code.isRefusal ? .didNotHappen : .unknown))
    }
}
