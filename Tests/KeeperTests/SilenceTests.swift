import Foundation
import Support
import Testing

@testable import PostgresControl

extension KeeperTests {
    /// What an agent makes of a keeper that does not answer.
    struct Silence {
        @Test(
            arguments: [
                (.stopped, .zero, .isItsOwn), (.other, .zero, .isItsOwn), (nil, nil, .isItsOwn),
                (.uninterruptible, .zero, .inKernel), (.runnable, .milliseconds(1), .noProcessor),
                (.runnable, .milliseconds(600), .isItsOwn), (.runnable, nil, .isItsOwn),
            ] as [(ProcessState?, Duration?, KeeperSilence)])
        func onlyWhatItDoesItselfCounts(state: ProcessState?, ran: Duration?, verdict: KeeperSilence) {
            #expect(KeeperSilence(state, ran: ran) == verdict)
        }

        @Test func aLoopHasAProcessor() throws {
            let loop = Process()
            loop.executableURL = URL(fileURLWithPath: "/bin/sh")
            loop.arguments = ["-c", "while :; do :; done"]
            try loop.run()
            defer { loop.terminate() }
            let end = ContinuousClock.now + .seconds(30)
            while try #require(KeeperSilence.runTime(of: loop.processIdentifier)) < .milliseconds(20) {
                try #require(ContinuousClock.now < end)
                usleep(10_000)
            }
            #expect(ProcessState(of: loop.processIdentifier) == .runnable)
        }

        @Test func aStoppedKeeperIsSilent() async throws {
            let member = try KeeperProgram()
            try await member.startKeeper()
            let client = try await member.attach()
            #expect(try await client.silence() == nil)
            kill(client.keeperPID, SIGSTOP)
            #expect(try await client.silence() == .isItsOwn)
            kill(client.keeperPID, SIGCONT)
            #expect(try await client.silence() == nil)
            try await member.end()
        }

        @Test func aMissedBeatIsToldAndTheEndToo() async throws {
            let member = try KeeperProgram()
            try await member.startKeeper()
            let client = try await member.attach()
            let missed = Locked(0)
            let stream = await client.missedBeats()
            let listener = Task { for await _ in stream { missed.withLock { $0 += 1 } } }
            try await Task.sleep(for: .seconds(2))
            #expect(try await client.silence() == nil)
            kill(client.keeperPID, SIGSTOP)
            let before = missed.withLock { $0 }
            try await eventually("a missed beat") { missed.withLock { $0 } > before }
            kill(client.keeperPID, SIGCONT)
            try await eventually("an answer") { try await client.silence() == nil }
            client.close()
            await listener.value
            try await member.end()
        }
    }
}
