import HACore
import NIOConcurrencyHelpers

/// The write that reserves a new leader's timeline, under way since the lock was taken.
final class TimelineReservation: Sendable {
    private let begun = NIOLockedValueBox<(term: Term, work: Task<Bool, Never>)?>(nil)

    func begin(_ term: Term, _ work: @escaping @Sendable () async throws(EffectFailure) -> Void) {
        let task = Task {
            do throws(EffectFailure) { try await work() } catch { return false }
            return true
        }
        begun.withLockedValue { $0 = (term, task) }
    }

    /// Its files may be gone: a promotion makes another one.
    func forget() { begun.withLockedValue { $0 = nil } }

    /// Waits for it, once. False when none was begun in this term or it did not succeed: then it is to be made now.
    func isMade(for term: Term) async -> Bool {
        let found = begun.withLockedValue { begun in
            defer { begun = nil }
            return begun
        }
        guard let found, found.term == term else { return false }
        return await found.work.value
    }
}
