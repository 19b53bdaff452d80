import CLibPQ
import Dispatch
import NIOConcurrencyHelpers

/// Sends cancel requests. libpq connects anew for each, and blocks: for as long as TCP does when the host is gone. A few
/// may wait like that; more are dropped, since the server ends the statement by `statement_timeout` anyway.
enum CancelQueue {
    private static let limit = 4
    private static let running = NIOLockedValueBox(0)

    static func send(_ cancel: OpaquePointer) {
        let admitted = running.withLockedValue { running in
            guard running < limit else { return false }
            running += 1
            return true
        }
        guard admitted else { return PQfreeCancel(cancel) }
        let request = Request(cancel)
        // A queue of its own: one that is shared would have few threads, and these may be blocked for minutes.
        DispatchQueue(label: "postgres-cancel").async {
            var reason = [CChar](repeating: 0, count: 256)
            PQcancel(request.pointer, &reason, Int32(reason.count))
            PQfreeCancel(request.pointer)
            running.withLockedValue { $0 -= 1 }
        }
    }

    // @unchecked: handed over to one closure, which alone uses and frees it.
    private struct Request: @unchecked Sendable {
        let pointer: OpaquePointer
        init(_ pointer: OpaquePointer) { self.pointer = pointer }
    }
}
