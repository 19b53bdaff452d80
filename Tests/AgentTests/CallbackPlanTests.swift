import AdminModel
import HACore
import Testing

@testable import Agent

/// What fires when, as a table: each row is what was seen, look by look, and what was told.
@Suite("When callbacks fire")
struct CallbackPlanTests {
    private typealias Sight = CallbackPlan.Sight

    private static func up(_ role: MemberRole, _ start: Int64 = 1) -> Sight {
        Sight(server: .up(role, since: Instant(nanoseconds: start)))
    }
    private static let stopped = Sight(server: .down(stopped: true))
    private static let crashed = Sight(server: .down(stopped: false))
    private static let unclear = Sight(server: .unclear)

    private static func with(_ sight: Sight, _ change: (inout Sight) -> Void) -> Sight {
        var sight = sight
        change(&sight)
        return sight
    }
    private static func leading(_ sight: Sight) -> Sight { with(sight) { $0.holdsLock = true } }
    private static func restarting(_ sight: Sight) -> Sight { with(sight) { $0.isRestarting = true } }
    private static func bootstrapping(_ sight: Sight) -> Sight { with(sight) { $0.isBootstrapping = true } }

    private static let table: [(String, [Sight], [String])] = [
        ("a start", [stopped, unclear, up(.replica)], ["on_start replica"]),
        ("joining a server that runs", [up(.primary)], ["on_start primary"]),
        ("nothing new", [up(.replica), up(.replica), unclear, up(.replica)], ["on_start replica"]),
        (
            "a promotion", [up(.replica), up(.primary), up(.primary)],
            ["on_start replica", "on_role_change primary"]
        ),
        (
            "a standby stops and starts", [up(.replica), stopped, stopped, up(.replica, 2)],
            ["on_start replica", "on_stop replica", "on_start replica"]
        ),
        (
            "stopped and started between two looks", [up(.replica), up(.replica, 2)],
            ["on_start replica", "on_stop replica", "on_start replica"]
        ),
        (
            "a crash is no stop", [leading(up(.primary)), leading(crashed), leading(up(.primary, 2))],
            ["on_start primary", "on_start primary"]
        ),
        (
            "a primary that is stopped, as planned or by a fence",
            [leading(up(.primary)), leading(unclear), leading(stopped), stopped, up(.replica, 2)],
            ["on_start primary", "on_stop primary", "on_role_change replica"]
        ),
        (
            "a leader that cannot be brought back gives the lock away",
            [leading(up(.primary)), leading(crashed), crashed, crashed, up(.replica, 2)],
            ["on_start primary", "on_role_change demoted", "on_role_change replica"]
        ),
        (
            "a restart", [up(.primary), restarting(unclear), restarting(stopped), restarting(up(.primary, 2))],
            ["on_start primary", "on_restart primary"]
        ),
        (
            "a restart between two looks", [up(.replica), restarting(up(.replica)), restarting(up(.replica, 2))],
            ["on_start replica", "on_restart replica"]
        ),
        (
            "a restart that is done before connections are accepted",
            [up(.primary), restarting(up(.primary)), restarting(stopped), unclear, up(.primary, 2)],
            ["on_start primary", "on_restart primary"]
        ),
        (
            "a stop after a restart",
            [up(.replica), restarting(stopped), restarting(up(.replica, 2)), up(.replica, 2), stopped],
            ["on_start replica", "on_restart replica", "on_stop replica"]
        ),
        (
            "a stop after an order that came to nothing",
            [up(.replica), restarting(up(.replica)), up(.replica), stopped],
            ["on_start replica", "on_stop replica"]
        ),
        (
            "a start after a restart that failed",
            [up(.primary), restarting(stopped), restarting(crashed), crashed, up(.primary, 2)],
            ["on_start primary", "on_start primary"]
        ),
        (
            "a restart as something else", [up(.primary), restarting(stopped), up(.replica, 2)],
            ["on_start primary", "on_role_change replica"]
        ),
        (
            "a bootstrap",
            [bootstrapping(unclear), bootstrapping(up(.replica)), bootstrapping(up(.primary)), up(.primary)],
            ["on_start primary"]
        ),
        ("a server that never was up", [stopped, crashed, stopped], []),
    ]

    @Test("each change fires what the contract says", arguments: table.indices)
    func fires(row: Int) {
        let (words, sights, told) = Self.table[row]
        var plan = CallbackPlan()
        let calls = sights.flatMap { plan.look($0) }
        #expect(calls.map { "\($0.action.rawValue) \($0.role.rawValue)" } == told, "\(words)")
    }

    @Test("an order to restart is a restart, one to reinitialize is none")
    func orders() {
        func isRestarting(_ kind: MemberOrder.Kind?) -> Bool {
            var view = ClusterView(
                now: Instant(nanoseconds: 9), me: "n1", coordination: .connected,
                local: LocalPostgres(directory: .empty, process: .absent))
            view.order = kind.map { MemberOrder(id: 1, kind: $0, since: Instant(nanoseconds: 5)) }
            return Sight(view, DecisionMemory()).isRestarting
        }
        #expect(isRestarting(.restart(timeout: nil)))
        #expect(!isRestarting(.reinitialize(fromLeader: false)))
        #expect(!isRestarting(nil))
    }

    @Test("a reload is told with the present role, and not at all while a cluster is made")
    func reload() {
        var plan = CallbackPlan()
        #expect(plan.reloadRole == nil)
        _ = plan.look(Self.bootstrapping(Self.up(.primary)))
        #expect(plan.reloadRole == nil)
        _ = plan.look(Self.up(.primary))
        #expect(plan.reloadRole == .primary)
    }
}
