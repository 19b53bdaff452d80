import HACore
import Logging
public import ServiceLifecycle

/// Runs the agent's parts and ends them in order: loop, PostgreSQL, lock, session (architecture 7; contract 4.17).
public struct AgentService: Service {
    let keeper: KeeperLink
    let sessions: SessionOwner
    let guardian: LeaseGuard
    let loop: AgentLoop
    let mesh: MeshLoop
    let publisher: Publisher
    let callbacks: Callbacks
    let manager: ServiceManager?
    /// Ends the process with a code; the session and PostgreSQL stay as they are.
    let exit: @Sendable (Int32) -> Void
    let logger: Logger

    /// Stopping, releasing and what they wait for, together.
    private static let patience = Duration.seconds(180)
    /// For the last callback, `on_stop`, when all else is over.
    private static let callbackPatience = Duration.seconds(10)

    public func run() async throws {
        let (unattached, attached) = AsyncStream.makeStream(of: Void.self)
        let keeping = Task {
            await keeper.run(
                patience: { guardian.lease?.terms.timeout ?? .seconds(30) },
                attached: {
                    attached.finish()
                    await sessions.keep()
                },
                hopeless: { exit(75) })
        }
        guardian.start()
        let connecting = Task { await connect(after: unattached) }
        let looping = Task(executorPreference: LoopThread.shared) { await loop.run() }
        let meshing = Task { await mesh.run() }
        defer { meshing.cancel() }
        let ending = await withGracefulShutdownHandler {
            await looping.value
        } onGracefulShutdown: {
            Task { await self.leave(looping) }
        }
        // The lock must not vanish with the session while anything may be writable (lock.md 6, rule 3).
        switch ending {
        case .inOrder: await publisher.publishStopped()
        case .detached: break
        case .paused: return exit(0)
        case .cancelled: return exit(75)
        }
        guardian.stop()
        guard await sessions.forget() else { return exit(1) }
        connecting.cancel()
        await sessions.close()
        await connecting.value
        keeping.cancel()
        keeper.close()
        await keeping.value
        await callbacks.end(within: Self.callbackPatience)
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

    /// What runs is left, and the loop brings PostgreSQL and the lock to their end.
    private func leave(_ looping: Task<AgentLoop.Ending, Never>) async {
        logger.info("shutting down")
        manager?.tell(.stopping)
        await loop.leave()
        try? await Task.sleep(for: Self.patience, clock: .continuous)
        guard !Task.isCancelled else { return }
        // The session's end and the keeper's deadline settle what is left.
        logger.error("not stopped in order within \(Self.patience): left as it is")
        looping.cancel()
    }
}
