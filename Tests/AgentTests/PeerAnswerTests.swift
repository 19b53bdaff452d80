import AdminModel
import AsyncHTTPClient
import Foundation
import HACore
import Support
import Testing
import Waiting

@testable import Agent

@Suite("Answers of peers")
struct PeerAnswerTests {
    private func answer(_ text: String) throws -> PeerRound.Answer? {
        PeerRound.Answer(status: try JSONParser.parse(text))
    }

    @Test("a primary as Patroni answers")
    func primary() throws {
        let answer = try answer(
            #"{"state": "running", "postmaster_start_time": "2026-11-21 02:50:49.684824+00:00", "role": "primary", "server_version": 150020, "xlog": {"location": 67109064}, "timeline": 1, "replication": [{"usename": "replicator", "application_name": "node-1", "client_addr": "127.0.0.1", "state": "streaming", "sync_state": "sync", "sync_priority": 1}], "dcs_last_seen": 1795229517, "tags": {"custom": "x0"}, "database_system_identifier": "7710451765082907510", "patroni": {"version": "4.1.4", "scope": "gold", "name": "node-0"}}"#
        )
        #expect(answer == PeerRound.Answer(inRecovery: false, position: LSN(67_109_064), timeline: Timeline(1)))
    }

    @Test("a standby counts with the greater of received and replayed", arguments: ["xlog", "wal"])
    func standby(key: String) throws {
        let json =
            #"{"role":"replica","timeline":2,"tags":{"failover_priority":3},"\#(key)":{"received_location":500,"replayed_location":700,"replayed_timestamp":null,"paused":false}}"#
        #expect(
            try answer(json)
                == PeerRound.Answer(inRecovery: true, position: LSN(700), timeline: Timeline(2), failoverPriority: 3))
        let received = json.replacing("500", with: "900")
        #expect(try answer(received)?.position == LSN(900))
    }

    @Test("wal goes before xlog, and a null is no wal")
    func bothKeys() throws {
        let both = #"{"wal":{"location":2},"xlog":{"location":1},"role":"primary"}"#
        #expect(try answer(both)?.position == LSN(2))
        #expect(try answer(#"{"wal":null,"xlog":{"location":1},"role":"primary"}"#)?.position == LSN(1))
    }

    @Test("a primary is one by its role or by its position, whatever the other says", arguments: ["primary", "master"])
    func byEither(role: String) throws {
        #expect(try answer(#"{"role":"\#(role)","xlog":{}}"#)?.inRecovery == false)
        #expect(try answer(#"{"role":"replica","xlog":{"location":5}}"#)?.inRecovery == false)
        #expect(try answer(#"{"role":"replica","xlog":{"received_location":5}}"#)?.inRecovery == true)
    }

    @Test(
        "without a position it counts as unreachable",
        arguments: [
            #"{"state":"stopped","role":"demoted"}"#, #"{"xlog":5,"role":"primary"}"#, #"{"xlog":[]}"#, "[]", "null",
            "5",
        ])
    func noPosition(text: String) throws {
        #expect(try answer(text) == nil)
    }

    @Test("a timeline that is not known, tags and a failed watchdog")
    func rest() throws {
        for timeline in ["0", "null", "-1", "4294967296", "\"1\""] {
            #expect(try answer(#"{"xlog":{},"timeline":\#(timeline)}"#)?.timeline == nil)
        }
        let barred = try answer(#"{"xlog":{"received_location":-3},"tags":{"nofailover":true},"watchdog_failed":true}"#)
        #expect(
            barred
                == PeerRound.Answer(
                    inRecovery: true, position: .zero, nofailover: true, failoverPriority: 0, disabled: true))
    }
}

/// A peer that answers each connection with the same bytes and then says nothing more.
private final class StuckPeer: Sendable {
    let port: UInt16
    private let listener: Int32
    private let clients = Locked<[Int32]>([])

