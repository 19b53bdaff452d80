import AdminModel
import HACore
import Logging
import PostgresControl

/// Scripts of the user's that are waited for. The lease is renewed meanwhile, on a thread of its own.
extension EffectHandlers {
    /// Has the user's script agree to the promotion (contract/patroni.md 4.5.1), for as long as the lock is held.
    /// - Throws: a known failure when it said no, which ends the promotion; an unknown one when it was not heard out.
    func runPrePromote(_ term: Term) async throws(EffectFailure) {
        guard let line = settings.postgres.prePromote else { return }
        let isLeading: @Sendable () -> Bool = { lock.guardian.leadership?.term == term }
        let result = await outcome(while: isLeading) {
            try await script("pre_promote", line, deadline: max(settings.policy.primaryStartTimeout, .seconds(300)))
        }
        guard isLeading() else {
            throw EffectFailure("lost leader before promote", isUnknown: true)
        }
        if Task.isCancelled { throw EffectFailure("the pre-promote script was ended", isUnknown: true) }
        switch result {
        case .success(0): return
        case .success(let code): throw EffectFailure("the pre-promote script ended with exit code \(code)")
        case .failure(let error): throw EffectFailure("the pre-promote script: \(error)")
        }
    }

    /// Tells the user's script that PostgreSQL is about to be stopped, as planned. It can neither prevent that nor hold
    /// it up for long: what is left of `primary_stop_timeout` is for the stop.
    func runBeforeStop() async {
        guard let line = settings.postgres.beforeStop, latest.local?.isRunning == true else { return }
        do throws(PostgresControlError) {
            let deadline = min(.seconds(30), settings.policy.primaryStopTimeout / 2)
            let code = try await script("before_stop", line, deadline: deadline)
            if code != 0 { logger.warning("the before_stop script ended with exit code \(code)") }
        } catch {
            logger.warning("the before_stop script: \(error)")
        }
    }

    /// Runs a command line to its end.
    /// - Returns: the exit code.
    func script(
        _ name: String, _ line: String, _ more: [String] = [], environment: [String: String] = [:], deadline: Duration
    ) async throws(PostgresControlError) -> Int32 {
        guard let words = ShellWords.split(line) else {
            throw PostgresControlError(.tool, "not a command line", outcome: .didNotHappen)
        }
        var logger = logger
        logger[metadataKey: "script"] = "\(name)"
        logger.info("running the user's script")
        return try await UserCommand(words + more, environment: .inherited.adding(environment))
            .run(deadline: deadline, ending: .inOrder, logger: logger)
    }
}
