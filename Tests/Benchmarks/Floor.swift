import Foundation
import LibPQ
import Support

/// What PostgreSQL alone needs: the same faults, the same writer and load, and the next step at once without asking
/// anybody.
enum Floor {
    private static let deadline = Duration.seconds(10)

    /// kill -9 of the postmaster and a bare promotion.
    static func promotion(_ mode: BenchMode) async throws -> Outcome {
        try await withServers(mode) { servers, writer in
            let startups = try servers.startups()
            let fault = ContinuousClock.now
            servers.primary.signal(SIGKILL)
            return try await servers.promote(startups) { try await writer.pause(since: fault, within: deadline).time }
        }
    }

    /// A bare promotion of a standby whose primary is long dead, from its order on: what is left to do once a lock has
    /// vanished.
    static func latePromotion(_ mode: BenchMode) async throws -> Outcome {
        try await withServers(mode, Measure.afterLock) { servers, writer in
            let startups = try servers.startups()
            let fault = ContinuousClock.now
            servers.primary.signal(SIGKILL)
            try await Task.sleep(for: .seconds(1))
            let order = ContinuousClock.now
            return try await servers.promote(startups) {
                order.duration(to: try await writer.pause(since: fault, within: deadline).first)
            }
        }
    }

    /// kill -9 of the postmaster and its start in place: crash recovery.
    static func restart(_ mode: BenchMode) async throws -> Outcome {
        try await withServers(mode) { servers, writer in
            let startups = try servers.startups()
            let fault = ContinuousClock.now
            return try await servers.restartPrimary(startups) {
                try await writer.pause(since: fault, within: deadline).time
            }
        }
    }

    /// A fast shutdown and a bare promotion: what a switchover does.
    static func handOver(_ mode: BenchMode) async throws -> Outcome {
        try await withServers(mode) { servers, writer in
            let startups = try servers.startups()
            let fault = ContinuousClock.now
            servers.primary.signal(SIGINT)
            try await eventually("the primary stops", within: deadline, pace: .milliseconds(1)) {
                !servers.primary.isRunning
            }
            return try await servers.promote(startups) { try await writer.pause(since: fault, within: deadline).time }
        }
    }

    /// kill -9 of the standby's postmaster and its start in place, until it streams.
    static func replica(_ mode: BenchMode) async throws -> Outcome {
        try await withServers(mode, Measure.streams) { servers, _ in
            let watch = try await StreamWatch(servers.primary.conninfo)
            let old = try await watch.senders()["standby"]
            let fault = ContinuousClock.now
            async let restarted: Void = servers.restart(servers.standby)
            let again = try await watch.streamsAgain("standby", unlike: old, within: deadline)
            try await restarted
            await watch.close()
            return fault.duration(to: again)
        }
    }

    /// initdb, the start, and the first table.
    static func fromNothing(_ mode: BenchMode) async throws -> Outcome {
        let server = try await PostgresInstance("plain-cold", binaries: PlainServers.binaries, empty: true)
        do {
            let start = ContinuousClock.now
            let file = try server.folder.write("password", PostgresInstance.password + "\n", mode: 0o600)
            try await PostgresInstance.run(
                "\(server.binaries)/initdb",
                [
                    "--pgdata=\(server.dataDirectory)", "--username=\(PostgresInstance.superuser)",
                    "--pwfile=\(file)", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--data-checksums",
                    "--no-sync",
                ], log: server.log)
            try await server.start()
            try await server.query(RowWriter.createTable)
            let time = start.duration(to: .now)
            await server.discard()
            return Outcome(times: [(Measure.firstWrite, time)])
        } catch {
            await server.discard()
            throw error
        }
    }

    private static func withServers(
        _ mode: BenchMode, _ what: String = Measure.pause,
        _ body: (PlainServers, RowWriter) async throws -> Duration
    ) async throws -> Outcome {
        for _ in 1...3 {
            let servers = try await PlainServers.start(mode)
            let result = await Result { try await measured(servers, mode, body) }
            await servers.discard()
            do { return Outcome(times: [(what, try result.get())]) } catch is PlainServers.OtherIsAhead {
                // No bare promotion and re-follow: once more.
                continue
            }
        }
        throw SupportError("the other standby was ahead of the promoted one three times")
    }

    private static func measured(
        _ servers: PlainServers, _ mode: BenchMode, _ body: (PlainServers, RowWriter) async throws -> Duration
    ) async throws -> Duration {
        let writer = try await servers.writer()
        let result = await Result {
            try await PgbenchLoad.running(
                mode, at: servers.primary.conninfo, password: PostgresInstance.password
            ) { load in
                try load?.check()
                return try await body(servers, writer)
            }
        }
        _ = await writer.stop()
        return try result.get()
    }
}

/// The names of what is measured, so that the floor's number stands beside the product's.
enum Measure {
    static let pause = "pause of writes"
    static let afterLock = "after the lock had vanished"
    static let lateProbe = "/primary 200 after the last row"
    static let earlyProbe = "/primary 200 before the first row"
    static let streams = "streams again"
    static let firstWrite = "first write"
    static let allStream = "all stream"
    static let longestGap = "longest gap"
}

extension Result where Failure == any Error {
    init(_ body: () async throws -> Success) async {
        do { self = .success(try await body()) } catch { self = .failure(error) }
    }
}
