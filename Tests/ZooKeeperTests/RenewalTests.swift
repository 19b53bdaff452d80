import Foundation
import Support
import Testing
import ZooKeeper

@Suite(.serialized, .timeLimit(.minutes(1)), .enabled(if: ZooKeeperServer.isInstalled, "Debian's ZooKeeper jars"))
struct RenewalTests {
    @Test func aRenewalTellsWhenItWasSentAndAcknowledged() async throws {
        try await withSession(Shared.standalone().host) { witness in
            let port = witness.session.renewals
            try await witness.session.create("/renew", deadline: patience)
            let before = BootClock.now
            let result = try await submit([.check("/renew", .initial), .set("/renew", [1], .any)], to: port)
            #expect(
                before <= result.sentAt && result.sentAt < result.completedAt && result.completedAt <= BootClock.now)
            #expect(result.submittedOn == port.connection?.generation && result.isOnOneConnection)
            let parts = try result.result.get()
            #expect(parts.first == .checked && parts.last?.stat?.version == Version.initial.next)

            let refused = try await submit([.set("/renew", [2], .any), .check("/renew", .initial)], to: port)
            #expect(throws: ZooKeeperError.self) { try refused.result.get() }
            guard case .failure(let error) = refused.result else { return }
            #expect(error.code == .badVersion && error.failedOperation == 1 && error.outcome == .didNotHappen)
            #expect(refused.isOnOneConnection)
            try await witness.session.delete("/renew", expecting: .any, deadline: patience)
        }
    }

    @Test func aThreadRenewsWithoutTasks() async throws {
        try await withSession(Shared.standalone().host) { witness in
            try await witness.session.create("/thread", mode: .ephemeral, deadline: patience)
            let port = witness.session.renewals
            let versions = Locked<[Version]>([])
            let thread = Thread {
                for _ in 0..<20 {
                    let done = DispatchSemaphore(value: 0)
                    let accepted = port.submit([.set("/thread", [1], .any)]) { result in
                        if let stat = try? result.result.get().first?.stat {
                            versions.withLock { $0.append(stat.version) }
                        }
                        done.signal()
                    }
                    guard accepted, done.wait(timeout: .now() + 10) == .success else { return }
                }
            }
            thread.start()
            try await eventually("20 renewals are acknowledged") { versions.withLock { $0.count } == 20 }
            #expect(versions.withLock { $0.map(\.rawValue) } == Array(1...20))
        }
    }

    @Test func aRenewalAcrossAReconnectSaysSo() async throws {
        let server = try await ZooKeeperServer.standalone()
        try await withSession(server.host) { witness in
            let port = witness.session.renewals
            server.freeze()
            let results = Locked<[RenewalResult]>([])
            #expect(port.submit([.create("/r", [], .persistent)]) { result in results.withLock { $0.append(result) } })
            #expect(witness.session.abandonConnection())
            try await eventually("it ends") { results.withLock { $0.count } == 1 }
            server.thaw()
            let result = try #require(results.withLock { $0.first })
            #expect(result.submittedOn == 1 && result.completedOn == nil && !result.isOnOneConnection)
            guard case .failure(let error) = result.result else {
                Issue.record("a frozen server acknowledged")
                return
            }
            #expect(error.outcome == .unknown && error.code == .connectionLoss)
            try await eventually("a new connection") { port.connection?.generation == 2 }
        }
        try await server.stop()
    }

    @Test(arguments: 0..<5)
    func eachAcceptedRenewalEndsExactlyOnceAtAClose(round: Int) async throws {
        try await withSession(Shared.standalone().host) { witness in
            let port = witness.session.renewals
            let ends = Locked<[Int: Int]>([:])
            let accepted = Locked<Int>(0)
            let thread = Thread {
                for number in 0..<100_000 {
                    let isAccepted = port.submit([.check("/", .initial), .set("/none", [], .any)]) { result in
                        if case .failure(let error) = result.result, error.code == .closing {
                            #expect(error.outcome == .unknown)
                        }
                        ends.withLock { $0[number, default: 0] += 1 }
                    }
                    guard isAccepted else { return }
                    accepted.withLock { $0 += 1 }
                }
            }
            thread.start()
            try await eventually("many were submitted") { accepted.withLock { $0 } > 100 }
            await witness.session.close()
            try await eventually("the thread is refused and ends") { thread.isFinished }
            let count = accepted.withLock { $0 }
            #expect(ends.withLock { $0.count } == count)
            #expect(ends.withLock { $0.values.allSatisfy { $0 == 1 } })
        }
    }

    private func submit(_ operations: [ZooKeeper.Operation], to port: RenewalPort) async throws -> RenewalResult {
        let results = Locked<[RenewalResult]>([])
        #expect(port.submit(operations) { result in results.withLock { $0.append(result) } })
        return try await eventually("the renewal ends") { results.withLock { $0.first } }
    }
}
