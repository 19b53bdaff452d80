import NIOConcurrencyHelpers

/// What C reported for one request, copied out of its buffers.
struct Reply: Sendable {
    enum Body: Sendable {
        case none
        case stat(ZNodeStat)
        case data([UInt8], ZNodeStat)
        case children([String])
    }

    let code: ZooKeeperError.Code
    let body: Body

    init(_ code: ZooKeeperError.Code, _ body: Body = .none) {
        self.code = code
        self.body = body
    }
}

/// The requests that C has not answered yet, by the number that it got as their context.
///
/// `zookeeper_close` may drop callbacks without a word: whoever waits for them would wait for ever. So each request
/// stands here from before its submission until its callback, and close ends those that are left. The context is a
/// number, not an object: a callback that comes twice or too late finds nothing.
enum Inflight {
    struct Request: Sendable {
        let session: UInt64
        /// CLOCK_BOOTTIME in ns, before it was handed to C.
        let sentAt: Int64
        /// Memory that C writes to until the callback.
        let results: TransactionResults?
        let finish: @Sendable (Reply) -> Void
    }

    private struct Table {
        var next: UInt = 0
        var requests: [UInt: Request] = [:]
    }

    private static let table = NIOLockedValueBox(Table())

    /// Returns the context to hand to C.
    static func register(_ request: Request) -> UInt {
        table.withLockedValue { table in
            table.next &+= 1
            if table.next == 0 { table.next = 1 }  // a null pointer is no number
            table.requests[table.next] = request
            return table.next
        }
    }

    /// Takes the request out: exactly one caller gets it, and that one must finish it.
    static func take(_ context: UInt) -> Request? {
        table.withLockedValue { $0.requests.removeValue(forKey: context) }
    }

    /// Takes out all requests of a session, in the order of their submission.
    static func takeAll(of session: UInt64) -> [Request] {
        table.withLockedValue { table in
            let contexts = table.requests.filter { $0.value.session == session }.keys.sorted()
            return contexts.compactMap { table.requests.removeValue(forKey: $0) }
        }
    }

    /// How many requests of a session C holds.
    static func count(of session: UInt64) -> Int {
        table.withLockedValue { $0.requests.values.count { $0.session == session } }
    }
}
