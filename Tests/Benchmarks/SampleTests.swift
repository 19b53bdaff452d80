import Support
import Testing

/// The arithmetic of the table, and what the caller may ask for.
struct SampleTests {
    private let hundred = Sample((1...100).reversed().map { .milliseconds($0) })

    @Test func theNearestRankIsAMeasuredValue() {
        #expect(hundred.median == .milliseconds(50))
        #expect(hundred.rank(0.99) == .milliseconds(99))
        #expect(hundred.maximum == .milliseconds(100))
    }

    @Test func theNinetyNinthOfAFewIsTheGreatest() {
        let few = Sample([.milliseconds(3), .milliseconds(1), .milliseconds(2)])
        #expect(few.median == .milliseconds(2))
        #expect(few.rank(0.99) == .milliseconds(3))
        #expect(Sample().median == nil)
    }

    @Test(arguments: [["ROUNDS": "0"], ["ROUNDS": "many"], ["ONLY": "nothing"], ["MODE": "busy"], ["PATRONI": "yes"]])
    func badInputIsNamed(_ environment: [String: String]) throws {
        let (key, value) = try #require(environment.first)
        let error = #expect(throws: SupportError.self) { try BenchOptions(environment, known: ["switchover"]) }
        let words = try #require(error.map { "\($0)" })
        #expect(words.contains(key) && words.contains("'\(value)'") && words.contains("allowed"))
    }

    @Test func aScenarioRunsInTheModesThatItHas() throws {
        func names(_ environment: [String: String]) throws -> [String] {
            let options = try BenchOptions(environment, known: FaultScenario.all.map(\.name))
            return try BenchCase.chosen(options, of: FaultScenario.all).map(\.name)
        }
        #expect(
            try names(["ONLY": "agent,switchover"])
                == ["switchover", "switchover under load", "switchover strict under load", "agent"])
        #expect(try names(["ONLY": "agent,node", "MODE": "strict"]) == ["node strict under load"])
        #expect(try names(["MODE": "plain"]).count == FaultScenario.all.count)
        let error = #expect(throws: SupportError.self) { try names(["ONLY": "agent", "MODE": "load"]) }
        #expect(error.map { "\($0)".contains("MODE is 'load'") } == true)
    }

    @Test func theTimeOfALogLine() {
        #expect(AgentPhases.timeOfDay("2026-11-29 21:13:17,308 INFO: words") == 76_397_308)
        #expect(AgentPhases.timeOfDay("  a line that goes on") == nil)
    }

    @Test func aLogLineMayLieBeyondMidnightOrBeforeTheMoment() {
        let late = Moment(instant: .now, timeOfDay: 86_399_990)
        #expect(late.until(timeOfDay: 15) == .milliseconds(25))
        #expect(late.until(timeOfDay: 86_399_980) == .milliseconds(-10))
        #expect(Moment(instant: .now, timeOfDay: 5).until(timeOfDay: 86_399_995) == .milliseconds(-10))
    }

    @Test func whoSays200WithoutWritesIsFound() throws {
        let start = ContinuousClock.now
        func at(_ milliseconds: Int...) -> [ContinuousClock.Instant] { milliseconds.map { start + .milliseconds($0) } }
        let pause = RowWriter.Pause(last: at(100)[0], first: at(300)[0], node: "b")
        let late = try WithoutWrites(["a": at(90, 105, 180), "b": at(260, 310)], old: "a", pause)
        #expect(late.old == .milliseconds(80) && late.new == .milliseconds(40))
        let never = try WithoutWrites(["a": at(90), "b": at(310)], old: "a", pause)
        #expect(never.old == .zero && never.new == .zero)
        #expect(throws: SupportError.self) { try WithoutWrites(["a": at(90)], old: "a", pause) }
    }

    @Test func aRowOfTheTableHasItsRatios() {
        var table = BenchTable(order: ["one"])
        table.add("one", .floor, Outcome(times: [("pause", .milliseconds(10))]))
        table.add(
            "one", .matriarch,
            Outcome(
                times: [("pause", .milliseconds(25))], counts: ["refused writes": 2, "restarts": 0],
                phases: [(.elected, .milliseconds(7))]))
        table.add("one", .patroni, Outcome(times: [("pause", .milliseconds(50))]))
        table.fail("one", .matriarch, "round 2: it hung")
        let text = table.text
        #expect(text.contains("| one: pause | matriarch | 1 | 25.0 ms | 25.0 ms | 25.0 ms | 2.50 | 0.50 |"))
        #expect(text.contains("| one |  |  | 7.0 ms (7.0 ms) |  |  |  |"))
        #expect(text.contains("one, matriarch: 2 refused writes\n"))
        #expect(text.contains("one, matriarch, failed: round 2: it hung"))
        #expect(table.failures(of: [.floor, .matriarch]).count == 1)
    }
}
