import AdminModel
import HACore
import Testing

@testable import Agent

@Suite("Words for the local PostgreSQL")
struct LocalDescriptionTests {
    private static let control = ControlFile(
        systemIdentifier: SystemIdentifier(rawValue: "7710451765082907510"), state: .inProduction,
        timeline: Timeline(1), checkpoint: LSN(1), redo: LSN(1))

    struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        var local = LocalPostgres(directory: .ready(control))
        var running: Effect?
        var memory = DecisionMemory()
        var wasPrimary = false
        var state: MemberState
        var role: MemberRole

        init(_ name: String, _ state: MemberState, _ role: MemberRole, _ change: (inout Case) -> Void = { _ in }) {
            self.name = name
            self.state = state
            self.role = role
            change(&self)
        }

        var testDescription: String { name }

        mutating func runs(as role: StartRole, inRecovery: Bool?) {
            local.process = .running(as: role)
            local.sql = inRecovery.map {
                SQLStatus(
                    at: Instant(nanoseconds: 1), inRecovery: $0, timeline: Timeline(1), written: $0 ? nil : LSN(5))
            }
        }
    }

    static let cases: [Case] = [
        Case("a primary", .running, .primary) { $0.runs(as: .primary, inRecovery: false) },
        Case("a primary that does not answer yet", .starting, .primary) { $0.runs(as: .primary, inRecovery: nil) },
        Case("a standby", .running, .replica) { $0.runs(as: .standby, inRecovery: true) },
        Case("a standby that does not answer yet", .starting, .replica) { $0.runs(as: .standby, inRecovery: nil) },
        Case("asked to promote", .running, .promoted) {
            $0.runs(as: .standby, inRecovery: true)
            $0.local.promoteRequested = true
        },
        Case("promoted", .running, .primary) {
            $0.runs(as: .standby, inRecovery: false)
            $0.local.promoteRequested = true
        },
        Case("a former primary as a standby", .running, .replica) {
            $0.runs(as: .standby, inRecovery: true)
            $0.wasPrimary = true
        },
        Case("a primary being stopped", .stopping, .primary) {
            $0.runs(as: .primary, inRecovery: false)
            $0.running = .stop
        },
        Case("stepping down", .stopping, .primary) {
            $0.runs(as: .primary, inRecovery: false)
            $0.running = .stepDown
        },
        Case("stepping down, its effect done", .stopping, .primary) {
            $0.runs(as: .primary, inRecovery: false)
            $0.memory.steppingDown = true
        },
        Case("a stop of nothing", .stopped, .replica) { $0.running = .stop },
        Case("stopped", .stopped, .replica) { $0.local.ending = .requested },
        Case("a stopped former primary", .stopped, .demoted) {
            $0.local.ending = .requested
            $0.wasPrimary = true
        },
        Case("crashed", .crashed, .demoted) {
            $0.local.ending = .crashed(at: Instant(nanoseconds: 1))
            $0.wasPrimary = true
        },
        Case("half gone", .crashed, .demoted) {
            $0.local.process = .remains
            $0.wasPrimary = true
        },
        Case("a start that failed", .startFailed, .replica) {
            var view = ClusterView(now: Instant(nanoseconds: 1), me: "a", local: $0.local)
            view.finished = [FinishedEffect(.start(as: .standby, term: nil), .failed("no"), at: view.now)]
            $0.memory = decide(view, $0.memory).memory
        },
        Case("nothing there", .stopped, .uninitialized) { $0.local.directory = .empty },
        Case("something odd there", .stopped, .uninitialized) { $0.local.directory = .unusable("a file") },
        Case("a clone cut off", .stopped, .uninitialized) { $0.local.directory = .unfinished("clone") },
        Case("cloning", .creatingReplica, .uninitialized) {
            $0.local.directory = .empty
            $0.running = .clone(from: "a")
        },
        Case("racing for initialize", .initializing, .uninitialized) {
            $0.local.directory = .empty
            $0.running = .raceInitialize
        },
        Case("initdb", .initializing, .uninitialized) {
            $0.local.directory = .empty
            $0.running = .initdb
            $0.memory.bootstrap = .won
        },
        Case("between initdb and start", .initializing, .replica) { $0.memory.bootstrap = .created },
        Case("the new cluster runs and is not done", .initializing, .primary) {
            $0.runs(as: .primary, inRecovery: false)
            $0.memory.bootstrap = .created
        },
    ]

    @Test("state and role", arguments: cases)
    func words(_ row: Case) {
        let words = LocalDescription(row.local, running: row.running, memory: row.memory, wasPrimary: row.wasPrimary)
        #expect(words.state == row.state)
        #expect(words.role == row.role)
    }
}
