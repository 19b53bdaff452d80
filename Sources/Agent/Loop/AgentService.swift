import HACore
import Logging
public import ServiceLifecycle

/// Runs the agent's parts and ends them in order: loop, PostgreSQL, lock, session (architecture 7; contract 4.17).
public struct AgentService: Service {
    let keeper: KeeperLink
    let sessions: SessionOwner
    let guardian: LeaseGuard
    let loop: AgentLoop
    let runner: EffectRunner
    let server: LocalServer
    let lock: LockEffects
    let publisher: Publisher
    let latest: Latest
    /// Ends the process with a code; the session and PostgreSQL stay as they are.
    let exit: @Sendable (Int32) -> Void
    let logger: Logger

    public func run() async throws {
        let (unattached, attached) = AsyncStream.makeStream(of: Void.self)
        let keeping = Task {
            await keeper.run {
                attached.finish()
                await sessions.keep()
            }
        }
        guardian.start()
        let connecting = Task { await connect(after: unattached) }
        let looping = Task { await loop.run() }
        await withGracefulShutdownHandler {
            await looping.value
        } onGracefulShutdown: {
            looping.cancel()
        }
        // The lock must not vanish with the session while anything may be writable (lock.md 6, rule 3).
        guard await shutDown() else { return exit(75) }
        guardian.stop()
        guard await sessions.forget() else { return exit(1) }
        connecting.cancel()
        await sessions.close()
        await connecting.value
        keeping.cancel()
        keeper.close()
        await keeping.value
    }

    /// Uses the session only once nobody else of this member can: the keeper has killed whom it knew, and whoever it did
    /// not know of is dead when `agent.lock` is free (rulings, Lock 7).
    private func connect(after unattached: AsyncStream<Void>) async {
        for await _ in unattached {}
        guard !Task.isCancelled else { return }
        do {
            _ = try await AgentLock(keeper.runtime, patience: .seconds(15))
        } catch {
            if Task.isCancelled { return }
            logger.critical("\(error)")
            exit(1)
        }
        await sessions.run()
    }

    /// PostgreSQL is stopped first; the lock goes when nothing of it is left, never before (lock.md 4.C).
    /// - Returns: false when PostgreSQL may still be writable.
    private func shutDown() async -> Bool {
        logger.info("shutting down: stopping PostgreSQL")
        await runner.cancel()
        let term = guardian.leadership?.term
        do {
            try await server.stop(fastFor: .seconds(60))
        } catch {
            logger.error("PostgreSQL could not be stopped, the leader lock is kept: \(error)")
            return false
        }
        do {
            if let term {
                try await lock.release(term)
                logger.info("Leader key released")
            }
        } catch {
            // Nothing of PostgreSQL is left: the end of the session settles it.
            logger.error("the leader lock goes with its session: \(error)")
        }
        await publisher.publishStopped()
        return true
    }
}
