import HACore
import Testing

@Suite("Copies of the leader's slots")
struct SlotCopiesTests {
    private func slot(
        _ restart: UInt64, _ confirmed: UInt64, name: String = "s", plugin: String = "p"
    ) -> MeshSlot {
        MeshSlot(
            name, database: "app", plugin: plugin, restart: LSN(restart), confirmed: LSN(confirmed),
            snapshot: LSN(restart))
    }

    private func copies(
        _ leader: [MeshSlot], _ own: [MeshSlot], replayed: UInt64 = 1000, oldest: UInt64 = 0,
        _ attempts: [String: SlotCopies.Attempt] = [:], known: Set<String> = [], recorded: Set<String> = []
    ) -> SlotCopies {
        SlotCopies(
            leader: leader, own: own, replayed: LSN(replayed), oldestWAL: LSN(oldest), attempts: attempts,
            copies: known, recorded: recorded)
    }

    @Test("Present is not usable: a copy counts after one advance here, also to where it is")
    func proof() {
        let leader = slot(100, 200)
        let fresh = copies([leader], [leader])
        #expect(fresh.proved.isEmpty && fresh.waiting == ["s"])
        #expect(fresh.advances == [.init("s", database: "app", to: LSN(200))])
        let moved = copies([leader], [leader], ["s": .done])
        #expect(moved.proved == ["s"] && moved.advances.isEmpty && moved.waiting.isEmpty)
        let failed = copies([leader], [leader], ["s": .failed("busy")])
        #expect(failed.proved.isEmpty && failed.advances == fresh.advances, "it is tried again")
        #expect(copies([leader], [leader], ["s": .unusable("gone")]).needs == ["s": .unusable])
    }

    @Test("It follows the leader's slot, never past what is replayed here")
    func advance() {
        let own = slot(100, 200)
        #expect(copies([slot(100, 700)], [own], replayed: 600, ["s": .done]).advances.map(\.to) == [LSN(600)])
        #expect(copies([slot(100, 700)], [own], replayed: 800, ["s": .done]).advances.map(\.to) == [LSN(700)])
        // Promoted now it would begin where there is no record.
        let early = copies([slot(100, 700)], [slot(100, 700)], replayed: 600)
        #expect(early.advances.isEmpty && early.proved.isEmpty && early.waiting == ["s"])
    }

    @Test("Without the leader's snapshot at its restart it loses what was open there")
    func snapshot() {
        var own = slot(100, 200)
        own.snapshot = nil
        #expect(copies([slot(100, 200)], [own], ["s": .done]).needs == ["s": .unsettled])
        // A slot that was just made begins without one, here as there.
        var leader = own
        #expect(copies([leader], [own], ["s": .done]).proved == ["s"])
        leader.snapshot = LSN(150)
        #expect(copies([leader], [own], ["s": .done]).needs == ["s": .unsettled])
        // Moved here, it has its own.
        #expect(copies([slot(100, 200)], [slot(150, 200)], ["s": .done]).proved == ["s"])
    }

    @Test("What has to be copied, and what a copy would not help")
    func needs() {
        let leader = slot(100, 200)
        var lost = leader
        lost.isLost = true
        #expect(copies([leader], []).needs == ["s": .absent])
        #expect(copies([leader], [slot(100, 200, plugin: "q")]).needs == ["s": .different])
        #expect(copies([leader], [slot(100, 300)], ["s": .done]).needs == ["s": .ahead])
        #expect(copies([leader], [lost]).needs == ["s": .unusable])
        let hopeless = copies([leader], [], oldest: 101)
        #expect(hopeless.needs.isEmpty && hopeless.beyond == ["s": .absent])
        #expect(copies([lost], [leader]).needs.isEmpty, "of what the leader has lost nothing can be copied")
    }

    @Test("Slots that the leader does not have: copies go, unless the record lists them; others are reported")
    func leftovers() {
        let own = [slot(1, 2, name: "copy"), slot(1, 2, name: "remade"), slot(1, 2, name: "found")]
        let plan = copies([], own, known: ["copy", "remade"], recorded: ["remade"])
        #expect(plan.leftovers == ["copy"] && plan.unknown == ["found"])
    }

