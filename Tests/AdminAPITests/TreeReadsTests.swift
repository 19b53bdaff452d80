import AdminModel
import NIOConcurrencyHelpers
import Testing

@testable import AdminAPI
@testable import Agent

@Suite struct TreeReadsTests {
    private struct Reads: Sendable {
        var begun: Int64 = 0
        var running = 0
        var overlapped = false
    }

    @Test(.timeLimit(.minutes(1))) func nobodyGetsAReadThatBeganBeforeHeAsked() async throws {
        let reads = NIOLockedValueBox(Reads())
        let (gate, opener) = AsyncStream.makeStream(of: Void.self)
        let (started, start) = AsyncStream.makeStream(of: Void.self)
        let board = StatusBoard(
            server: { _, _ in nil },
            read: {
                let number = reads.withLockedValue { reads in
                    reads.begun += 1
                    reads.running += 1
                    if reads.running > 1 { reads.overlapped = true }
                    return reads.begun
                }
                defer { reads.withLockedValue { $0.running -= 1 } }
                start.yield()
                if number == 1 { for await _ in gate { break } }
                var tree = Scene.tree(config: [:])
                tree.configZxid = number
                return tree
            }, servesWrites: { _ in false }, logBacklog: { (0, 0) }, vitals: { Vitals() })
        let trees = TreeReads(board: board)
        async let first = trees.read().configZxid
        for await _ in started { break }
        let later = try await withThrowingTaskGroup(of: Int64?.self) { group in
            for _ in 0..<20 { group.addTask { try await trees.read().configZxid } }
            opener.yield()
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(try await first == 1)
        #expect(later.count == 20)
        #expect(later.allSatisfy { ($0 ?? 0) >= 2 })
        let before = reads.withLockedValue { $0 }
        #expect(!before.overlapped)
        #expect(before.begun <= 21)
        #expect(try await trees.read().configZxid == before.begun + 1)
    }

    @Test(.timeLimit(.minutes(1))) func aFailureIsNotKept() async throws {
        let isAway = NIOLockedValueBox(true)
        let board = StatusBoard(
            server: { _, _ in nil },
            read: {
                if isAway.withLockedValue({ $0 }) { throw TestBoard.StoreIsAway() }
                return Scene.tree(config: [:])
            }, servesWrites: { _ in false }, logBacklog: { (0, 0) }, vitals: { Vitals() })
        let trees = TreeReads(board: board)
        await #expect(throws: TestBoard.StoreIsAway.self) { try await trees.read() }
        isAway.withLockedValue { $0 = false }
        #expect(try await trees.read().members.count == 2)
    }
}
