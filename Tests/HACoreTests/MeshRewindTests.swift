import HACore
import Testing

/// This cluster's slot for a peer that was promoted goes back (design/zones.md 3, step 5).
@Suite("Rewinds through the hold slot")
struct MeshRewindTests {
    private static let real = MeshScene.slot("b", "a")
    private static let link = MeshScene.b

    /// Peer `b` was promoted with our changes up to 950; its predecessor had confirmed 1100; the hold slot is at 900.
    private static func behind(origin: UInt64 = 950, hold: UInt64? = 900) -> MeshScene {
        var scene = MeshScene()
        scene.promote("b", term: 610, at: 2000, .open, opened: 2100)
        scene.changeWord("b") { $0.origin = LSN(origin) }
        scene.changeSubscription(to: "b") { $0.hasWorker = false }
        scene.view.routes["b"] = .shut
        scene.view.own?.links[link]?.answered = Term(610)
        scene.view.own?.links[link]?.followed = Term(610)
        scene.changeDatabase {
            $0.slots[real]?.activePID = nil
            $0.slots["hold_app_b"] = hold.map { .init(confirmed: LSN($0), restart: LSN(800)) }
        }
        return scene
    }

    private static let back = [
        MeshStatement.dropSlot(real), MeshStatement.copySlot(from: "hold_app_b", to: real),
    ]

    @Test("It is begun on record, then done, then said to be done")
    func order() {
        var scene = Self.behind()
        let first = scene.step()
        #expect(first.published?.links[Self.link]?.rewind == .init(term: Term(610), isDone: false, isMoved: true))
        #expect(first.statements.allSatisfy { !Self.back.contains($0) })
        #expect(scene.step().statements.filter { Self.back.contains($0) } == Self.back)
        scene.changeDatabase { $0.slots[Self.real] = .init(confirmed: LSN(900), restart: LSN(800)) }
        let third = scene.step()
        #expect(third.published?.links[Self.link]?.rewind == .init(term: Term(610), isDone: true, isMoved: true))
        #expect(third.published?.links[Self.link]?.confirmed == LSN(900))
    }

    @Test("On 17 the copy is kept on the standbys before the peer may use it")
    func keptOnStandbys() {
        var scene = Self.behind()
        scene.view.server.version = 170_004
        scene.step()
        scene.changeDatabase {
            $0.slots[Self.real] = .init(confirmed: LSN(900), restart: LSN(800))
            $0.slots[Self.real]?.isOnStandbys = false
        }
        let before = scene.step()
        #expect(before.statements == [.keepOnStandbys(slot: Self.real)])
        #expect(before.published?.links[Self.link]?.rewind?.isDone != true)
        scene.changeDatabase { $0.slots[Self.real]?.isOnStandbys = true }
        #expect(scene.step().published?.links[Self.link]?.rewind?.isDone == true)
    }

    @Test("Killed between the two statements, whoever leads next copies the slot", arguments: [500, 510])
    func finished(term: Int64) {
        var scene = Self.behind()
        scene.step()
        scene.changeDatabase { $0.slots[Self.real] = nil }
        scene.view.term = Term(term)
        scene.memory = MeshMemory()
        scene.step()
        #expect(scene.decision.statements.contains(.copySlot(from: "hold_app_b", to: Self.real)))
        #expect(!scene.decision.statements.contains(.dropSlot(Self.real)))
    }

    struct Row: Sendable, CustomTestStringConvertible {
        let origin: UInt64
        let hold: UInt64
        var safe: UInt64?
        let gap: ClosedRange<UInt64>?
        var testDescription: String { "origin \(origin) hold \(hold) safe \(safe ?? 0)" }
    }

    @Test(
        "What proves that nothing is missing",
        arguments: [
            Row(origin: 950, hold: 900, gap: nil), Row(origin: 900, hold: 900, gap: nil),
            Row(origin: 850, hold: 900, gap: 850...900), Row(origin: 850, hold: 900, safe: 899, gap: 850...900),
            Row(origin: 850, hold: 900, safe: 900, gap: nil), Row(origin: 0, hold: 900, safe: 1000, gap: nil),
        ])
    func proof(row: Row) {
        var scene = Self.behind(origin: row.origin, hold: row.hold)
        scene.changeWord("b") { word in
            word.safe = row.safe.map { .init(confirmed: LSN($0), position: LSN(1), term: Term(1)) }
        }
        let rewind = scene.decision.published?.links[Self.link]?.rewind
        #expect(rewind?.gap == row.gap.map { MeshRange(from: LSN($0.lowerBound), to: LSN($0.upperBound)) })
    }

    @Test("A promoted standby keeps only the proof that it has itself")
    func inheritedProof() {
        var scene = MeshScene()
        scene.view.own?.links[MeshScene.b]?.safe = .init(confirmed: LSN(900), position: LSN(4000), term: Term(600))
        scene.view.own?.links[MeshScene.c]?.safe = .init(confirmed: LSN(900), position: LSN(4001), term: Term(700))
        scene.promote(at: 4000, position: 4100)
        #expect(scene.decision.published?.links[MeshScene.b]?.safe?.confirmed == LSN(900))
        #expect(scene.decision.published?.links[MeshScene.c]?.safe == nil)
    }

