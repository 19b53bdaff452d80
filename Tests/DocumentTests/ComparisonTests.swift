import AdminModel
import ArgumentParser
import Control
import HACore
import LocalConfiguration
import Testing
import ZooKeeper

@testable import AdminAPI
@testable import Agent
@testable import matriarch
@testable import matriarchctl

/// docs/patroni.md names what the code knows, all of it and nothing else, and tests that exist.
@Suite struct ComparisonTests {
    @Test func everyRowIsComplete() throws {
        let tests = try Checkout.tests()
        let rows = try ComparisonTable.read().sections.values.joined()
        #expect(rows.count > 100)
        for row in rows {
            #expect(row.verdict != nil, "line \(row.line) says neither that it is the same nor how it differs")
            #expect(row.verdict == .same || !row.why.isEmpty, "line \(row.line) gives no reason")
            #expect(row.tests.isEmpty != (row.excuse == nil), "line \(row.line) names no test and does not say why")
            let unheardOf = row.tests.filter { !tests.contains($0) }
            #expect(unheardOf.isEmpty, "line \(row.line) names tests that do not exist")
        }
    }

    @Test func znodes() throws {
        let layout = try ZNodeLayout(namespace: "<namespace>", scope: "<scope>")
        let fixed = Mirror(reflecting: layout).children.compactMap { $0.value as? ZNodePath }
        let named = [try layout.member(MemberID("<name>")), try layout.lease(MemberID("<name>"))]
        try compare("Znodes", (fixed + named).map(\.description))
    }

