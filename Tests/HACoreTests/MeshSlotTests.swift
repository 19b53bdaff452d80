import HACore
import Testing

/// Hold slots, budgets and slots that are gone (design/zones.md 3 and 4).
@Suite("Slots for peers")
struct MeshSlotTests {
    private static let real = MeshScene.slot("b", "a")

    @Test("A hold slot is made from one that is in use")
    func made() {
        var scene = MeshScene()
        scene.changeDatabase { $0.slots["hold_app_b"] = nil }
        #expect(scene.decision.statements == [.copySlot(from: Self.real, to: "hold_app_b")])
        scene.changeDatabase { $0.slots[Self.real]?.activePID = nil }
        #expect(scene.decision.statements.isEmpty)
        scene.changeDatabase { $0.slots[Self.real]?.activePID = 1 }
        scene.view.settings.holdSlots = false
        #expect(scene.decision.statements.isEmpty)
    }

    @Test("From 17 on PostgreSQL is to keep both on the standbys, and is told so once")
    func keptOnStandbys() {
        var scene = MeshScene()
        for name in [Self.real, "hold_app_b"] { scene.changeDatabase { $0.slots[name]?.isOnStandbys = false } }
        #expect(scene.decision.statements.isEmpty, "15 cannot")
        scene.view.server.version = 170_004
        #expect(scene.decision.statements == [.keepOnStandbys(slot: Self.real), .keepOnStandbys(slot: "hold_app_b")])
        scene.view.settings.slotMode = .copy
        #expect(scene.decision.statements.isEmpty, "the agents do")
        scene.view.settings.slotMode = .native
        scene.changeDatabase { $0.slots[Self.real]?.isOnStandbys = true }
        scene.changeDatabase { $0.slots["hold_app_b"]?.isLost = true }
        #expect(!scene.decision.statements.contains { if case .keepOnStandbys = $0 { true } else { false } })
    }

    @Test("It moves by proof of this leadership alone, and not beyond the slot itself")
    func moves() {
        var scene = MeshScene()
        #expect(scene.decision.statements.isEmpty)
        func prove(_ confirmed: UInt64, term: Term = MeshScene.term) {
            scene.changeWord("b") { $0.safe = .init(confirmed: LSN(confirmed), position: LSN(1), term: term) }
        }
        prove(1000)
        #expect(scene.decision.statements == [.advanceSlot("hold_app_b", LSN(1000))])
        prove(900)
        #expect(scene.decision.statements.isEmpty)
        prove(1101)
        #expect(scene.decision.statements.isEmpty)
        prove(1000, term: Term(499))
        #expect(scene.decision.statements.isEmpty)
        prove(1000)
        scene.change("b") { $0.leaderTerm = Term(601) }
        #expect(!scene.decision.statements.contains(.advanceSlot("hold_app_b", LSN(1000))))
        scene.change("b") {
            $0.leaderTerm = Term(600)
            $0.record.state = .gated
        }
        #expect(!scene.decision.statements.contains(.advanceSlot("hold_app_b", LSN(1000))))
    }

    @Test("Proof: what a peer's slot has confirmed, once every standby has flushed what was written here by then")
    func proof() {
        var scene = MeshScene()
        scene.view.server.standbys = ["a2": LSN(4900)]
        scene.step()
        #expect(scene.decision.published?.links[MeshScene.b]?.safe == nil)
        scene.view.server.position = LSN(6000)
        scene.view.server.standbys = ["a2": LSN(5000)]
        let safe = MeshLinkRecord.Safe(confirmed: LSN(1100), position: LSN(5000), term: Term(600))
        scene.memory.publishedAt = nil
        #expect(scene.decision.published?.links[MeshScene.b]?.safe == safe)
        // Found between two times of telling numbers, it is told at the next.
        scene.memory.publishedAt = scene.view.now - .seconds(9)
        #expect(scene.step().published == nil)
        scene.view.now = scene.view.now + .seconds(1)
        #expect(scene.decision.published?.links[MeshScene.b]?.safe == safe)
        scene.view.server.standbys = [:]
        #expect(scene.decision.published?.links[MeshScene.b]?.safe == nil)
        scene.view.server.standbys = ["a2": LSN(5000)]
        scene.view.routes["b"] = .shut
        #expect(scene.decision.published?.links[MeshScene.b]?.safe == nil)
    }

