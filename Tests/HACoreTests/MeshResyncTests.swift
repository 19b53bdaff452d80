import HACore
import Testing

/// Copying a peer's rows on request: `n1` looks, `n2` is copied from, `n3` waits.
@Suite struct MeshResyncTests {
    private static let link = MeshLink("app", "n2")
    private static let all = MeshIntents.Resync(link)
    private static let one = MeshIntents.Resync(link, table: "public.t")

    private static func record(_ node: String) -> MeshRecord {
        var record = MeshRecord(
            mesh: "shop", node: node, term: Term(5), state: .open,
            systemIdentifier: SystemIdentifier(rawValue: "7710451765082907510"),
            timeline: Timeline(1), address: MeshRecord.Address(host: node, port: 5432), postgresVersion: 150_020)
        record.databases["app"] = "UTF8"
        return record
    }

    private static func subscription(_ peer: String, worker: Bool = true) -> MeshDatabase.Subscription {
        MeshDatabase.Subscription(
            name: "sub_n1_\(peer)", provider: peer, dsn: "service=\(peer) dbname=app", slot: "spk_app_\(peer)",
            hasWorker: worker)
    }

    /// A quiet mesh of three, in which `n3` is not connected.
    private static func view(_ stages: [MeshIntents.Resync: MeshIntents.Stage]) -> MeshView {
        var settings = MeshSettings(mesh: "shop", node: "n1", databases: ["app"])
        settings.holdSlots = false
        var database = MeshDatabase()
        database.spockVersion = "5.0.9"
        database.localNode = "n1"
        database.subscriptions = [subscription("n2"), subscription("n3", worker: false)]
        database.origins = ["spk_app_n2": LSN(0x100), "spk_app_n3": LSN(0x100)]
        database.slots["spk_app_n1"] = MeshDatabase.Slot(confirmed: LSN(0x900), restart: LSN(0x900), activePID: 7)
        var peers: [MeshView.Peer] = []
        for node in ["n2", "n3"] {
            var record = record(node)
            var word = MeshLinkRecord()
            word.subscription = "sub_\(node)_n1"
            word.slot = node == "n2" ? "spk_app_n1" : nil
            record.links[MeshLink("app", "n1")] = word
            peers.append(
                MeshView.Peer(scope: node, record: record, leaderTerm: Term(5), writtenAt: Instant(nanoseconds: 0)))
        }
        let address = MeshRecord.Address(host: "n1", port: 5432)
        var view = MeshView(
            now: Instant(nanoseconds: 1_000_000_000), scope: "n1", settings: settings, term: Term(5), own: nil,
            peers: peers,
            server: MeshView.Server(
                systemIdentifier: SystemIdentifier(rawValue: "7710451765082907510"), timeline: Timeline(1),
                forkedAt: nil, position: LSN(0x1000),
                version: 150_020, clientsAreShut: false, readsServices: true),
            addresses: [address], otherMembers: 0, databases: ["app": database],
            routes: ["n2": .open(MeshRecord.Address(host: "n2", port: 5432)), "n3": .shut])
        view.intents.resyncs = stages
        // What is on record already.
        var own = record("n1")
        own.addresses = [address]
        own.spockVersion = "5.0.9"
        view.own = own
        view.own = published(view)
        return view
    }

    private static func published(_ view: MeshView) -> MeshRecord {
        decideMesh(view, MeshMemory()).actions.compactMap { action -> MeshRecord? in
            if case .publish(let record) = action { record } else { nil }
        }.last ?? view.own!
    }

    private static func copies(_ decision: MeshDecision) -> [MeshCopy.Step] {
        decision.actions.compactMap { if case .copy(let copy) = $0 { copy.step } else { nil } }
    }

    private static func amendments(_ decision: MeshDecision) -> [MeshIntents.Change] {
        decision.actions.compactMap { if case .amend(let change) = $0 { change } else { nil } }
    }

    private static func routes(_ decision: MeshDecision) -> [String: MeshRoute] {
        decision.actions.compactMap { if case .route(let routes) = $0 { routes } else { nil } }.last ?? [:]
    }

    @Test func oneTable() {
        let decision = decideMesh(Self.view([Self.one: .requested]), MeshMemory())
        #expect(Self.copies(decision) == [.table(subscription: "sub_n1_n2", table: "public.t")])
        #expect(Self.amendments(decision) == [.copies(Self.one)], "on record as soon as it is done")
        guard case .copy(let copy)? = decision.actions.first(where: { if case .copy = $0 { true } else { false } })
        else {
            return
        }
        #expect(copy.slotOfPeer == "spk_app_n1", "the peer has what was written here before it is emptied")
        var view = Self.view([Self.one: .copying])
        view.databases["app"]?.subscriptions[0].copying = ["public.t"]
        #expect(Self.amendments(decideMesh(view, MeshMemory())).isEmpty)
        #expect(Self.copies(decideMesh(view, MeshMemory())) == [.wake], "nobody else may commit there")
        view.databases["app"]?.subscriptions[0].copying = []
        #expect(Self.copies(decideMesh(view, MeshMemory())).isEmpty)
        #expect(Self.amendments(decideMesh(view, MeshMemory())) == [.ended(Self.one, accepted: nil)])
    }

