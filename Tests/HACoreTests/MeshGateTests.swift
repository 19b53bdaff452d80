import HACore
import Testing

/// The gate of clients after a promotion (design/zones.md 3).
@Suite("The gate of a promoted cluster")
struct MeshGateTests {
    /// Promoted at 4000, published, and asked by nobody yet.
    static func gated() -> MeshScene {
        var scene = MeshScene()
        scene.promote(at: 4000, position: 4100)
        scene.step()
        return scene
    }

    @Test("The first look tells the peers, opens nothing and forgets what the former primary had applied")
    func first() throws {
        var scene = MeshScene()
        scene.promote(at: 4000, position: 4100)
        let record = try #require(scene.decision.published)
        #expect(record.state == .gated)
        #expect(record.fork == .init(term: Term(510), timeline: Timeline(2), position: LSN(4000)))
        #expect(!scene.decision.actions.contains(.openClients))
        #expect(record.links[MeshScene.b]?.origin == LSN(1000))
        scene.view.databases = [:]
        scene.view.obstacles[MeshScene.database] = "timeout"
        #expect(scene.decision.published?.links[MeshScene.b]?.origin == nil)
    }

    @Test("It waits for every peer that subscribes, and then opens on record first")
    func waits() throws {
        var scene = Self.gated()
        #expect(scene.decision.published == nil)
        #expect(scene.decision.recheckAfter <= .milliseconds(100))
        scene.changeWord("b") { $0.answered = Term(510) }
        #expect(scene.decision.published?.state != .open)
        scene.changeWord("c") { $0.answered = Term(510) }
        let decision = scene.decision
        #expect(decision.published?.state == .open)
        #expect(decision.published?.fork?.openedAt == LSN(4100))
        let publish = try #require(decision.position { if case .publish = $0 { true } else { false } })
        let open = try #require(decision.position { $0 == .openClients })
        #expect(publish < open)
    }

    @Test("Who does not subscribe, or was removed, is not waited for")
    func others() {
        var scene = Self.gated()
        scene.changeWord("b") { $0 = MeshLinkRecord() }
        scene.view.intents.removed = ["c"]
        #expect(scene.decision.published?.state == .open)
    }

    @Test("An answer of an earlier promotion, or one without its position, is none")
    func stale() {
        var scene = Self.gated()
        for node in ["b", "c"] { scene.changeWord(node) { $0.answered = Term(490) } }
        #expect(scene.decision.published?.state != .open)
        for node in ["b", "c"] { scene.changeWord(node) { $0.answered = Term(510) } }
        scene.changeWord("c") { $0.origin = nil }
        #expect(scene.decision.published?.state != .open)
    }

    @Test("WAL moves past the furthest peer first, and what is beyond the fork is a finding")
    func burns() {
        var scene = Self.gated()
        scene.changeWord("b") {
            $0.answered = Term(510)
            $0.origin = LSN(4300)
        }
        scene.changeWord("c") { $0.answered = Term(510) }
        #expect(scene.decision.actions == [.burn(past: LSN(4300))])
        #expect(scene.decision.recheckAfter == .zero)
        scene.step()
        let record = scene.decision.published
        #expect(record?.state == .open)
        #expect(record?.fork?.openedAt == LSN(4400))
        let range = MeshRange(from: LSN(4000), to: LSN(4300))
        #expect(record?.findings == [MeshFinding(.ahead, MeshScene.b, range: range, term: Term(510))])
    }

    @Test("Who stays silent is waited for only so long, and counted with a margin for what it has not told")
    func silent() {
        var scene = Self.gated()
        scene.changeWord("b") { $0.answered = Term(510) }
        scene.step()
        scene.view.now = scene.view.now + .milliseconds(2900)
        #expect(scene.decision.actions.isEmpty)
        scene.view.now = scene.view.now + .milliseconds(200)
        // Three and a half seconds since its record was written, its progress was 1000 then.
        #expect(scene.decision.actions == [.burn(past: LSN(1000 + 3 * 16 << 20))])
        scene.step()
        #expect(scene.decision.published?.state == .open)
    }

    @Test("A peer without a leader that has been silent for a minute is not waited for, but counted")
    func gone() {
        var scene = Self.gated()
        scene.changeWord("b") { $0.answered = Term(510) }
        scene.change("c") {
            $0.leaderTerm = nil
            $0.writtenAt = MeshScene.now - .seconds(3600)
        }
        #expect(scene.decision.actions == [.burn(past: LSN(1000 + 64 * 16 << 20))])
    }

