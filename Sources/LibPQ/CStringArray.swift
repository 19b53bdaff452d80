import Glibc

/// Swift strings as the NULL-terminated array of C strings that libpq takes; nil entries become NULL.
struct CStringArray {
    let strings: [String?]

    init(_ strings: [String?]) { self.strings = strings }

    func withPointers<Result>(_ body: (UnsafePointer<UnsafePointer<CChar>?>) -> Result) -> Result {
        let copies = strings.map { $0.flatMap { strdup($0) } }
        defer { for copy in copies { free(copy) } }
        return (copies.map { UnsafePointer($0) } + [nil]).withUnsafeBufferPointer { buffer in
            body(buffer.baseAddress!)  // never nil: the array holds at least the terminator
        }
    }
}
