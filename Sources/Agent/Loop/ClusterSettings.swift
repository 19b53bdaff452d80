import AdminModel
internal import LocalConfiguration
import HACore
import NIOConcurrencyHelpers

/// The configuration in force: the local file, and over it the cluster's document as far as each of its keys holds.
final class ClusterSettings: Sendable {
    private struct State {
        var local: AgentConfig
        var dynamic: DynamicConfig
        /// What `dynamic` was read from.
        var document: JSONObject
        var zxid: Int64?
        /// What wrong keys fall back to.
        var accepted: JSONObject?
        /// The same before the present document: what parameters fall back to that the server turns out to refuse.
        var previous: JSONObject?
        var refused: [String: DynamicConfig.RefusedParameter] = [:]
        /// Counts what changed, and how far PostgreSQL has been given it.
        var revision = 0
        var applied = 0
    }

    private let state: NIOLockedValueBox<State>
    /// What the agent was put together with.
    private let assembled: PostgresSettings

    /// Until the tree was read, what was accepted last holds, else `bootstrap.dcs`.
    /// - Parameter accepted: of `patroni.dynamic.json`.
    init(local: AgentConfig, accepted: JSONObject? = nil) {
        let document = accepted ?? local.bootstrap.dcs ?? [:]
        let dynamic = DynamicConfig(document: document, local: local.postgresql, mesh: local.localMesh)
        assembled = dynamic.postgresql.settings
        state = NIOLockedValueBox(
            State(
                local: local, dynamic: dynamic, document: document, zxid: nil, accepted: accepted, previous: accepted))
    }

    var local: AgentConfig { state.withLockedValue { $0.local } }
    var dynamic: DynamicConfig { state.withLockedValue { $0.dynamic } }
    var postgres: PostgresSettings { state.withLockedValue { $0.dynamic.postgresql.settings } }
    /// What is wanted of this cluster in a Spock mesh; nil: nothing.
    var mesh: MeshSettings? { state.withLockedValue { $0.dynamic.mesh } }
    var tags: Tags { Tags.effective(configured: local.tags) }

    /// The keys whose values in force wait for a restart of the agent.
    var waiting: [ConfigPath] { assembled.waiting(postgres) }

    /// Takes a new document of the znode `config`; nil when it is the one in force already.
    func apply(_ document: JSONObject, zxid: Int64) -> DynamicConfig? {
        state.withLockedValue { state in
            guard state.zxid != zxid else { return nil }
            let former = state.dynamic.accepted
            state.dynamic = DynamicConfig(
                document: document, last: state.accepted, local: state.local.postgresql, mesh: state.local.localMesh,
                standing: state.dynamic.mesh, refused: state.refused)
            state.previous = state.accepted
            if state.dynamic.accepted != former { state.revision += 1 }
            state.accepted = state.dynamic.accepted
            state.document = document
            state.zxid = zxid
            return state.dynamic
        }
    }

    /// Takes a local file that was read again.
    /// - Returns: the keys that wait for a restart of the agent.
    func reload(_ config: AgentConfig) -> [ConfigPath] {
        state.withLockedValue { state in
            let (local, waiting) = state.local.reloaded(config)
            let former = state.dynamic
            state.local = local
            state.dynamic = DynamicConfig(
                document: state.document, last: state.accepted, local: local.postgresql, mesh: local.localMesh,
                standing: former.mesh, refused: state.refused)
            let isSame =
                state.dynamic.postgresql.settings == former.postgresql.settings && state.dynamic.mesh == former.mesh
            if !isSame { state.revision += 1 }
            return waiting
        }
    }

    /// Takes what PostgreSQL said of parameters that it does not take.
    /// - Parameters:
    ///   - reasons: by name.
    ///   - values: with which it was asked.
    /// - Returns: what is new of it and stands in the cluster's document.
    func refuse(_ reasons: [String: String], of values: [String: String]) -> [DynamicConfig.Rejection] {
        state.withLockedValue { state in
            for (name, reason) in reasons {
                state.refused[name] = DynamicConfig.RefusedParameter(value: values[name] ?? "", reason: reason)
            }
            let former = state.dynamic.rejected
            state.dynamic = DynamicConfig(
                document: state.document, last: state.previous ?? state.accepted, local: state.local.postgresql,
                mesh: state.local.localMesh, standing: state.dynamic.mesh, refused: state.refused)
            state.accepted = state.dynamic.accepted
            return state.dynamic.rejected.filter { !former.contains($0) }
        }
    }

    /// The revision that a running PostgreSQL has not been given yet; nil: it has them all.
    var unapplied: Int? { state.withLockedValue { $0.revision == $0.applied ? nil : $0.revision } }

    /// Something else that PostgreSQL's files say has changed.
    func touch() { state.withLockedValue { $0.revision += 1 } }

    /// The revision that the running PostgreSQL was given last.
    var appliedRevision: Int { state.withLockedValue { $0.applied } }

    func applied(_ revision: Int) { state.withLockedValue { $0.applied = revision } }

    /// What decisions depend on.
    var policy: ClusterPolicy {
        let (local, dynamic) = state.withLockedValue { ($0.local, $0.dynamic) }
        let values = dynamic.values
        let postgres = dynamic.postgresql.settings
        let tags = Tags.effective(configured: local.tags)
        var policy = ClusterPolicy()
        policy.loopWait = .seconds(values.loopWait)
        policy.retryTimeout = .seconds(values.retryTimeout)
        policy.ttl = .seconds(values.ttl)
        policy.asksBeforePromotion = postgres.prePromote != nil
        policy.maximumLagOnFailover = UInt64(clamping: values.maximumLagOnFailover)
        policy.checkTimeline = values.checkTimeline
        policy.primaryStartTimeout = .seconds(values.primaryStartTimeout)
        if values.primaryStopTimeout > 0 { policy.primaryStopTimeout = .seconds(values.primaryStopTimeout) }
        policy.synchronous = values.synchronousMode
        policy.synchronousStrict = values.synchronousModeStrict
        policy.synchronousCount = values.synchronousNodeCount
        policy.maximumLagOnSyncNode =
            values.maximumLagOnSyncNode > 0 ? UInt64(values.maximumLagOnSyncNode) : nil
        policy.paused = values.pause
        policy.useRewind = postgres.usePgRewind
        policy.cloneOnRewindFailure = postgres.removeDataDirectoryOnRewindFailure
        policy.cloneOnDivergence = postgres.removeDataDirectoryOnDivergedTimelines
        policy.mayBootstrap =
            local.bootstrap.dcs != nil || !local.bootstrap.initdbOptions.isEmpty || local.bootstrap.method != nil
        policy.hasBootstrapCommand = local.bootstrap.method != nil
        policy.restoresWithoutLeader = postgres.replicaMethods.contains(where: \.noLeader)
        policy.nofailover = tags.nofailover
        policy.replicatefrom = tags.replicatefrom.map { MemberID($0) }
        policy.nostream = tags.nostream
        policy.failoverPriority = tags.failoverPriority
        return policy
    }
}