    /// The words and paths that make a health check stand in one file, and no other text does there.
    @Test func endpoints() throws {
        let source = try Checkout.text("Sources/AdminAPI/Health/HealthCheck.swift")
        let rules = try #require(source.firstMatch(of: /private func isHealthy[\s\S]*?private func contains/)).output
        let checks = rules.split(separator: "\n").filter { !$0.contains("//") }.flatMap { line in
            line.matches(of: /"([^"]+)"/).map {
                $0.output.1.hasPrefix("/") ? "GET \($0.output.1)" : "GET /\($0.output.1)"
            }
        }
        #expect(checks.contains("GET /primary"))
        try compare("Endpoints", AdminResponder.endpoints + checks)
    }

    @Test func localKeys() throws {
        let account: JSONValue = ["username": "x"]
        let command: JSONValue = ["command": "x"]
        let documents: [JSONObject] = [
            [
                "restapi": [:], "zookeeper": [:], "tags": [:], "log": ["loggers": ["<logger>": "INFO"]],
                "bootstrap": ["method": "<method>", "<method>": command],
                "postgresql": ["authentication": ["rewind": account], "create_replica_methods": ["<method>"]],
            ],
            // As it was before `authentication`.
            ["postgresql": ["pg_rewind": account]],
        ]
        let asked = documents.map { document in
            keys { _ = AgentConfig(reading: document, home: "/", $0) }
        }
        try compare("Local keys", leaves(asked[0].union(asked[1])))
    }

    @Test func dynamicKeys() throws {
        let document: JSONObject = ["postgresql": ["create_replica_methods": ["<method>"]]]
        let asked = keys { _ = DynamicValues(reading: SectionReader(document, [], $0), bounds: .moved) }
        try compare("Dynamic keys", leaves(asked))
    }

    @Test func environment() throws {
        let read = try Checkout.texts(below: "Sources", endings: ["swift", "c"]).flatMap { text in
            text.matches(of: /(?:(?:environment|variables)(?:\(\))?\[|getenv\()"([A-Z_]+)"/).map { String($0.output.1) }
        }
        #expect(read.contains("DCS_URL"))
        try compare("Environment", ConfigEnvironment.names + read)
    }

    /// Each variable says something about one key, and a reader asks for that key.
    @Test func variablesReachTheirKeys() throws {
        let known = Set(try ComparisonTable.read().items(of: "Local keys").known)
        for name in ConfigEnvironment.names {
            let environment = ConfigEnvironment([name: "1"])
            #expect(environment.problems.isEmpty, "\(name)")
            var (path, value) = (ConfigPath(), JSONValue.object(environment.document))
            // A whole section may be one key, and a map has a key for each of its names.
            func isKey() -> Bool { known.contains { $0 == "\(path)" || $0.hasPrefix("\(path).<") } }
            while !isKey(), let member = value.asObject?.members.first {
                (path, value) = (path + member.key, member.value)
            }
            #expect(isKey(), "\(name) is for \(path), which nobody reads")
        }
    }

    @Test func commands() throws {
        try compare("Commands", Matriarchctl.commandNames)
    }

    @Test func commandsOfTheMesh() throws {
        func parsed<Command>(_ arguments: String, as type: Command.Type = Command.self) throws -> Command {
            let words = arguments.split(separator: " ").map(String.init)
            return try #require(try Main.command(Spock.self, words) as? Command)
        }
        let status: SpockStatus = try parsed("status --cluster gold -f json -W")
        #expect(
            status.mesh.cluster == "gold" && status.format.format.rawValue == "json" && status.watch.everyTwoSeconds)
        let plan: SpockPlan = try parsed("plan -U admin -d app")
        #expect(plan.databases.username == "admin" && plan.databases.dbname == "app" && !plan.databases.password)
        let diff: SpockDiff = try parsed("diff n2 public.t --limit 5")
        #expect(diff.peer == "n2" && diff.table == "public.t" && diff.limit == 5)
        let resync: SpockResync = try parsed("resync n2 --force")
        #expect(resync.peer == "n2" && resync.table == nil && resync.force.force)
        #expect(try parsed("add n3", as: SpockAdd.self).node == "n3")
        #expect(try parsed("remove n3 --cluster gold", as: SpockRemove.self).mesh.cluster == "gold")
        for wrong in ["diff", "diff n2 --limit 0", "resync", "remove", "nonsense", "status gold --group 1"] {
            let error = #expect(throws: (any Error).self) { _ = try parsed(wrong, as: (any ClusterCommand).self) }
            #expect(error.map { Spock.exitCode(for: $0) } == .validationFailure, "\(wrong)")
        }
        for help in ["", "--help", "diff --help"] {
            let error = #expect(throws: (any Error).self) { _ = try parsed(help, as: (any ClusterCommand).self) }
            #expect(error.map { Spock.exitCode(for: $0) } == .success, "\(help)")
        }
    }

    @Test func options() throws {
        let help = Matriarch.helpMessage(includeHidden: true, columns: 120)
        try compare("Process", help.matches(of: /--[a-z][a-z-]+/).map { String($0.output) })
    }

    @Test(arguments: [
        ["--generate-config", "--validate-config"], ["--validate-config", "--generate-sample-config"],
        ["--ignore-listen-port", "gold.yml"], ["--print", "gold.yml"], ["gold.yml", "silver.yml"], ["--no-such-option"],
    ])
    func modesExcludeEachOther(arguments: [String]) throws {
        let error = #expect(throws: (any Error).self) { _ = try Matriarch.parse(arguments) }
        #expect(error.map { Matriarch.exitCode(for: $0) } == .validationFailure)
        for alone in arguments where !["--ignore-listen-port", "--print", "--no-such-option"].contains(alone) {
            _ = try Matriarch.parse([alone])
        }
        let help = #expect(throws: (any Error).self) { _ = try Matriarch.parse(["--help"]) }
        #expect(help.map { Matriarch.exitCode(for: $0) } == .success)
    }

    // MARK: -

    private func compare(_ section: String, _ code: [String]) throws {
        let (known, unknown) = try ComparisonTable.read().items(of: section)
        let twice = Dictionary(grouping: known, by: \.self).filter { $0.value.count > 1 }.keys.sorted()
        #expect(twice.isEmpty, "\(section) names these twice: \(twice)")
        let left = Set(code).subtracting(known).sorted()
        #expect(left.isEmpty, "\(section) leaves out what the code knows: \(left)")
        let invented = Set(known).subtracting(code).sorted()
        #expect(invented.isEmpty, "\(section) names what the code does not know: \(invented)")
        let found = Set(unknown).intersection(code).sorted()
        #expect(found.isEmpty, "\(section) says that these are missing: \(found)")
    }

    private func keys(_ read: (ConfigFindings) -> Void) -> Set<ConfigPath> {
        let findings = ConfigFindings(origins: ConfigOrigins(document: ""), recordsKeys: true)
        read(findings)
        return findings.asked ?? []
    }

    /// Without the maps that hold others.
    private func leaves(_ paths: Set<ConfigPath>) -> [String] {
        let maps = Set(paths.map { ConfigPath(Array($0.components.dropLast())) })
        return paths.subtracting(maps).map(\.description)
    }
}
