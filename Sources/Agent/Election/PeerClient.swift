import AdminModel
import AsyncHTTPClient
import HACore
import Logging
import NIOCore

/// Asks the other members where they are, the way Patroni's members do: `GET` of their `api_url` (contract 2.3, 4.4).
struct PeerClient: Sendable {
    /// Rulings, Lock 15.
    static let deadline = Duration.milliseconds(120)

    private let client: HTTPClient
    private let tls: TransportSecurity?

    /// - Parameter tls: for peers whose URL is `https`; nil: by the client's own rules.
    init(client: HTTPClient, tls: TransportSecurity? = nil) {
        self.client = client
        self.tls = tls
    }

    /// Asks everybody at once; who does not answer in time is absent from the answers.
    /// - Parameter vanished: no members any more: they count only while they are primaries.
    func ask(
        _ members: [(name: MemberID, record: MemberRecord)], vanished: [(name: MemberID, record: MemberRecord)] = []
    ) async -> PeerRound {
        let askedAt = Instant.now
        return await withTaskGroup(of: (MemberID, Reply?).self) { group in
            for (name, record) in members + vanished {
                guard let url = record.apiURL else { continue }
                group.addTask { (name, await answer(from: url)) }
            }
            let asked = Set(members.filter { $0.record.apiURL != nil }.map(\.name))
            var round = PeerRound(askedAt: askedAt, asked: asked, answers: [:])
            for await (name, reply) in group {
                switch reply {
                case .position(let answer) where asked.contains(name) || !answer.inRecovery:
                    round.answers[name] = answer
                case .stopped where asked.contains(name): round.stopped.insert(name)
                default: break
                }
            }
            return round
        }
    }

    /// Whether anything answers at the `/liveness` beside this `api_url` (contract/patroni.md 1.6).
    func isAlive(_ url: String) async -> Bool {
        let base = url.hasSuffix("/patroni") ? String(url.dropLast("/patroni".count)) : url
        let response = try? await client.execute(request(base + "/liveness"), timeout: .seconds(3))
        return response != nil
    }

    private func request(_ url: String) -> HTTPClientRequest {
        var request = HTTPClientRequest(url: url)
        if url.hasPrefix("https:") { request.tlsConfiguration = tls?.peers }
        return request
    }

    private func answer(from url: String) async -> Reply? {
        // The client's own timeout ends with the head of the response: a peer that stops in its body would be waited for.
        await withTaskGroup(of: Reply?.self) { group in
            group.addTask {
                do {
                    let response = try await client.execute(
                        request(url), timeout: .nanoseconds(Self.deadline.nanoseconds))
                    let body = try await response.body.collect(upTo: 1 << 20)
                    return Reply(status: try JSONParser.parse(Array(buffer: body)))
                } catch {
                    return nil
                }
            }
            group.addTask {
                try? await Task.sleep(for: Self.deadline, clock: .continuous)
                return nil
            }
            defer { group.cancelAll() }
            return await group.next() ?? nil
        }
    }
}

private enum Reply: Sendable {
    case position(PeerRound.Answer)
    /// No PostgreSQL runs there, neither by SQL nor by what its agent knows of the process.
    case stopped

    /// Nil when it says neither, which counts as unreachable.
    init?(status: JSONValue) {
        if let answer = PeerRound.Answer(status: status) {
            self = .position(answer)
        } else if status["state"]?.asString == MemberState.stopped.rawValue,
            MemberRole(json: status["role"]) != .primary
        {
            self = .stopped
        } else {
            return nil
        }
    }
}

extension PeerRound.Answer {
    /// What a member's status JSON says; nil when it has no position.
    init?(status: JSONValue) {
        guard let wal = status["wal"]?.asObject ?? status["xlog"]?.asObject else { return nil }
        func position(_ key: String) -> UInt64 { wal[key]?.asInt.flatMap { UInt64(exactly: $0) } ?? 0 }
        let role = MemberRole(json: status["role"])
        let tags = Tags(status["tags"]?.asObject ?? [:])
        let inRecovery = !wal.contains("location") && role != .primary
        self.init(
            inRecovery: inRecovery,
            position: LSN(
                inRecovery ? max(position("received_location"), position("replayed_location")) : position("location")),
            // 0 is what Patroni says for "unknown".
            timeline: status["timeline"]?.asInt.flatMap { UInt32(exactly: $0) }.flatMap {
                $0 == 0 ? nil : Timeline($0)
            },
            nofailover: tags.nofailover, failoverPriority: tags.failoverPriority,
            disabled: status["watchdog_failed"]?.asBool == true,
            provedSlots: status["matriarch"]?["slots"]?.asInt.flatMap { Int(exactly: $0) } ?? 0)
    }
}
