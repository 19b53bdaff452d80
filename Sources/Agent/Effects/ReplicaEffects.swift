import AdminModel
import HACore
import LibPQ
import Logging
import PostgresControl

extension EffectHandlers {
    /// What a member does to follow another.
    func replicate(_ effect: Effect) async throws(EffectFailure) {
        switch effect {
        case .readUpstream(let member, let term): try await readUpstream(member, term)
        case .follow(let member, let term): try await follow(member, term)
        case .kick:
            do { try await server.keeper.client().kick(for: .milliseconds(100)) } catch {
                throw EffectFailure("\(error)")
            }
        case .rewind(let member): try await rewind(from: member)
        case .clone(let member): try await createReplica(from: member)
        case .restore: try await createReplica(from: nil)
        case .reinitialize(let member): try await createReplica(from: member, isOrdered: true)
        default: break
        }
    }

    func source(
        _ member: MemberID, as account: LocalPostgresConfig.Account? = nil
    ) async throws(EffectFailure) -> Upstream {
        guard let record = latest.tree?.record(of: member), let upstream = server.upstream(record, as: account) else {
            throw EffectFailure("the record of \(member) names no address")
        }
        do { try await server.writePassfile(for: upstream) } catch { throw EffectFailure("\(error)") }
        return upstream
    }

    private func readUpstream(_ member: MemberID, _ term: Term) async throws(EffectFailure) {
        let upstream = try await source(member)
        do {
            let (identity, history) = try await TimelineReader(
                target: upstream.connection(applicationName: me.rawValue)
            ).read(deadline: .seconds(2))
            latest.upstream = UpstreamView(
                member: member, term: term, systemIdentifier: identity.systemIdentifier, timeline: identity.timeline,
                history: history)
        } catch {
            throw EffectFailure("\(error)")
        }
    }

    private func follow(_ member: MemberID?, _ term: Term) async throws(EffectFailure) {
        var upstream: Upstream?
        if let member { upstream = try await source(member) }
        do {
            var parameters = await server.parameters(as: .standby)
            parameters = parameters.raised(to: try await server.inspector.controlData(server.dataDirectory))
            let changed = try await server.writeConfiguration(as: .standby, following: upstream, parameters)
            latest.following = Following(member: member, term: term)
            guard await server.keeper.status()?.postmasterPID != nil else { return }
            if changed { try await server.reload() }
            // The startup process sleeps between tries: kicked, it connects at once (design/postgres.md 6).
            try await server.keeper.client().kick(for: .milliseconds(500))
        } catch let error as EffectFailure {
            throw error
        } catch {
            throw EffectFailure("\(error)")
        }
    }
}
