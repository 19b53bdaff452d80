import HACore
import Testing

@testable import Agent

@Suite("The times of a promotion")
struct PromotionWatchTests {
    private struct Looks {
        private var watch = PromotionWatch()
        private var view: ClusterView

        init() {
            var local = LocalPostgres(directory: .empty, process: .running(as: .standby))
            local.sql = SQLStatus(at: Instant(nanoseconds: 0), inRecovery: true, timeline: Timeline(1))
            view = ClusterView(now: Instant(nanoseconds: 0), me: "b", policy: ClusterPolicy(), local: local)
            view.store = StoreView(session: 1, readAt: Instant(nanoseconds: 0))
            view.store?.leader = StoreView.Leader(member: "a", term: Term(1), session: 2, version: 1)
        }

        mutating func look(
            at time: Int64, _ effects: [Effect] = [], _ change: (inout ClusterView) -> Void = { _ in }
        ) -> PromotionTimes? {
            view.now = Instant(nanoseconds: time * 1_000_000)
            change(&view)
            return watch.note(view, effects)
        }

        static func locked(at time: Int64) -> Leadership {
            Leadership(term: Term(7), epochVersion: 1, epochZxid: 1, provedAt: Instant(nanoseconds: time * 1_000_000))
        }
    }

    @Test("From the free lock on, once, and not of a lock that was held all the time")
    func times() {
        var looks = Looks()
        #expect(looks.look(at: 0) == nil)
        #expect(looks.look(at: 100) { $0.store?.leader = nil } == nil)
        #expect(looks.look(at: 110, [.askPeers]) == nil)
        #expect(looks.look(at: 130) { $0.leadership = Looks.locked(at: 120) } == nil)
        #expect(looks.look(at: 140, [.arm(Term(7)), .promote(Term(7))]) == nil)
        #expect(looks.look(at: 150) == nil)
        let expected = PromotionTimes(
            locked: .milliseconds(20), ordered: .milliseconds(40), writable: .milliseconds(65))
        #expect(looks.look(at: 165) { $0.local.sql?.inRecovery = false } == expected)
        #expect(looks.look(at: 200) == nil)
    }

    @Test("A primary that was found is no promotion")
    func found() {
        var looks = Looks()
        #expect(looks.look(at: 100) { $0.store?.leader = nil } == nil)
        #expect(
            looks.look(at: 130) {
                $0.leadership = Looks.locked(at: 120)
                $0.local.sql?.inRecovery = false
            } == nil)
    }
}