    @Test("Two gated at once answer each other, and then open: a record that says gated is no answer")
    func both() {
        var scene = MeshScene()
        scene.promote(at: 4000, position: 4100)
        scene.promote("b", term: 610, at: 3000, .gated)
        scene.promote("c", term: 710, at: 3000, .gated)
        let first = scene.step().published
        #expect(first?.links[MeshScene.b]?.answered == Term(610))
        #expect(first?.links[MeshScene.c]?.answered == Term(710))
        #expect(scene.decision.published?.state != .open)
        for node in ["b", "c"] { scene.changeWord(node) { $0.answered = Term(510) } }
        #expect(scene.decision.published?.state == .open)
    }

    @Test("A slot that is missing, or lost, is a finding from where the peer has got to, and is not made anew")
    func missing() {
        var scene = Self.gated()
        for node in ["b", "c"] { scene.changeWord(node) { $0.answered = Term(510) } }
        scene.changeDatabase {
            $0.slots[MeshScene.slot("b", "a")] = nil
            $0.slots[MeshScene.slot("c", "a")]?.isLost = true
        }
        let decision = scene.decision
        #expect(decision.published?.findings.map(\.kind) == [.slotMissing, .slotMissing])
        #expect(decision.published?.findings.first?.range == MeshRange(from: LSN(1000), to: LSN(4100)))
        #expect(decision.statements.isEmpty)
        scene.step()
        #expect(scene.decision.published?.findings.count ?? 2 == 2)
    }

    @Test("A leader that comes before the gate has opened counts from the first fork")
    func gatedTwice() {
        var scene = Self.gated()
        scene.view.term = Term(520)
        scene.view.server.timeline = Timeline(3)
        scene.view.server.forkedAt = LSN(4500)
        scene.view.server.history = TimelineHistory(
            timeline: Timeline(3),
            forks: [
                .init(parent: Timeline(1), switchLSN: LSN(4000)), .init(parent: Timeline(2), switchLSN: LSN(4500)),
            ])
        scene.view.server.position = LSN(4600)
        scene.step()
        for node in ["b", "c"] { scene.changeWord(node) { $0.answered = Term(520) } }
        scene.changeWord("b") { $0.origin = LSN(4300) }
        let range = MeshRange(from: LSN(4000), to: LSN(4300))
        #expect(scene.decision.published?.findings.map(\.range) == [range])
    }

    @Test("A timeline that nobody told of counts as well: the fork is where the record's timeline was left")
    func untold() {
        var scene = MeshScene()
        scene.promote(at: 4000, position: 4600)
        scene.view.server.timeline = Timeline(3)
        scene.view.server.forkedAt = LSN(4500)
        scene.view.server.history = TimelineHistory(
            timeline: Timeline(3),
            forks: [
                .init(parent: Timeline(1), switchLSN: LSN(4000)), .init(parent: Timeline(2), switchLSN: LSN(4500)),
            ])
        #expect(scene.decision.published?.fork?.position == LSN(4000))
    }

    @Test("A copied slot that was not proved before the promotion is a finding; the peer goes on with it")
    func unproved() {
        var scene = Self.gated()
        for node in ["b", "c"] { scene.changeWord(node) { $0.answered = Term(510) } }
        scene.view.unprovedSlots = [MeshScene.slot("b", "a")]
        let record = scene.decision.published
        #expect(record?.state == .open)
        let range = MeshRange(from: LSN(1000), to: LSN(4100))
        #expect(record?.findings == [MeshFinding(.slotUnproved, MeshScene.b, range: range, term: Term(510))])
        #expect(record?.links[MeshScene.b]?.provided == MeshScene.slot("b", "a"))
    }

    @Test("Whoever leads again on the same timeline, or brings the same server back, finds the gate as it was")
    func sameHistory() {
        var scene = MeshScene()
        scene.view.term = Term(510)
        #expect(scene.decision.published?.state == .open)
        #expect(scene.decision.published?.fork == nil)
        #expect(scene.decision.actions.count == 1)
        scene = MeshScene()
        scene.view.server.timeline = Timeline(2)
        scene.view.server.forkedAt = LSN(4000)
        scene.view.server.clientsAreShut = true
        #expect(scene.decision.published?.state == .open)
        #expect(scene.decision.published?.fork == nil)
        #expect(scene.decision.actions.last == .openClients)
    }

    @Test("Another timeline of the same number is another timeline")
    func sameNumber() {
        var scene = Self.gated()
        for node in ["b", "c"] { scene.changeWord(node) { $0.answered = Term(510) } }
        scene.step()
        scene.view.term = Term(520)
        scene.view.server.forkedAt = LSN(3900)
        #expect(scene.decision.published?.state == .gated)
        #expect(scene.decision.published?.fork?.position == LSN(3900))
        #expect(scene.decision.published?.earlierForks.map(\.term) == [Term(510)])
    }
}
