import AdminModel
import LocalConfiguration
import Testing

@testable import Agent

/// docs/spock.md names every key of the section `spock`, and none that nobody reads.
@Suite struct MeshDocumentTests {
    @Test func keys() throws {
        let findings = ConfigFindings(origins: ConfigOrigins(document: ""), recordsKeys: true)
        let document: JSONObject = ["spock": ["replication_sets": [["name": "x"]]]]
        _ = MeshSection.read(SectionReader(document, [], findings), dcs: nil, scope: nil)
        let paths = findings.asked ?? []
        let maps = Set(paths.map { ConfigPath(Array($0.components.dropLast())) })
        let read = paths.subtracting(maps).map {
            $0.components.dropFirst().joined(separator: ".").replacing(".0.", with: "[].")
        }
        let rows = try #require(ComparisonTable(try Checkout.text("docs/spock.md")).sections["Keys"])
        let named = rows.flatMap(\.items)
        #expect(Set(named).count == named.count, "a key has two rows")
        #expect(Set(named).subtracting(read).isEmpty, "\(Set(named).subtracting(read))")
        #expect(Set(read).subtracting(named).isEmpty, "\(Set(read).subtracting(named))")
    }

    @Test func example() throws {
        let text = try Checkout.text("docs/spock.md")
        let block = try #require(text.firstMatch(of: /```yaml\n([\s\S]*?)```/)).output.1
        let document = try YAMLDocument.parse(String(block), source: "docs/spock.md")
        let findings = ConfigFindings(origins: document.origins)
        _ = MeshSection.read(SectionReader(document.value.asObject ?? [:], [], findings), dcs: nil, scope: "gold")
        #expect(findings.problems.isEmpty && findings.notices.isEmpty, "\(findings.problems) \(findings.notices)")
    }
}
