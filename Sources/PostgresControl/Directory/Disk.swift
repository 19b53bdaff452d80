import Dispatch
import Waiting

/// Where file operations run: a thread that may block, so that a slow disk does not take the cooperative pool with it.
enum Disk {
    private static let queue = DispatchQueue(label: "postgres-control.disk")
    /// For what copies or removes whole directories: a look at a small file does not wait behind it.
    private static let bulk = DispatchQueue(label: "postgres-control.disk-bulk")

    /// Runs the operations in the order of the calls.
    /// - Parameter deadline: the caller leaves then; the operation itself cannot be ended, its outcome is unknown.
    static func run<Value: Sendable>(
        within deadline: Duration = .seconds(60),
        _ body: @escaping @Sendable () throws(PostgresControlError) -> Value
    ) async throws(PostgresControlError) -> Value {
        let done = OneShot<Result<Value, PostgresControlError>>()
        (deadline > .seconds(60) ? bulk : queue).async {
            done.settle(Result { () throws(PostgresControlError) in try body() })
        }
        let result = await done.value(within: deadline) {
            .failure(PostgresControlError(.timedOut, "a file operation on a slow disk", outcome: .unknown))
        }
        return try result.get()
    }
}
