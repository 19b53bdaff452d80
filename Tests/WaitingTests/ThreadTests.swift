import Foundation
import NIOConcurrencyHelpers
import Testing
import Waiting

@Suite("Threads of tasks", .timeLimit(.minutes(1)))
struct ThreadTests {
    private static let thread = TaskThread(name: "tests")

    private static var name: String { (try? String(contentsOfFile: "/proc/thread-self/comm", encoding: .utf8)) ?? "" }

    @Test("A task that prefers a thread stays on it, its children and its deadlines, too")
    func preferred() async {
        let names = await Task(executorPreference: Self.thread) {
            var names = [Self.name]
            await Task.yield()
            names.append(Self.name)
            async let child = Self.name
            names.append(await child)
            await withCheckedContinuation { continuation in
                _ = Deadlines.after(.milliseconds(20)) { continuation.resume() }
            }
            names.append(Self.name)
            names.append(
                await withCheckedContinuation { continuation in
                    _ = Deadlines.after(.milliseconds(20)) { continuation.resume(returning: Self.name) }
                })
            return names
        }.value
        #expect(names == Array(repeating: "tests\n", count: 5))
    }

    @Test("A deadline that was cancelled from elsewhere is not called, and another one is")
    func cancelled() async {
        let calls = NIOLockedValueBox(0)
        let cancelled = Doorbell()
        let tickets = AsyncStream<Deadlines.Ticket>.makeStream()
        let work = Task(executorPreference: Self.thread) {
            tickets.continuation.yield(Deadlines.after(.milliseconds(10)) { calls.withLockedValue { $0 += 1 } })
            // However late the test is: nothing is called before it has cancelled.
            cancelled.wait(nanoseconds: 30_000_000_000)
            await withCheckedContinuation { continuation in
                _ = Deadlines.after(.milliseconds(20)) { continuation.resume() }
            }
        }
        for await ticket in tickets.stream {
            Deadlines.cancel(ticket)
            break
        }
        cancelled.ring()
        await work.value
        #expect(calls.withLockedValue { $0 } == 0)
    }

    private actor Blocking {
        nonisolated let executor = ThreadExecutor(name: "blocking")
        nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }
        var thread: pid_t { pid_t(ThreadTests.number) ?? 0 }
    }

    /// The kernel's number of this thread.
    private static var number: String {
        ((try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/thread-self")) ?? "").split(separator: "/")
            .last.map(String.init) ?? ""
    }

    @Test("An executor's jobs run on one thread, which ends with it")
    func ends() async throws {
        var actor: Blocking? = Blocking()
        let first = try #require(await actor?.thread)
        let second = try #require(await actor?.thread)
        #expect(first == second && first > 0)
        #expect(FileManager.default.fileExists(atPath: "/proc/self/task/\(first)"))
        actor = nil
        let end = ContinuousClock.now + .seconds(10)
        while FileManager.default.fileExists(atPath: "/proc/self/task/\(first)"), ContinuousClock.now < end {
            try await Task.sleep(for: .milliseconds(10))
        }
        #expect(!FileManager.default.fileExists(atPath: "/proc/self/task/\(first)"))
    }
}
