/// A wait that ended without the property becoming true.
public struct EventuallyTimedOut: Error, CustomStringConvertible {
    /// What was waited for, in the words of the caller.
    public let awaited: String
    /// How long it was waited for.
    public let deadline: Duration

    public var description: String { "not within \(deadline): \(awaited)" }
}

/// Waits until `property` gives a value, and returns it: the only kind of sleep that a test may contain.
///
/// The property is asked at once and then each `pace`. A throw of the property ends the wait with that error.
/// - Parameters:
///   - awaited: words for the failure, such as "the session expires".
///   - deadline: how long to wait at most; the property is asked once more at its end.
/// - Throws: `EventuallyTimedOut`, `CancellationError`, or what the property throws.
@discardableResult
public func eventually<Value>(
    _ awaited: String, within deadline: Duration = .seconds(30), pace: Duration = .milliseconds(5),
    _ property: () async throws -> Value?
) async throws -> Value {
    let end = ContinuousClock.now + deadline
    while true {
        let last = ContinuousClock.now >= end
        if let value = try await property() { return value }
        if last { throw EventuallyTimedOut(awaited: awaited, deadline: deadline) }
        try await Task.sleep(for: pace)
    }
}

/// Waits until `property` is true; see ``eventually(_:within:pace:_:)-(_,_,_,()->Value?)``.
public func eventually(
    _ awaited: String, within deadline: Duration = .seconds(30), pace: Duration = .milliseconds(5),
    _ property: () async throws -> Bool
) async throws {
    try await eventually(awaited, within: deadline, pace: pace) { try await property() ? () : nil }
}

/// The shortest of many waits, until one took less than `bound`: a busy machine may make any of them long, not all of them.
public func shortest(
    of tries: Int, until bound: Duration, _ wait: () async throws -> Duration
) async rethrows -> Duration {
    var shortest = Duration.seconds(60)
    for _ in 0..<tries where shortest >= bound { shortest = min(shortest, try await wait()) }
    return shortest
}
