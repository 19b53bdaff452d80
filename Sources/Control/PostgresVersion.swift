/// The version of PostgreSQL below which a restart is asked for: `15.4`, or `9.6.24` of old.
package enum PostgresVersion {
    /// The text, when a member will accept it.
    package static func checked(_ text: String) throws(ControlError) -> String {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false).map { Int($0) }
        guard parts.allSatisfy({ $0 != nil }) else { throw ControlError("Invalid PostgreSQL version: \(text)") }
        guard parts.count == 3 || parts.count == 2 && (parts[0] ?? 0) >= 10 else {
            throw ControlError("Invalid PostgreSQL version format: X.Y or X.Y.Z is accepted: \(text)")
        }
        return text
    }
}
