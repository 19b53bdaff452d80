import Waiting

extension OneShot {
    /// As without cancellation; `late` learns whether the deadline or the task's cancellation came first.
    func value(within deadline: Duration, else late: @escaping @Sendable (ZooKeeperError.Code) -> Value) async -> Value
    {
        await withTaskCancellationHandler {
            await value(within: deadline) { late(.deadline) }
        } onCancel: {
            settle(late(.cancelled))
        }
    }
}

extension Duration {
    /// Nanoseconds; the most an Int64 holds when there are more.
    var wholeNanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        return overflow ? (seconds < 0 ? .min : .max) : product.addingReportingOverflow(attoseconds / 1_000_000_000).0
    }
}
