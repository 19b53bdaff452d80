import Dispatch
import NIOConcurrencyHelpers
import Testing

@testable import Waiting

struct WaitingTests {
    @Test func whatIsDueIsCalledInOrder() {
        let calls = NIOLockedValueBox<[Int]>([])
        let last = DispatchSemaphore(value: 0)
        for number in [3, 1, 2] {
            _ = Deadlines.after(.milliseconds(50 * number)) {
                calls.withLockedValue { $0.append(number) }
                if number == 3 { last.signal() }
            }
        }
        #expect(last.wait(timeout: .now() + 30) == .success)
        #expect(calls.withLockedValue { $0 } == [1, 2, 3])
    }

    /// An earlier one shortens the wait for a later one.
    @Test func anEarlierOneIsNotHeldUp() {
        let far = Deadlines.after(.seconds(3600)) {}
        defer { Deadlines.cancel(far) }
        let near = DispatchSemaphore(value: 0)
        _ = Deadlines.after(.milliseconds(1)) { near.signal() }
        #expect(near.wait(timeout: .now() + 30) == .success)
    }

    @Test func whatWasCancelledIsNotCalled() {
        let calls = NIOLockedValueBox(0)
        let cancelled = Deadlines.after(.milliseconds(50)) { calls.withLockedValue { $0 += 1 } }
        Deadlines.cancel(cancelled)
        let later = DispatchSemaphore(value: 0)
        _ = Deadlines.after(.milliseconds(100)) { later.signal() }
        #expect(later.wait(timeout: .now() + 30) == .success)
        #expect(calls.withLockedValue { $0 } == 0)
    }

    @Test(arguments: [Duration.zero, .seconds(-1), .nanoseconds(-1)]) func whatIsPastIsDueAtOnce(wait: Duration) {
        let called = DispatchSemaphore(value: 0)
        _ = Deadlines.after(wait) { called.signal() }
        #expect(called.wait(timeout: .now() + 30) == .success)
    }

    @Test func aLongWaitOverflowsNothing() {
        Deadlines.cancel(Deadlines.after(.seconds(Int64.max)) {})
    }

    @Test func aRingBeforeTheWaitEndsIt() {
        let bell = Doorbell()
        bell.ring()
        bell.wait(nanoseconds: nil)
    }

    @Test func aWaitEndsByItself() {
        let start = ContinuousClock.now
        Doorbell().wait(nanoseconds: 20_000_000)
        #expect(ContinuousClock.now - start >= .milliseconds(20))
    }
}
