import HACore
import LocalConfiguration
import Support
import Testing
import ZooKeeper

@testable import Agent

@Suite("Whose turn it is to restart for slots", .timeLimit(.minutes(2)), .enabled(if: ZooKeeperServer.isInstalled))
struct SlotTurnTests {
    @Test("One standby at a time, which gives its turn back or ends")
    func oneAtATime() async throws {
        let host = try await SharedZooKeeper.host()
        let layout = try SharedZooKeeper.layout()
        try await withSession(host) { first in
            try await first.prepare(layout)
            func turn(_ name: MemberID, _ session: ZooKeeperSession) -> SlotTurn {
                SlotTurn(path: layout.slotTurn, me: name, session: { session })
            }
            try await withSession(host) { second in
                let own = turn("n1", first)
                let other = turn("n2", second)
                #expect(await own.take() == .ours)
                #expect(await own.take() == .ours, "an answer that was lost")
                #expect(await other.take() == .taken(by: "n1"))
                await other.giveBack()
                #expect(await other.take() == .taken(by: "n1"), "only its holder gives it back")
                await own.giveBack()
                #expect(await other.take() == .ours)
            }
            try await eventually("the turn ends with its session") {
                await turn("n1", first).take() == .ours
            }
        }
        #expect(
            await SlotTurn(path: layout.slotTurn, me: "n1", session: { nil }).take()
                == .unknown("not connected to ZooKeeper"))
    }
}
