import AdminModel
import Agent
import HACore
import NIOConcurrencyHelpers
import PostgresControl

/// The status document as text, made anew only when something that it shows has changed: a load balancer's checks ask for
/// it hundreds of times between two looks.
final class StatusText: Sendable {
    /// All that the document is made from.
    private struct Source: Hashable {
        var status: Int?
        var answeredAt: Instant?
        var treeIsFresh: Bool
        var logWaiting: Int
        var logLost: Int
    }

    private let latest = NIOLockedValueBox<(source: Source, text: String)?>(nil)

    func text(of view: HealthView, log: (waiting: Int, lost: Int)) -> String {
        let source = Source(
            status: view.status?.number, answeredAt: view.server?.sql.at, treeIsFresh: view.cluster != nil,
            logWaiting: log.waiting, logLost: log.lost)
        if let text = latest.withLockedValue({ $0?.source == source ? $0?.text : nil }) { return text }
        let text = StatusDocument(view: view, log: log).json.text(.spaced)
        latest.withLockedValue { $0 = (source, text) }
        return text
    }
}
