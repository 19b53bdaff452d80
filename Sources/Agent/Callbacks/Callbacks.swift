import AdminModel
import HACore
import Logging
import NIOConcurrencyHelpers
import PostgresControl

/// Tells the user's commands what happens to PostgreSQL (contract/patroni.md 4.15). Nobody waits for them.
///
/// One runs at a time: the next one ends it. `on_reload` is apart, and ends only another of its kind.
final class Callbacks: Sendable {
    private struct State {
        var plan = CallbackPlan()
        var running: [Slot: Task<Void, Never>] = [:]
    }

    private enum Slot { case change, reload }

    private let state = NIOLockedValueBox(State())
    private let settings: ClusterSettings
    private let logger: Logger

    init(settings: ClusterSettings, logger: Logger) {
        self.settings = settings
        self.logger = logger
    }

    /// What the loop saw.
    func look(_ view: ClusterView, _ memory: DecisionMemory) {
        let calls = state.withLockedValue { $0.plan.look(CallbackPlan.Sight(view, memory)) }
        for call in calls { fire(call) }
    }

    /// PostgreSQL was told to read its configuration again.
    func reloaded() {
        guard let role = state.withLockedValue({ $0.plan.reloadRole }) else { return }
        fire(Callback(action: .onReload, role: role))
    }

    /// The agent ends: what was told last may come to its end within `patience`.
    func end(within patience: Duration) async {
        let running = state.withLockedValue { Array($0.running.values) }
        let timer = Task {
            try? await Task.sleep(for: patience, clock: .continuous)
            for task in running { task.cancel() }
        }
        for task in running { await task.value }
        timer.cancel()
    }

    private func fire(_ call: Callback) {
        let action = call.action.rawValue
        guard let line = settings.postgres.callbacks[action] else { return }
        guard let words = ShellWords.split(line), !words.isEmpty else {
            return logger.error("callback \(action): not a command line")
        }
        let command = UserCommand(words + [action, call.role.rawValue, settings.local.scope])
        let slot = call.action == .onReload ? Slot.reload : .change
        state.withLockedValue { state in
            let former = state.running[slot]
            former?.cancel()
            state.running[slot] = Task { [logger] in
                await former?.value
                guard !Task.isCancelled else { return }
                await Self.run(command, call, logger)
            }
        }
    }

    private static func run(_ command: UserCommand, _ call: Callback, _ logger: Logger) async {
        var logger = logger
        logger[metadataKey: "callback"] = "\(call.action.rawValue)"
        logger[metadataKey: "role"] = "\(call.role.rawValue)"
        logger.info("calling the user's command")
        do throws(PostgresControlError) {
            let code = try await command.run(deadline: nil, ending: .atOnce, logger: logger)
            if code != 0 { logger.warning("the user's command ended with exit code \(code)") }
        } catch {
            logger.warning("the user's command: \(error)")
        }
    }
}
