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

    @Test(arguments: [["ROUNDS": "0"], ["ROUNDS": "many"], ["ONLY": "nothing"], ["PATRONI": "yes"]])
    func badInputIsNamed(_ environment: [String: String]) throws {
        let (key, value) = try #require(environment.first)
        let error = #expect(throws: SupportError.self) { try BenchOptions(environment, known: ["switchover"]) }
        let words = try #require(error.map { "\($0)" })
        #expect(words.contains(key) && words.contains("'\(value)'") && words.contains("allowed"))
    }

    @Test func theTimeOfALogLine() {
        #expect(AgentSteps.timeOfDay("2026-11-29 21:13:17,308 INFO: words") == 76_397_308)
        #expect(AgentSteps.timeOfDay("  a line that goes on") == nil)
    }

    @Test func aRowOfTheTableHasItsRatios() {
        var table = BenchTable(order: ["one"])
        table.add("one", .floor, Outcome(times: [("pause", .milliseconds(10))]))
        table.add("one", .matriarch, Outcome(times: [("pause", .milliseconds(25))], counts: ["refused writes": 2]))
        table.add("one", .patroni, Outcome(times: [("pause", .milliseconds(50))]))
        table.fail("one", .matriarch, "round 2: it hung")
        let text = table.text
        #expect(text.contains("| one: pause | matriarch | 1 | 25.0 ms | 25.0 ms | 25.0 ms | 2.50 | 0.50 |"))
        #expect(text.contains("one, matriarch: 2 refused writes"))
        #expect(text.contains("one, matriarch, failed: round 2: it hung"))
        #expect(table.failures(of: [.floor, .matriarch]).count == 1)
    }
}
