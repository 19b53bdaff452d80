import HACore
import Logging
import NIOConcurrencyHelpers

/// Carries out the effects of decisions: one list at a time, in order, the first failure ends it. An urgent decision's
/// effects run at once beside it.
final class EffectRunner: Sendable {
    private struct State {
        var running: RunningEffect?
        var finished: [FinishedEffect] = []
        var unsettled = false
        var task: Task<Void, Never>?
        var configuring: Task<Void, Never>?
        /// By effect name: what went wrong last, said once until it changes.
        var complaints: [String: String] = [:]
    }

    typealias Taken = (running: RunningEffect?, finished: [FinishedEffect], unsettled: Bool)

    private let state = NIOLockedValueBox(State())
    private let effects: EffectHandlers
    private let wakeup: Wakeup
    private let logger: Logger

    init(effects: EffectHandlers, wakeup: Wakeup, logger: Logger) {
        self.effects = effects
        self.wakeup = wakeup
        self.logger = logger
    }

    /// What runs, what ended since the last call, and whether a change of the lock has an unknown outcome.
    ///
    /// To be taken before anything else is looked at: what an ended effect did is then part of the view.
    func take() -> Taken {
        state.withLockedValue { state in
            defer { state.finished = [] }
            return (state.running, state.finished, state.unsettled)
        }
    }

    /// Begins the effects of a decision.
    func begin(_ decision: Decision) {
        guard !decision.effects.isEmpty else { return }
        if decision.urgent {
            for effect in decision.effects {
                Task { await self.perform(effect) }
            }
            return
        }
        let list = decision.effects
        state.withLockedValue { state in
            guard state.running == nil, let first = list.first else { return }
            state.running = RunningEffect(first, since: Instant.now)
            // Of the loop's thread, too: each change of threads would cost a part of a millisecond, and none of these blocks.
            let thread = list.allSatisfy { $0.isOfFailover || $0.isPromotion } ? LoopThread.shared : nil
            state.task = Task(executorPreference: thread) { await self.perform(list) }
        }
    }

    /// Gives PostgreSQL a changed configuration while nothing runs. What begins meanwhile waits for its end, except what
    /// is urgent.
    func configure() {
        guard effects.isConfigurationDue else { return }
        state.withLockedValue { state in
            guard state.running == nil, state.configuring == nil else { return }
            state.configuring = Task { await self.giveConfiguration() }
        }
    }

    private func giveConfiguration() async {
        let name = "configure"
        var isDone = false
        do {
            try await effects.configure()
            isDone = true
        } catch { complain(name, error.description) }
        state.withLockedValue { state in
            state.configuring = nil
            if isDone { state.complaints[name] = nil }
        }
        // It may have changed once more meanwhile.
        if isDone { wakeup.signal(urgent: true) }
    }

    /// Leaves what is running; an effect cut short is derived anew from the next view.
    func cancel() { state.withLockedValue { $0.task }?.cancel() }

    private func perform(_ list: [Effect]) async {
        await state.withLockedValue { $0.configuring }?.value
        for effect in list {
            state.withLockedValue { $0.running = RunningEffect(effect, since: Instant.now) }
            guard await perform(effect) else { break }
        }
        state.withLockedValue { state in
            state.running = nil
            state.task = nil
        }
        wakeup.signal(urgent: true)
    }

    private func complain(_ name: String, _ why: String) {
        let isNew = state.withLockedValue { $0.complaints.updateValue(why, forKey: name) != why }
        logger.log(level: isNew ? .warning : .debug, "\(name) failed: \(why)")
    }

    @discardableResult
    private func perform(_ effect: Effect) async -> Bool {
        let outcome: FinishedEffect.Outcome
        do {
            try await effects.carryOut(effect)
            outcome = .done
            state.withLockedValue { $0.complaints[effect.name] = nil }
        } catch {
            outcome = error.isUnknown ? .unknown(error.description) : .failed(error.description)
            complain(effect.name, error.description)
        }
        state.withLockedValue { state in
            state.finished.append(FinishedEffect(effect, outcome, at: Instant.now))
            switch (effect, outcome) {
            case (.acquire, .unknown), (.adopt, .unknown), (.replace, .unknown), (.release, .unknown):
                state.unsettled = true
            case (.settle, .done): state.unsettled = false
            default: break
            }
        }
        wakeup.signal(urgent: true)
        return outcome == .done
    }
}

extension Effect {
    /// A step of a failover that lasts some milliseconds.
    var isOfFailover: Bool {
        switch self {
        case .askPeers, .acquire, .release, .arm: true
        default: false
        }
    }
}
