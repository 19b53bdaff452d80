import Foundation
import LibPQ
import Support

/// What PostgreSQL alone needs: the same faults, the same writer, and the next step at once without asking anybody.
enum Floor {
    private static let deadline = Duration.seconds(30)

    /// kill -9 of the postmaster and a bare promotion.
    static func promotion() async throws -> Outcome {
        try await withPair { pair, writer in
            let startup = try pair.startup()
            let fault = ContinuousClock.now
            pair.primary.signal(SIGKILL)
            try await pair.promote(startup)
            return try await writer.pause(since: fault, within: deadline).time
        }
    }

    /// kill -9 of the postmaster and its start in place: crash recovery.
    static func restart() async throws -> Outcome {
        try await withPair { pair, writer in
            let fault = ContinuousClock.now
            try await PlainPair.restart(pair.primary)
            return try await writer.pause(since: fault, within: deadline).time
        }
    }

    /// A fast shutdown and a bare promotion: what a switchover does.
    static func handOver() async throws -> Outcome {
        try await withPair { pair, writer in
            let startup = try pair.startup()
            let fault = ContinuousClock.now
            pair.primary.signal(SIGINT)
            try await eventually("the primary stops", within: deadline, pace: .milliseconds(1)) {
                !pair.primary.isRunning
            }
            try await pair.promote(startup)
            return try await writer.pause(since: fault, within: deadline).time
        }
    }

    /// kill -9 of the standby's postmaster and its start in place, until it streams.
    static func replica() async throws -> Outcome {
        try await withPair(Measure.streams) { pair, _ in
            let watch = try await StreamWatch(pair.primary.conninfo)
            let old = try await watch.senders()["standby"]
            let fault = ContinuousClock.now
            async let restarted: Void = PlainPair.restart(pair.standby)
            let again = try await watch.streamsAgain("standby", unlike: old, within: deadline)
            try await restarted
            await watch.close()
            return fault.duration(to: again)
        }
    }

    /// initdb, the start, and the first table.
    static func fromNothing() async throws -> Outcome {
        let server = try await PostgresInstance("plain-cold", binaries: PlainPair.binaries, empty: true)
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

    private static func withPair(
        _ what: String = Measure.pause, _ body: (PlainPair, RowWriter) async throws -> Duration
    ) async throws -> Outcome {
        let pair = try await PlainPair.start()
        do {
            let writer = try await pair.writer()
            let result = await Result { try await body(pair, writer) }
            _ = await writer.stop()
            let time = try result.get()
            await pair.discard()
            return Outcome(times: [(what, time)])
        } catch {
            await pair.discard()
            throw error
        }
    }
}

/// The names of what is measured, so that the floor's number stands beside the product's.
enum Measure {
    static let pause = "pause of writes"
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
