import AdminModel
import Agent
import HACore
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import PostgresControl

/// Answers requests from what the board knows; only `/cluster`, `/history` and, without a recent view, `/config` read
/// the tree.
struct AdminResponder: HTTPResponder {
    typealias Context = BasicRequestContext

    private let board: StatusBoard
    private let trees: TreeReads
    private let changes: Changes?
    private let mesh: MeshDoor
    private let actions: ClusterActions?
    private let access: AccessRules
    private let headers: CommonHeaders
    private let statusText = StatusText()
    private let startedAt = Instant.current

    /// - Parameter actions: what may be changed from here; nil: nothing.
    init(
        board: StatusBoard, actions: ClusterActions? = nil, access: AccessRules = AccessRules(),
        headers: CommonHeaders = CommonHeaders(), logger: Logger = Logger(label: "matriarch")
    ) {
        self.board = board
        self.access = access
        let trees = TreeReads(board: board)
        self.trees = trees
        self.actions = actions
        mesh = MeshDoor(board: board, logger: logger)
        changes = actions.map {
            Changes(
                leader: LeaderChange(board: board, trees: trees, actions: $0, logger: logger),
                config: ConfigChange(trees: trees, actions: $0, logger: logger),
                member: MemberChange(board: board, trees: trees, actions: $0, logger: logger), reload: $0.reload)
        }
        self.headers = headers
    }

    func respond(to request: Request, context: BasicRequestContext) async throws -> Response {
        await respond(to: request)
    }

    func respond(to request: Request, from client: Client = Client()) async -> Response {
        await answer(request, from: client).response(headers.current)
    }

    private func answer(_ request: Request, from client: Client) async -> Answer {
        let (method, target) = (request.method, RequestTarget(request.head.path ?? "/"))
        let endpoint = "\(method.rawValue) /\(target.firstSegment)"
        if let asked = MeshDoor.Endpoint(method.rawValue, target.path) {
            if let answer = await answer(asked, request, from: client) { return answer }
        }
        if let changes, let change = Change(rawValue: endpoint) {
            if let refusal = await access.refusal(request.headers, from: client, members: { await memberURLs() }) {
                return refusal
            }
            switch change {
            case .switchover, .failover:
                return await withBody(request) { await changes.leader.post(target.firstSegment, $0) }
            case .withdraw: return await changes.leader.withdraw()
            case .patch: return await withBody(request) { await changes.config.patch($0) }
            case .put: return await withBody(request) { await changes.config.put($0) }
            case .reload:
                await changes.reload()
                return .text(202, "reload scheduled")
            case .restart: return await withBody(request, isOptional: true) { await changes.member.restart($0) }
            case .unscheduleRestart: return changes.member.unschedule()
            case .reinitialize:
                return await withBody(request, isOptional: true) { await changes.member.reinitialize($0) }
            case .detach: return await changes.member.detach()
            }
        }
        if let reading = Reading(rawValue: endpoint) { return await answer(reading, target) }
        switch method {
        // These have no handlers of their own: whatever the path, they are health checks (contract/patroni.md 2.1).
        case .get:
            let view = await view(for: target)
            return status(HealthCheck(target).code(view), view)
        case .head, .options: return .bare(HealthCheck(target).code(await view(for: target)))
        default: return .page(501, "Server does not support this operation: \(method.rawValue)")
        }
    }

    /// - Returns: nil when nothing may be changed from here.
    private func answer(_ asked: MeshDoor.Endpoint, _ request: Request, from client: Client) async -> Answer? {
        guard let action = asked.action else { return mesh.read(asked) }
        guard let actions else { return nil }
        if let refusal = await access.refusal(request.headers, from: client, members: { await memberURLs() }) {
            return refusal
        }
        return await withBody(request) { await mesh.change(action, $0, actions) }
    }

    /// Who carries out what changes something.
    private struct Changes {
        let leader: LeaderChange
        let config: ConfigChange
        let member: MemberChange
        let reload: @Sendable () async -> Void
    }