    @Test("Before a start what is sound stays, and what is not is replaced")
    func install() {
        func chosen(_ leader: MeshSlot, _ own: [MeshSlot], oldest: UInt64 = 0) -> Bool {
            !SlotCopies.toInstall(leader: [leader], own: own, oldestWAL: LSN(oldest)).isEmpty
        }
        let leader = slot(300, 400)
        #expect(chosen(leader, []))
        #expect(!chosen(leader, [slot(100, 200)]), "the leader's positions may never be replayed here")
        #expect(chosen(leader, [slot(100, 500)]), "a former primary's own")
        #expect(chosen(leader, [slot(100, 200)], oldest: 101))
        #expect(!chosen(leader, [], oldest: 301))
        var bare = slot(100, 200)
        bare.snapshot = nil
        #expect(chosen(leader, [bare]))
    }

    @Test("PostgreSQL keeps them itself from 17 on")
    func copier() {
        func copier(_ mode: MeshSettings.SlotMode, _ major: Int) -> SlotCopier? {
            var settings = MeshSettings(mesh: "m", node: "n", databases: [])
            settings.slotMode = mode
            return settings.slotCopier(majorVersion: major)
        }
        #expect(copier(.auto, 16) == .agent && copier(.auto, 17) == .postgres)
        #expect(copier(.copy, 16) == .agent && copier(.copy, 18) == .agent)
        #expect(copier(.native, 16) == nil && copier(.native, 17) == .postgres)
    }

    // MARK: When to restart

    private let start = Instant(nanoseconds: 1_000_000_000_000)
    private let settle = Duration.seconds(10)

    @Test("All that are missing in one restart, once no new one comes")
    func gather() {
        var restarts = SlotRestarts()
        #expect(restarts.due(["a": .absent], proved: [], settle: settle, now: start).isEmpty)
        let both: [String: SlotCopies.Need] = ["a": .absent, "b": .absent]
        #expect(restarts.due(both, proved: [], settle: settle, now: start + .seconds(9)).isEmpty)
        #expect(restarts.due(both, proved: [], settle: settle, now: start + .seconds(12)).isEmpty)
        #expect(restarts.due(both, proved: [], settle: settle, now: start + .seconds(19)) == ["a", "b"])
        // One that is missing for a moment while it is made anew is none.
        #expect(restarts.due([:], proved: ["a", "b"], settle: settle, now: start + .seconds(20)).isEmpty)
        #expect(restarts.due(both, proved: [], settle: settle, now: start + .seconds(21)).isEmpty)
    }

    @Test("A flow of new slots is not waited for without end")
    func flow() {
        var restarts = SlotRestarts()
        var needs: [String: SlotCopies.Need] = [:]
        var restarted: Int?
        for second in 0..<100 where restarted == nil {
            if second % 5 == 0 { needs["s\(second)"] = .absent }
            if !restarts.due(needs, proved: [], settle: settle, now: start + .seconds(second)).isEmpty {
                restarted = second
            }
        }
        #expect(restarted == 60)
    }

    @Test("A copy that is ahead gets time for the leader's to pass it")
    func ahead() {
        var restarts = SlotRestarts()
        let needs: [String: SlotCopies.Need] = ["a": .ahead]
        for second in 0..<60 {
            #expect(restarts.due(needs, proved: [], settle: settle, now: start + .seconds(second)).isEmpty)
        }
        #expect(restarts.due(needs, proved: [], settle: settle, now: start + .seconds(60)) == ["a"])
    }

    @Test("A restart that did not help is repeated at longer and longer intervals")
    func repetition() {
        var restarts = SlotRestarts()
        var found: [Int] = []
        for second in 0..<8000 {
            let now = start + .seconds(second)
            let due = restarts.due(["a": .unusable], proved: [], settle: settle, now: now)
            guard !due.isEmpty else { continue }
            restarts.restarted(for: due, at: now)
            found.append(second)
        }
        #expect(found == [10, 70, 190, 430, 910, 1870, 3790, 7390])
        #expect(restarts.due([:], proved: ["a"], settle: settle, now: start + .seconds(8000)).isEmpty)
        _ = restarts.due(["a": .unusable], proved: [], settle: settle, now: start + .seconds(8001))
        #expect(restarts.due(["a": .unusable], proved: [], settle: settle, now: start + .seconds(8011)) == ["a"])
    }
}
