import AdminModel
import Agent
import HACore
import PostgresControl

/// The two probes of container platforms (contract/patroni.md 2.5).
enum Probes {
    /// `/liveness`: the loop has looked when it should have, with patience. In pause always.
    static func isAlive(_ view: HealthView) -> Bool {
        guard let status = view.status else {
            // Before the first look, with the defaults of `loop_wait` and `ttl`: ZooKeeper may be away at the start.
            return view.now - view.startedAt < .seconds(10 + 2 * 30)
        }
        if view.isPaused { return true }
        let values = status.dynamic.values
        let leads = status.role == .primary && status.local?.isRunning == true
        let patience = Duration.seconds(values.loopWait + (leads ? values.ttl : 2 * values.ttl))
        return status.lookedAt + patience > view.now
    }

    /// `/readiness`: the leader, or a standby that streams and is not further behind than `lag`, by what it has
    /// replayed or, with `mode=write`, received.
    static func isReady(_ view: HealthView, _ query: QueryParameters) -> Bool {
        if view.holdsLock { return true }
        guard let status = view.status, let server = view.server, view.state == .running,
            server.replicationState == "streaming",
            view.cluster != nil || server.receiver?.latestEndLSN != nil
        else { return false }
        let limit =
            query["lag"].flatMap { SettingText.integer($0, in: .bytes) } ?? status.dynamic.values.maximumLagOnFailover
        return view.lag(behind: query["mode"] == "write" ? server.receivedLocation : server.sql.replayed) <= limit
    }
}
