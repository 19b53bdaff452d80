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
    let logger: Logger

    public func run() async throws {
        let keeping = Task { await keeper.run() }
        _ = try await AgentLock(keeper.runtime, patience: .seconds(15))
        guardian.start()
        let connecting = Task { await sessions.run() }
        let looping = Task { await loop.run() }
        await withGracefulShutdownHandler {
            await looping.value
        } onGracefulShutdown: {
            looping.cancel()
        }
        await shutDown()
        guardian.stop()
        connecting.cancel()
        await sessions.close()
        await connecting.value
        keeping.cancel()
        keeper.close()
        await keeping.value
    }

    /// PostgreSQL is stopped first; the lock goes when nothing of it is left, never before (lock.md 4.C).
    private func shutDown() async {
        logger.info("shutting down: stopping PostgreSQL")
        await runner.cancel()
        let term = guardian.leadership?.term
        do {
            try await server.stop(fastFor: .seconds(60))
            if let term {
                try await lock.release(term)
                logger.info("Leader key released")
            }
        } catch {
            // Left as it is: the session's end and the keeper's deadline settle it.
            logger.error("not stopped in order, the leader lock is left to its session's end: \(error)")
        }
        await publisher.publishStopped()
    }
}
