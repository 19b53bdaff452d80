import AdminModel
import LocalConfiguration
import Testing

@testable import Agent
@testable import PostgresControl

/// docs/configuration.md names every key that a reader asks for, once, and none that nobody reads.
@Suite struct ConfigurationPageTests {
    private static let local = [
        "The cluster and its member", "REST interface", "ZooKeeper", "Bootstrap", "PostgreSQL", "Tags", "Log",
        "matriarchctl", "This program", "Without effect, or refused",
    ]

    @Test func localKeys() throws {
        let account: JSONValue = ["username": "x"]
        let command: JSONValue = ["command": "x"]
        let document: JSONObject = [
            "restapi": [:], "zookeeper": [:], "tags": [:], "log": ["loggers": ["<logger>": "INFO"]],
            "bootstrap": ["method": "<method>", "<method>": command],
            "postgresql": ["authentication": ["rewind": account], "create_replica_methods": ["<method>"]],
        ]
        // `spock` has a page of its own, and so has what stood elsewhere before Patroni had `authentication`.
        let asked = try keys { _ = AgentConfig(reading: document, home: "/", $0) }
            .filter { !$0.hasPrefix("spock.") && $0 != "spock" }
        try compare(Self.local, asked)
    }

    @Test func dynamicKeys() throws {
        let document: JSONObject = ["postgresql": ["create_replica_methods": ["<method>"]]]
        let asked = try keys { _ = DynamicValues(reading: SectionReader(document, [], $0), bounds: .moved) }
            .filter { !$0.hasPrefix("spock.") && (!$0.hasPrefix("postgresql.") || $0 == "postgresql.use_slots") }
        try compare(["The cluster's own document"], asked)
    }

    /// A number in the column of defaults is the one that holds without the key.
    @Test func defaults() throws {
        let text = try Checkout.text("docs/configuration.md")
        let values = DynamicValues()
        for (key, value) in [
            ("ttl", values.ttl), ("loop_wait", values.loopWait), ("retry_timeout", values.retryTimeout),
            ("member_slots_ttl", values.memberSlotsTTL), ("synchronous_node_count", values.synchronousNodeCount),
            ("{primary_start_timeout,master_start_timeout}", values.primaryStartTimeout),
            ("{primary_stop_timeout,master_stop_timeout}", values.primaryStopTimeout),
        ] {
            #expect(text.contains("| `\(key)` | \(value) |"), "\(key): \(value)")
        }
    }

    @Test func parametersThatAllShare() throws {
        let rows = try Checkout.text("docs/configuration.md").split(separator: "\n")
            .drop { $0 != "## Parameters that all members share" }.compactMap {
                $0.firstMatch(of: /^\| `(\w+)` \| (\w+) \|/)
            }
        let page = Dictionary(uniqueKeysWithValues: rows.map { (String($0.output.1), String($0.output.2)) })
        #expect(
            page == Dictionary(uniqueKeysWithValues: EnforcedParameter.all.map { ($0.name, $0.fallback) }),
            "the parameters and their defaults")
    }

    // MARK: -

    private func table() throws -> ComparisonTable { ComparisonTable(try Checkout.text("docs/configuration.md")) }

    private func compare(_ sections: [String], _ code: [String]) throws {
        let table = try table()
        let named = try sections.flatMap { name in
            try #require(table.sections[name], "there is no section \(name)").flatMap(\.items)
        }
        let twice = Dictionary(grouping: named, by: \.self).filter { $0.value.count > 1 }.keys.sorted()
        #expect(twice.isEmpty, "named twice: \(twice)")
        let left = Set(code).subtracting(named).sorted()
        #expect(left.isEmpty, "the code knows, the page does not: \(left)")
        let invented = Set(named).subtracting(code).sorted()
        #expect(invented.isEmpty, "the page names, the code does not know: \(invented)")
    }

    private func keys(_ read: (ConfigFindings) -> Void) throws -> [String] {
        let findings = ConfigFindings(origins: ConfigOrigins(document: ""), recordsKeys: true)
        read(findings)
        let paths = findings.asked ?? []
        let maps = Set(paths.map { ConfigPath(Array($0.components.dropLast())) })
        return paths.subtracting(maps).map(\.description)
    }
}
