/// The version of the extension's SQL, by which its functions differ (contract/spock.md 1).
struct SpockVersion: Hashable, Comparable {
    let parts: [Int]

    init(_ major: Int, _ minor: Int, _ patch: Int) { parts = [major, minor, patch] }

    /// Reads `5.0.9`; what follows the numbers, as in `6.0.0-devel`, does not count.
    init(_ text: String) {
        let numbers = text.prefix { $0.isNumber || $0 == "." }.split(separator: ".").compactMap { Int($0) }
        parts = Array((numbers + [0, 0, 0]).prefix(3))
    }

    static func < (left: Self, right: Self) -> Bool { left.parts.lexicographicallyPrecedes(right.parts) }

    /// `get_apply_worker_status` exists.
    var tellsWorkers: Bool { self >= SpockVersion(5, 0, 0) }
    /// `sub_create` takes `enabled`.
    var subscribesDisabled: Bool { self >= SpockVersion(5, 0, 0) }
    /// `sub_create` takes `skip_schema`.
    var skipsSchemas: Bool { self >= SpockVersion(5, 0, 2) }
}
