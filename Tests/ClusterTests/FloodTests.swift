import Foundation
import Support
import Testing

extension ClusterTests.Views {
    /// More clients than there is room for, most of them too slow to end a request: health checks are answered, the
    /// leader leads, no write waits.
    @Test func aFloodDelaysNobody() async throws {
        let scene = try await Scenario.begin()
        let node = scene.leader
        let isOver = Locked(false)
        try await withThrowingTaskGroup(of: Int.self) { group in
            group.addTask {
                // Given up by the server, each is opened anew.
                var slow: [SlowClient] = []
                while !isOver.withLock({ $0 }) {
                    slow = slow.suffix(1_000) + (0..<100).compactMap { _ in try? SlowClient(port: node.restPort) }
                    try await Task.sleep(for: .milliseconds(50))
                }
                return slow.count
            }
            for _ in 0..<16 {
                group.addTask {
                    var answers = 0
                    while !isOver.withLock({ $0 }) {
                        let answer = try? await HTTPProbe.send("GET", "/patroni", port: node.restPort)
                        answers += answer == nil ? 0 : 1
                    }
                    return answers
                }
            }
            let end = ContinuousClock.now + .seconds(6)
            var longest = Duration.zero
            repeat {
                let start = ContinuousClock.now
                let answer = try await HTTPProbe.send("GET", "/primary", port: node.restPort, within: .seconds(2))
                #expect(answer.status == 200)
                longest = max(longest, ContinuousClock.now - start)
                try await Task.sleep(for: .milliseconds(50))
            } while ContinuousClock.now < end
            isOver.withLock { $0 = true }
            let answers = try await group.reduce(0, +)
            report("flood: \(answers) others were answered, the slowest health check took \(longest)")
        }
        let after = try await scene.cluster.whole("after the flood")
        try await scene.endUnchanged(after, "a flood of its REST API")
    }
}

/// A connection on which a request begins and does not go on.
private final class SlowClient: Sendable {
    private let descriptor: Int32

    init(port: UInt16) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
        guard descriptor >= 0 else { throw SupportError("socket: \(String(cString: strerror(errno)))") }
        _ = FreePort.withLoopback(port) { connect(descriptor, $0, $1) }
        send(descriptor, "GET /prim", 9, Int32(MSG_NOSIGNAL))
    }

    deinit { close(descriptor) }
}