    /// What changes something, by method and first segment.
    private enum Change: String, CaseIterable {
        case switchover = "POST /switchover"
        case failover = "POST /failover"
        case withdraw = "DELETE /switchover"
        /// Of the dynamic configuration.
        case patch = "PATCH /config"
        case put = "PUT /config"
        /// Of the local file.
        case reload = "POST /reload"
        /// Of this member's PostgreSQL.
        case restart = "POST /restart"
        case unscheduleRestart = "DELETE /restart"
        case reinitialize = "POST /reinitialize"
        /// Gives PostgreSQL back; the agent ends. Ours alone.
        case detach = "POST /detach"
    }

    /// What has a handler of its own and changes nothing.
    private enum Reading: String, CaseIterable {
        case patroni = "GET /patroni"
        case liveness = "GET /liveness"
        case readiness = "GET /readiness"
        case cluster = "GET /cluster"
        case history = "GET /history"
        case config = "GET /config"
        case metrics = "GET /metrics"
        case failsafe = "GET /failsafe"
        /// A leader that cannot reach ZooKeeper asks whether it may go on.
        case failsafeRequest = "POST /failsafe"
    }

    /// All that is no health check.
    static var endpoints: [String] {
        Change.allCases.map(\.rawValue) + Reading.allCases.map(\.rawValue)
            + MeshDoor.Endpoint.allCases.map(\.rawValue)
    }

    private func withBody(
        _ request: Request, isOptional: Bool = false, _ answer: (JSONObject) async -> Answer
    ) async -> Answer {
        switch await RequestBody.object(of: request, isOptional: isOptional) {
        case .success(let object): await answer(object)
        case .failure(let problem): problem.answer
        }
    }

    private func memberURLs() async -> [String] {
        ((try? await trees.read()) ?? viewWithoutServer().cluster)?.members.compactMap(\.record.apiURL) ?? []
    }

    private func answer(_ reading: Reading, _ target: RequestTarget) async -> Answer {
        switch reading {
        case .patroni: return status(200, await view(asking: .patroni))
        case .liveness: return .bare(Probes.isAlive(viewWithoutServer()) ? 200 : 503)
        case .readiness: return .bare(Probes.isReady(await view(asking: .position), target.query) ? 200 : 503)
        case .cluster:
            return await trees.answer { tree in
                .json(200, tree.document(scope: board.status?.scope ?? "").json)
            }
        case .history: return await trees.answer { .json(200, $0.history?.json ?? []) }
        case .config: return await config()
        case .metrics: return await metrics()
        case .failsafe, .failsafeRequest: return .page(502, "Failsafe mode is not enabled")
        }
    }

    /// The view that the watches keep up to date serves as well as a read, as long as there is one.
    private func config() async -> Answer {
        func answer(_ tree: TreeSnapshot) -> Answer {
            tree.config.map { .json(200, .object($0)) } ?? .page(502, "No dynamic configuration in the cluster")
        }
        if let cluster = viewWithoutServer().cluster { return answer(cluster) }
        return await trees.answer(answer)
    }

    private func metrics() async -> Answer {
        let view = await view(asking: .position)
        // Samples without scope and name would be another member's.
        guard let status = view.status else { return .failure(503, "the agent has not looked yet") }
        let document = MetricsDocument(view: view, status: status, vitals: board.vitals, mesh: board.mesh.status)
        return .plain(200, document.text)
    }

    private func status(_ code: Int, _ view: HealthView) -> Answer {
        .json(code, text: statusText.text(of: view, log: board.logBacklog))
    }

    private func viewWithoutServer() -> HealthView { HealthView(board, server: nil, startedAt: startedAt) }

    private func view(for target: RequestTarget) async -> HealthView {
        await view(asking: target.query["lag"] == nil ? .role : .position)
    }

    private func view(asking need: ServerQuestion.Need) async -> HealthView {
        let server = await ServerQuestion(need: need).ask(board)
        // The lock is looked at after the wait: the server's answer must not outlive it.
        return HealthView(board, server: server, startedAt: startedAt)
    }
}

extension HealthCheck {
    init(_ target: RequestTarget) { self.init(path: target.path, query: target.query) }
}

extension HealthView {
    fileprivate init(_ board: StatusBoard, server: ServerStatus?, startedAt: Instant) {
        let now = Instant.current
        self.init(
            status: board.status, server: server, holdsLock: board.holdsProvedLock(at: now),
            letsClientsWrite: board.mesh.letsClientsWrite, now: now, startedAt: startedAt)
    }
}
