import Foundation

/// A value behind a pthread lock, for what C threads and tests share. ThreadSanitizer understands it.
public final class Locked<Value>: @unchecked Sendable {  // the value is touched only while the lock is held
    private let lock = NSLock()
    private var value: Value

    public init(_ value: Value) { self.value = value }

    public func withLock<Result>(_ body: (inout Value) throws -> Result) rethrows -> Result {
        lock.lock()
        defer { lock.unlock() }
        return try body(&value)
    }
}
