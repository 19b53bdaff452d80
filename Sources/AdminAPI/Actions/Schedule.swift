import AdminModel

/// A time that somebody plans something for (contract/patroni.md 2.7).
enum Schedule {
    struct Refusal: Error { let answer: Answer }

    /// - Parameter action: what is planned, for the answer.
    /// - Returns: the time since 1970-01-01 00:00 UTC, which is still to come.
    static func read(_ text: String, for action: String) -> Result<Duration, Refusal> {
        do throws(MomentText.Failure) {
            let moment = try MomentText.parse(text)
            guard moment > MomentText.now else {
                return refused(422, "Cannot schedule \(action) in the past")
            }
            return .success(moment)
        } catch {
            switch error {
            case .noOffset: return refused(400, "Timezone information is mandatory for the scheduled \(action)")
            case .unreadable:
                return refused(
                    422, "Unable to parse scheduled timestamp. It should be in an unambiguous format, e.g. ISO 8601")
            }
        }
    }

    private static func refused(_ code: Int, _ text: String) -> Result<Duration, Refusal> {
        .failure(Refusal(answer: .text(code, text)))
    }
}
