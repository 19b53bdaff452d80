import HACore
import LibPQ
import Support
import Testing

@Suite(.serialized, .timeLimit(.minutes(3)))
struct NodeHashTests {
    /// Every length from 0 to 70 bytes, each with ASCII and with letters of two, three and four bytes.
    private static let names: [String] = (0...70).flatMap { length in
        ["a", "Z9_-. ", "ü", "東", "🦁ö1"].map { letters in
            var name = ""
            for letter in String(repeating: letters, count: length + 1) {
                guard name.utf8.count + letter.utf8.count <= length else { break }
                name.append(letter)
            }
            return name + String(repeating: "q", count: length - name.utf8.count)
        }
    }

    @Test func theHashIsTheServers() async throws {
        let server = try await PostgresInstance("hash")
        try await server.start()
        let separator = "\u{1}"
        let rows = try await server.query(
            """
            SELECT hashtext(n) AS hash, hashtext(n) & 65535 AS id
            FROM unnest(string_to_array($1, $2)) WITH ORDINALITY AS u (n, i) ORDER BY i
            """, [Self.names.joined(separator: separator), separator]
        ).rows
        #expect(rows.count == Self.names.count && rows.count == 355)
        for (name, row) in zip(Self.names, rows) {
            #expect(row["hash"] == String(PostgresHash.text(name)), "\(name)")
            #expect(row["id"] == NodeID(of: name).description, "\(name)")
        }
        await server.discard()
    }
}
