/// A statement's result, all as text (PostgreSQL's own output format).
public struct QueryResult: Sendable, Hashable {
    public let columns: [String]
    /// The OIDs of the columns' types.
    public let types: [UInt32]
    public let rows: [Row]
    /// The command tag, such as `CREATE ROLE` or `INSERT 0 1`.
    public let commandTag: String

    public struct Row: Sendable, Hashable {
        let columns: [String]
        public let values: [String?]

        /// The column's text; nil when it is NULL or there is no such column.
        public subscript(column: String) -> String? {
            guard let index = columns.firstIndex(of: column) else { return nil }
            return values[index]
        }

        /// The column's text.
        /// - Throws: `.unexpectedReply` when it is NULL or absent.
        public func text(_ column: String) throws(PostgresError) -> String {
            guard let value = self[column] else { throw missing(column) }
            return value
        }

        /// nil for NULL.
        /// - Throws: `.unexpectedReply` when it is neither NULL nor a decimal number of 64 bits.
        public func int64(_ column: String) throws(PostgresError) -> Int64? {
            guard let value = self[column] else { return nil }
            guard let number = Int64(value) else { throw unreadable(column, "number") }
            return number
        }

        /// nil for NULL.
        /// - Throws: `.unexpectedReply` when it is neither NULL nor `t`, `f`, `true` or `false`.
        public func bool(_ column: String) throws(PostgresError) -> Bool? {
            switch self[column] {
            case nil: return nil
            case "t", "true": return true
            case "f", "false": return false
            default: throw unreadable(column, "boolean")
            }
        }

        private func missing(_ column: String) -> PostgresError {
            PostgresError(.unexpectedReply, "column \(column) is NULL or absent", outcome: .unknown)
        }

        private func unreadable(_ column: String, _ type: String) -> PostgresError {
            PostgresError(.unexpectedReply, "column \(column) is not a \(type)", outcome: .unknown)
        }
    }

    public init(columns: [String], types: [UInt32] = [], rows: [[String?]], commandTag: String = "") {
        self.columns = columns
        self.types = types
        self.rows = rows.map { Row(columns: columns, values: $0) }
        self.commandTag = commandTag
    }

    /// The first row.
    /// - Throws: `.unexpectedReply` when there is none.
    public func first() throws(PostgresError) -> Row {
        guard let row = rows.first else {
            throw PostgresError(.unexpectedReply, "the result has no row", outcome: .unknown)
        }
        return row
    }
}