    @Test("While the slot has a user nothing is said to be done: what it has confirmed may be on its way")
    func active() {
        var scene = Self.behind()
        scene.changeDatabase { $0.slots[Self.real] = .init(confirmed: LSN(900), restart: LSN(800), activePID: 5) }
        #expect(scene.decision.published?.links[Self.link]?.rewind?.isDone == false)
        scene = Self.behind(hold: nil)
        scene.changeDatabase { $0.slots[Self.real] = .init(confirmed: LSN(900), restart: LSN(800), activePID: 5) }
        #expect(scene.decision.statements.contains(.endSender(slot: Self.real)))
        #expect(scene.decision.published?.links[Self.link]?.rewind?.isDone != true)
    }

    @Test("Without a hold slot a gap is suspected where the slot is beyond the progress")
    func noHold() {
        var scene = Self.behind(hold: nil)
        let gap = MeshRange(from: LSN(950), to: LSN(1100))
        #expect(scene.decision.published?.links[Self.link]?.rewind == .init(term: Term(610), isDone: true, gap: gap))
        scene.changeWord("b") { $0.origin = LSN(1100) }
        #expect(scene.decision.published?.links[Self.link]?.rewind == .init(term: Term(610), isDone: true))
    }

    @Test("Only the present leader's word counts, once it has read its progress")
    func notYet() {
        var scene = Self.behind()
        scene.change("b") { $0.leaderTerm = nil }
        #expect(scene.decision.published?.links[Self.link]?.rewind == nil)
        scene = Self.behind()
        scene.changeWord("b") { $0.origin = nil }
        #expect(scene.decision.published?.links[Self.link]?.rewind == nil)
        scene.changeWord("b") { $0.slot = nil }
        #expect(scene.decision.published?.links[Self.link]?.rewind == nil)
        scene.changeWord("b") { $0.subscription = nil }
        #expect(scene.decision.published?.links[Self.link]?.rewind == .init(term: Term(610), isDone: true))
    }

    @Test("A standby promoted here may have a copy from before: what had gone back goes back again")
    func copied() {
        var scene = Self.behind()
        scene.view.own?.links[Self.link]?.rewind = .init(term: Term(610), isDone: true, isMoved: true)
        scene.promote(at: 4000, position: 4100)
        #expect(scene.step().published?.links[Self.link]?.rewind?.isDone == false)
        for node in ["b", "c"] { scene.changeWord(node) { $0.answered = Term(510) } }
        scene.step()
        scene.step()
        #expect(scene.decision.statements.filter { Self.back.contains($0) } == Self.back)
        // A later promotion of the peer does not forget it.
        scene.changeDatabase { $0.slots[Self.real] = .init(confirmed: LSN(900), restart: LSN(800)) }
        scene.step()
        scene.promote("b", term: 620, at: 2500, .open, opened: 2600)
        scene.step()
        #expect(scene.view.own?.links[Self.link]?.rewind == .init(term: Term(620), isDone: true, isMoved: true))
    }

    // MARK: The other side

    /// This server was promoted and is open; `b` has not brought its slot back yet.
    private static func opened() -> MeshScene {
        var scene = MeshGateTests.gated()
        for node in ["b", "c"] { scene.changeWord(node) { $0.answered = Term(510) } }
        scene.changeWord("c") { $0.rewind = .init(term: Term(510), isDone: true) }
        scene.step()
        return scene
    }

    @Test("A peer's way stays shut until its slot is back, the others' do not wait")
    func waitsForPeer() {
        var scene = Self.opened()
        #expect(scene.step().routes == ["b": .shut, "c": .open(.init(host: "c1", port: 5432))])
        #expect(scene.decision.problems.contains { $0.link == MeshScene.b })
        scene.changeWord("b") { $0.rewind = .init(term: Term(509), isDone: true) }
        #expect(scene.decision.routes == nil)
        scene.changeWord("b") { $0.rewind = .init(term: Term(510), isDone: true) }
        #expect(scene.decision.routes?["b"] == .open(.init(host: "b1", port: 5432)))
    }

    @Test(
        "A gap is a finding under every policy, and only some hold the way shut",
        arguments: [
            (MeshSettings.GapPolicy.rewindOrHold, false, false), (.hold, false, false), (.continue, false, true),
            (.resync, false, false), (.rewindOrHold, true, true),
        ])
    func policy(policy: MeshSettings.GapPolicy, isAccepted: Bool, isOpen: Bool) {
        var scene = Self.opened()
        scene.view.settings.onGap = policy
        if isAccepted { scene.view.intents.accepted = [MeshScene.b: Term(510)] }
        let gap = MeshRange(from: LSN(950), to: LSN(1100))
        scene.changeWord("b") { $0.rewind = .init(term: Term(510), isDone: true, gap: gap) }
        let decision = scene.step()
        #expect(decision.published?.findings == [MeshFinding(.gap, MeshScene.b, range: gap, term: Term(510))])
        #expect((decision.routes?["b"] != .shut) == isOpen)
        scene.step()
        #expect(scene.decision.published?.findings.count ?? 1 == 1)
    }
}