    @Test func everything() {
        var view = Self.view([Self.all: .requested])
        var decision = decideMesh(view, MeshMemory())
        #expect(Self.copies(decision) == [.leave(subscription: "sub_n1_n2", slot: "spk_app_n2")])
        #expect(Self.amendments(decision).isEmpty)
        // The subscription is gone: only the copy makes another.
        view.databases["app"]?.subscriptions.removeFirst()
        decision = decideMesh(view, MeshMemory())
        #expect(
            Self.copies(decision) == [
                .begin(subscription: "sub_n1_n2", dsn: "service=n2 dbname=app", forwardOrigins: [])
            ])
        #expect(Self.amendments(decision) == [.copies(Self.all)])
        let subscribes = decision.actions.contains { if case .run(_, .subscribe) = $0 { true } else { false } }
        #expect(!subscribes)
        // Under way, then done.
        view = Self.view([Self.all: .copying])
        view.databases["app"]?.subscriptions[0].status = "initializing"
        #expect(Self.amendments(decideMesh(view, MeshMemory())).isEmpty)
        view.databases["app"]?.subscriptions[0].status = "replicating"
        #expect(Self.amendments(decideMesh(view, MeshMemory())) == [.ended(Self.all, accepted: nil)])
    }

    @Test func othersWait() {
        var view = Self.view([Self.all: .requested])
        view.databases["app"]?.subscriptions[1].hasWorker = true
        view.routes["n3"] = .open(MeshRecord.Address(host: "n3", port: 5432))
        var decision = decideMesh(view, MeshMemory())
        #expect(Self.copies(decision).isEmpty, "its rows could come twice")
        #expect(Self.routes(decision)["n3"] == .shut)
        view.routes["n3"] = .shut
        decision = decideMesh(view, MeshMemory())
        #expect(decision.actions.contains { if case .run(_, .kick(["sub_n1_n3"])) = $0 { true } else { false } })
        view.databases["app"]?.subscriptions[1].hasWorker = false
        decision = decideMesh(view, MeshMemory())
        #expect(Self.copies(decision).count == 1 && Self.routes(decision)["n3"] != .open(.init(host: "n3", port: 5432)))
        // When it is over the way is open again.
        view.intents.resyncs = [:]
        #expect(Self.routes(decideMesh(view, MeshMemory()))["n3"] == .open(.init(host: "n3", port: 5432)))
    }

    @Test func thePeerHasToHaveWhatIsHere() {
        var view = Self.view([Self.all: .requested])
        view.databases["app"]?.slots["spk_app_n1"]?.activePID = nil
        #expect(Self.copies(decideMesh(view, MeshMemory())).isEmpty)
        view.databases["app"]?.slots["spk_app_n1"]?.activePID = 7
        view.server.position = LSN(0x900 + (17 << 20))
        let decision = decideMesh(view, MeshMemory())
        #expect(Self.copies(decision).isEmpty)
        #expect(decision.problems.contains { $0.text.contains("until the peer has applied what was written here") })
        // Without its slot it takes nothing from here, and there is nothing to wait for.
        view.databases["app"]?.slots = [:]
        #expect(Self.copies(decideMesh(view, MeshMemory())).count == 1)
    }

    /// Promoted, and the peer's slot does not reach back: held, until it is accepted or copied.
    private static func held(_ stages: [MeshIntents.Resync: MeshIntents.Stage]) -> MeshView {
        var view = view(stages)
        let fork = MeshRecord.Fork(term: Term(4), timeline: Timeline(1), position: LSN(0x80))
        view.own?.fork = fork
        let gap = MeshRange(from: LSN(0x100), to: LSN(0x200))
        view.peers[0].record.links[MeshLink("app", "n1")]?.rewind = .init(term: fork.term, isDone: true, gap: gap)
        view.peers[1].record.links[MeshLink("app", "n1")]?.rewind = .init(term: fork.term, isDone: true)
        return view
    }

    @Test func theWayOutOfAGap() {
        #expect(Self.routes(decideMesh(Self.held([:]), MeshMemory()))["n2"] == .shut)
        var accepted = Self.held([:])
        accepted.routes["n2"] = .shut
        accepted.intents.accepted[Self.link] = Term(4)
        #expect(Self.routes(decideMesh(accepted, MeshMemory()))["n2"] != .shut)
        accepted.intents.accepted[Self.link] = Term(3)
        #expect(
            Self.routes(decideMesh(accepted, MeshMemory()))["n2"] != .open(.init(host: "n2", port: 5432)),
            "of another fork nothing was said")
        // The copy needs the way, and fills the gap.
        let copying = Self.held([Self.all: .copying])
        let decision = decideMesh(copying, MeshMemory())
        #expect(Self.routes(decision)["n2"] != .shut)
        #expect(Self.amendments(decision) == [.ended(Self.all, accepted: Term(4))])
    }

    @Test func byPolicy() {
        var view = Self.held([:])
        view.settings.onGap = .resync
        #expect(Self.amendments(decideMesh(view, MeshMemory())) == [.resync(Self.all)])
        view.intents.resyncs[Self.all] = .requested
        #expect(Self.amendments(decideMesh(view, MeshMemory())).isEmpty)
    }

    @Test func changesOfWhatIsAskedFor() {
        var intents = MeshIntents().with(.resync(Self.all)).with(.accept(Self.link, Term(4)))
        #expect(intents.resync(of: Self.link) == .requested)
        #expect(intents.with(.ended(Self.all, accepted: nil)) == intents, "asked for again, it is not over")
        intents = intents.with(.copies(Self.all))
        #expect(intents.with(.copies(Self.one)) == intents, "nobody asked for it")
        let ended = intents.with(.ended(Self.all, accepted: Term(9)))
        #expect(ended.resyncs.isEmpty && ended.accepted == [Self.link: Term(9)])
        let removed = intents.with(.remove("n2"))
        #expect(removed.resyncs.isEmpty && removed.accepted.isEmpty && removed.removed == ["n2"])
        #expect(removed.with(.add("n2")) == MeshIntents())
    }
}
