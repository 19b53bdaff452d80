/// A version of PostgreSQL as an operator writes it, `15.4` or `9.6.24` of old, in a condition for a restart
/// (contract/patroni.md 2.7).
public struct PostgresVersion: Hashable, Sendable {
    public struct Invalid: Error, CustomStringConvertible {
        public let description: String
    }

    /// As in `server_version_num`.
    public let number: Int

    public init(_ text: String) throws(Invalid) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false).map { Int($0) }
        let numbers = parts.compactMap { $0 }
        guard numbers.count == parts.count, numbers.allSatisfy({ (0..<10_000).contains($0) }) else {
            throw Invalid(description: "Invalid PostgreSQL version: \(text)")
        }
        switch numbers.count {
        case 2 where numbers[0] >= 10: number = numbers[0] * 10_000 + numbers[1]
        case 3: number = numbers[0] * 10_000 + numbers[1] * 100 + numbers[2]
        default:
            throw Invalid(
                description: "Invalid PostgreSQL version format: X.Y or X.Y.Z is accepted: \(text)")
        }
    }
}
