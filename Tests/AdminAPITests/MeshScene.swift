import HACore
import NIOConcurrencyHelpers
import PostgresControl

@testable import Agent

/// One moment of a cluster in a mesh of two: `n1`, here, was promoted, and `n2` has a slot that reaches too short.
enum MeshScene {
    static let link = MeshLink("app", "n2")
    static let fork = MeshRecord.Fork(term: Term(30), timeline: Timeline(2), position: LSN(0x200_0000))
    static let gap = MeshRange(from: LSN(0x500_0000), to: LSN(0x500_1000))

    static var settings: MeshSettings { MeshSettings(mesh: "shop", node: "n1", databases: ["app"]) }

    static func record(_ node: String, _ link: MeshLink, _ word: MeshLinkRecord) -> MeshRecord {
        var record = MeshRecord(
            mesh: "shop", node: node, term: Term(30), state: .open,
            systemIdentifier: SystemIdentifier(rawValue: "7710451765082907510"), timeline: Timeline(2),
            address: MeshRecord.Address(host: "\(node).example", port: 5432), postgresVersion: 150_020)
        record.databases["app"] = "UTF8"
        record.links[link] = word
        return record
    }

    /// - Parameter leads: this member; another one knows only what the tree says.
    static func status(leads: Bool = true) -> MeshStatus {
        var mine = MeshLinkRecord()
        mine.subscription = "sub_n1_n2"
        mine.slot = "spk_app_n2_sub_n1_n2"
        mine.status = "replicating"
        mine.origin = LSN(0x500_0000)
        mine.holdSlot = "hold_app_n2"
        mine.rewind = MeshLinkRecord.Rewind(term: Term(20), isDone: true)
        var theirs = MeshLinkRecord()
        theirs.subscription = "sub_n2_n1"
        theirs.slot = "spk_app_n1_sub_n2_n1"
        theirs.rewind = MeshLinkRecord.Rewind(term: fork.term, isDone: true, gap: gap)
        var own = record("n1", link, mine)
        own.fork = fork
        own.findings = [MeshFinding(.gap, link, range: gap, term: Term(30))]
        let peer = MeshView.Peer(
            scope: "silver", record: record("n2", MeshLink("app", "n1"), theirs), leaderTerm: Term(30),
            writtenAt: Instant(nanoseconds: 1))
        var status = MeshStatus(
            settings: settings, own: own, peers: [peer], intents: MeshIntents(), view: leads ? view(own, peer) : nil,
            problems: leads ? [MeshProblem(link, "nothing is applied")] : [], reason: leads ? "as it should be" : "")
        status.actions = leads ? ["database app: dropping slot x"] : []
        status.needs = leads ? ["max_wal_senders": 5] : [:]
        return status
    }

    private static func view(_ own: MeshRecord, _ peer: MeshView.Peer) -> MeshView {
        var database = MeshDatabase()
        database.spockVersion = "5.0.9"
        database.localNode = "n1"
        database.subscriptions = [
            MeshDatabase.Subscription(
                name: "sub_n1_n2", provider: "n2", dsn: "service=n2 dbname=app", slot: "spk_app_n2_sub_n1_n2")
        ]
        database.origins = ["spk_app_n2_sub_n1_n2": LSN(0x500_0000)]
        database.slots["spk_app_n1_sub_n2_n1"] = MeshDatabase.Slot(
            confirmed: LSN(0x300_0000), restart: LSN(0x2F0_0000), activePID: 4711)
        database.slots["spk_app_n1_sub_n2_n1"]?.lag = .milliseconds(12)
        database.slots["hold_app_n2"] = MeshDatabase.Slot(confirmed: LSN(0x280_0000), restart: LSN(0x270_0000))
        let server = MeshView.Server(
            systemIdentifier: own.systemIdentifier, timeline: own.timeline, forkedAt: fork.position,
            position: LSN(0x300_0400), version: 150_020, clientsAreShut: false, readsServices: true)
        return MeshView(
            now: Instant(nanoseconds: 2), scope: "gold", settings: settings, term: Term(30), own: own, peers: [peer],
            server: server, addresses: [own.address], otherMembers: 1, databases: ["app": database],
            routes: ["n2": .shut])
    }

    static func board(_ status: MeshStatus?, letsClientsWrite: Bool = true) -> MeshBoard {
        let board = MeshBoard { letsClientsWrite }
        board.post(status)
        return board
    }
}
