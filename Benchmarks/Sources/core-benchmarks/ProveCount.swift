import CThread

/// Tries the count of allocations on what is known: one that misses what the runtime asks for would be good news about
/// everything.
func proveCount() {
    final class Object {}
    var (ten, hundred) = (10, 100)
    // So that the compiler cannot know what is made.
    withUnsafeMutablePointer(to: &ten) { keep($0) }
    withUnsafeMutablePointer(to: &hundred) { keep($0) }
    let known: [(what: String, expected: UInt, found: UInt)] = [
        ("nothing", 0, count {}),
        ("ten objects", 10, count { for _ in 0..<ten { made(Object()) } }),
        ("an array", 1, count { made([UInt64](repeating: 7, count: hundred)) }),
        ("a string of ten characters", 0, count { made(String(repeating: "x", count: ten)) }),
        ("a string of a hundred", 1, count { made(String(repeating: "x", count: hundred)) }),
        (
            "a block at a page", 1,
            count { UnsafeMutableRawPointer.allocate(byteCount: 64, alignment: 4096).deallocate() }
        ),
    ]
    for each in known where each.found != each.expected {
        fatalError("\(each.what): \(each.found) allocations were counted, not \(each.expected)")
    }
}

private func made(_ value: some Any) { withUnsafePointer(to: value) { keep($0) } }

private func count(_ body: () -> Void) -> UInt {
    // The runtime makes what it knows of a type at the first use.
    body()
    let before = allocations_of_thread()
    body()
    return allocations_of_thread() - before
}