    @Test("Past its budget the hold slot goes, on record first")
    func holdBudget() {
        var scene = MeshScene()
        scene.view.settings.holdMaxWAL = 4199
        let first = scene.step()
        #expect(first.published?.findings.map(\.kind) == [.holdDropped, .holdDropped])
        #expect(first.statements.isEmpty)
        #expect(scene.step().statements == [.dropSlot("hold_app_b"), .dropSlot("hold_app_c")])
    }

    @Test("A peer that is away costs only so much, also while its slot is still to go back; one in use is kept")
    func slotBudget() {
        var scene = MeshScene()
        scene.view.settings.slotMaxWAL = 3999
        #expect(scene.decision.statements.isEmpty)
        scene.changeDatabase { $0.slots[Self.real]?.activePID = nil }
        scene.promote("b", term: 610, at: 2000, .open, opened: 2100)
        scene.change("b") { $0.leaderTerm = nil }
        let first = scene.step()
        let range = MeshRange(from: LSN(1000), to: LSN(5000))
        #expect(
            first.published?.findings == [MeshFinding(.slotDropped, MeshScene.b, range: range, term: MeshScene.term)])
        #expect(scene.step().statements == [.dropSlot(Self.real), .dropSlot("hold_app_b")])
        scene.changeDatabase {
            $0.slots[Self.real] = nil
            $0.slots["hold_app_b"] = nil
        }
        scene.step()
        #expect(scene.view.own?.findings.count == 1)
        scene.view.settings.slotMaxWAL = 7000
        scene.changeDatabase { $0.slots[Self.real] = .init(confirmed: LSN(1100), restart: LSN(1000)) }
        #expect(scene.decision.problems.contains { $0.text.contains("at 7000 it is removed") })
    }

    @Test("A slot that was there and is not, or is lost, is a finding; one that was never there is waited for")
    func gone() {
        var scene = MeshScene()
        scene.changeDatabase { $0.slots[Self.real] = nil }
        let finding = scene.decision.published?.findings.first
        #expect(finding?.kind == .slotMissing)
        #expect(finding?.range == MeshRange(from: LSN(1000), to: LSN(5000)))
        scene.step()
        #expect(scene.decision.published?.findings.count ?? 1 == 1)
        // The peer is promoted and has less.
        scene.changeWord("b") { $0.origin = LSN(800) }
        #expect(scene.decision.published?.findings.last?.range?.from == LSN(800))
        scene = MeshScene()
        scene.view.own?.links[MeshScene.b]?.provided = nil
        scene.changeDatabase { $0.slots[Self.real] = nil }
        #expect(scene.decision.published?.findings ?? [] == [])
    }

    @Test(
        "Names of hold slots tell links apart",
        arguments: [
            (MeshLink("app", "b"), "hold_app_b"), (MeshLink("app", "n-1"), "hold_app_n_1_"),
            (MeshLink("app", "N1"), "hold_app_n1_"), (MeshLink(String(repeating: "d", count: 60), "b"), "hold_dddd"),
        ])
    func names(link: MeshLink, prefix: String) {
        var scene = MeshScene()
        scene.view.settings.databases = [link.database]
        scene.change("b") { peer in
            peer.record.node = link.peer
            peer.record.links = [MeshLink(link.database, "a"): MeshScene.word("b", of: "a")]
        }
        scene.view.databases = [link.database: MeshScene.catalog("a", peers: ["b"])]
        scene.view.databases[link.database]?.slots["hold_app_b"] = nil
        let names = scene.decision.statements.compactMap { statement -> String? in
            guard case .copySlot(_, let name) = statement else { return nil }
            return name
        }
        #expect(names.count == 1)
        #expect(names.first?.hasPrefix(prefix) == true)
        #expect(names.first.map { $0.utf8.count <= 63 } == true)
    }
}
