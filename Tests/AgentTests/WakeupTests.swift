import Foundation
import HACore
import Support
import Testing
import Waiting

@testable import Agent

@Suite("The loop's wakeup", .timeLimit(.minutes(1)))
struct WakeupTests {
    /// A wait that only its timer could end would last this long.
    private let forever = Duration.seconds(40)

    private func waited(_ wakeup: Wakeup, atMost pause: Duration) async -> Duration {
        let start = Instant.now
        await wakeup.wait(atMost: pause)
        return Instant.now - start
    }

    /// Until one took less than what merges ordinary signals.
    private func shortest(_ wait: () async -> Duration) async -> Duration {
        await Support.shortest(of: 500, until: .milliseconds(18), wait)
    }

    @Test("a signal before the wait is not lost", arguments: [false, true])
    func before(urgent: Bool) async {
        let wakeup = Wakeup()
        wakeup.signal(urgent: urgent)
        #expect(await waited(wakeup, atMost: forever) < .seconds(20))
    }

    @Test("an urgent signal wakes at once, also right after a look")
    func urgent() async {
        let wakeup = Wakeup()
        let shortest = await shortest {
            await wakeup.wait(atMost: .zero)
            wakeup.signal(urgent: true)
            return await waited(wakeup, atMost: forever)
        }
        #expect(shortest < .milliseconds(20), "it is not held back by what merges ordinary signals")
    }

    @Test("an urgent signal ends the pause of an ordinary one")
    func urgentAfterOrdinary() async {
        let wakeup = Wakeup()
        let shortest = await shortest {
            await wakeup.wait(atMost: .zero)
            wakeup.signal()
            let wait = Task { await waited(wakeup, atMost: forever) }
            wakeup.signal(urgent: true)
            return await wait.value
        }
        #expect(shortest < .milliseconds(20))
    }

    @Test("ordinary signals that follow a look closely become one more look")
    func merging() async {
        let wakeup = Wakeup()
        await wakeup.wait(atMost: .zero)
        let look = Instant.now
        for _ in 0..<50 { wakeup.signal() }
        await wakeup.wait(atMost: forever)
        #expect(Instant.now - look >= .milliseconds(19))
        #expect(await waited(wakeup, atMost: .milliseconds(60)) >= .milliseconds(60), "all fifty were one")
    }

    @Test("a wait ends with its time, and has then taken nothing from the next")
    func timer() async {
        let wakeup = Wakeup()
        #expect(await waited(wakeup, atMost: .milliseconds(40)) >= .milliseconds(40))
        #expect(await waited(wakeup, atMost: .zero) < .seconds(5))
        #expect(await waited(wakeup, atMost: .milliseconds(-5)) < .seconds(5))
        wakeup.signal()
        #expect(await waited(wakeup, atMost: forever) < .seconds(20))
    }

    @Test("a short wait is not made longer by a signal that it merges")
    func shortWait() async {
        let wakeup = Wakeup()
        let shortest = await shortest {
            await wakeup.wait(atMost: .zero)
            wakeup.signal()
            return await waited(wakeup, atMost: .milliseconds(2))
        }
        #expect(shortest < .milliseconds(18))
    }

    @Test("cancellation ends a wait, one that sleeps and one that has not begun")
    func cancellation() async {
        let wakeup = Wakeup()
        let sleeping = Task { await waited(wakeup, atMost: forever) }
        try? await Task.sleep(for: .milliseconds(20))
        sleeping.cancel()
        #expect(await sleeping.value < .seconds(20))

        let unborn = Task {
            while !Task.isCancelled { await Task.yield() }
            return await waited(wakeup, atMost: forever)
        }
        unborn.cancel()
        #expect(await unborn.value < .seconds(20))
    }

    @Test("of many threads' signals the last one is never lost")
    func manyThreads() async {
        let wakeup = Wakeup()
        let threads = 4
        let each = 3000
        let sent = Locked(0)
        for thread in 0..<threads {
            startThread(named: "signals") {
                for number in 0..<each {
                    sent.withLock { $0 += 1 }
                    wakeup.signal(urgent: (number + thread).isMultiple(of: 3))
                    if number.isMultiple(of: 64) { usleep(100) }
                }
            }
        }
        var longest = Duration.zero
        while sent.withLock({ $0 }) < threads * each { longest = max(longest, await waited(wakeup, atMost: forever)) }
        #expect(longest < .seconds(20), "a wait was ended by its timer")
    }
}