    init(_ response: String) throws {
        port = try FreePort.next()
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr = in_addr(s_addr: UInt32(0x7f00_0001).bigEndian)
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        try #require(bound && listen(listener, 8) == 0)
        startThread(named: "peer") { [listener, clients] in
            while case let client = accept(listener, nil, nil), client >= 0 {
                clients.withLock { $0.append(client) }
                send(client, response, response.utf8.count, Int32(MSG_NOSIGNAL))
            }
        }
    }

    /// Ends the thread and its connections.
    func stop() {
        shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
        clients.withLock { $0 }.forEach { close($0) }
    }
}

@Suite("Questions to peers", .serialized, .timeLimit(.minutes(1)))
struct PeerClientTests {
    private static let status = #"{"role": "replica", "xlog": {"received_location": 77}}"#
    private static let whole = response(status)

    private static func response(_ status: String) -> String {
        "HTTP/1.0 200 OK\r\nContent-Length: \(status.utf8.count)\r\n\r\n\(status)"
    }

    /// - Parameter vanished: that they are no members any more.
    private func ask(_ responses: [String], vanished: Bool = false) async throws -> (PeerRound, Duration) {
        let peers = try responses.map(StuckPeer.init)
        defer { peers.forEach { $0.stop() } }
        let client = HTTPClient(eventLoopGroupProvider: .singleton)
        var members: [(name: MemberID, record: MemberRecord)] = []
        for (index, peer) in peers.enumerated() {
            var record = MemberRecord()
            record.apiURL = "http://127.0.0.1:\(peer.port)/patroni"
            members.append((MemberID("peer-\(index)"), record))
        }
        let start = Instant.now
        let round = await PeerClient(client: client).ask(vanished ? [] : members, vanished: vanished ? members : [])
        let took = Instant.now - start
        try await client.shutdown()
        return (round, took)
    }

    @Test("who answers is heard, although others stop before, in and after the head of theirs")
    func stuck() async throws {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
        let (round, took) = try await ask(["", "HTTP/1.1 200", head, head + "{\"xlog\": ", Self.whole])
        #expect(round.asked.count == 5)
        #expect(round.answers.keys.allSatisfy { $0 == "peer-4" })
        #expect(took < .seconds(10), "a silent peer is waited for 120 ms")
    }

    @Test("a whole answer is read, also of the server's error code")
    func answers() async throws {
        let position = try await eventually("an answer within its deadline") {
            try await ask([Self.whole.replacing("200 OK", with: "503 Service Unavailable")]).0.answers["peer-0"]?
                .position
        }
        #expect(position == LSN(77))
    }

    @Test("who is no member any more counts while it is a primary, and holds nobody up otherwise")
    func vanished() async throws {
        let primary = Self.whole.replacing("replica", with: "primary")
        try await eventually("an answer within its deadline") {
            let (round, _) = try await ask([primary, Self.whole, ""], vanished: true)
            #expect(round.asked.isEmpty && Set(round.answers.keys).isSubset(of: ["peer-0"]))
            return round.answers["peer-0"]?.inRecovery == false
        }
    }

    @Test("where no PostgreSQL runs there is no position, and no silence; a primary is not believed that it is stopped")
    func stopped() async throws {
        let says = { (state: String, role: String) in Self.response(#"{"state":"\#(state)","role":"\#(role)"}"#) }
        try await eventually("all answer within their deadline") {
            let (round, _) = try await ask([
                says("stopped", "demoted"), says("stopped", "primary"), says("stopping", "demoted"),
                says("crashed", "demoted"),
            ])
            #expect(round.answers.isEmpty && round.stopped.isSubset(of: ["peer-0"]))
            return round.stopped == ["peer-0"]
        }
    }

    @Test("a member without an address is not asked, nonsense is no answer")
    func nonsense() async throws {
        let (round, _) = try await ask(["HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", "SSH-2.0-OpenSSH\r\n"])
        #expect(round.asked == ["peer-0", "peer-1"])
        #expect(round.answers.isEmpty)
        let client = HTTPClient(eventLoopGroupProvider: .singleton)
        #expect(await PeerClient(client: client).ask([("silent", MemberRecord())]).asked.isEmpty)
        try await client.shutdown()
    }
}
