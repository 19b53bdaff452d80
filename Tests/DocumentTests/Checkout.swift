import Foundation

/// The files of this checkout.
enum Checkout {
    static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    static func text(_ path: String) throws -> String {
        try String(contentsOf: folder.appending(path: path), encoding: .utf8)
    }

    /// The text of every file with one of these endings below a folder.
    static func texts(below path: String, endings: Set<String>) throws -> [String] {
        let files = FileManager.default.enumerator(at: folder.appending(path: path), includingPropertiesForKeys: nil)
        return try (files?.allObjects ?? []).compactMap { $0 as? URL }
            .filter { endings.contains($0.pathExtension) }.map { try String(contentsOf: $0, encoding: .utf8) }
    }

    /// `Suite.function` for every test: a suite is any type that is declared or extended in the test's file.
    static func tests() throws -> Set<String> {
        let declaration = /(?:struct|extension|class|enum) ([\w.]+)/
        var tests: Set<String> = []
        for text in try texts(below: "Tests", endings: ["swift"]) {
            var suites: Set<Substring> = []
            var functions: [Substring] = []
            var isTest = false
            for line in text.split(separator: "\n") {
                // A type's declaration ends with its brace; to look for one in every line would take seconds.
                if line.hasSuffix("{"), let name = line.firstMatch(of: declaration)?.output.1 {
                    suites.insert(name.split(separator: ".").last ?? name)
                }
                if line.contains("@Test") { isTest = true }
                guard isTest, let name = line.firstMatch(of: /func (?:`([^`]+)`|(\w+))/)?.output else { continue }
                functions.append(name.1 ?? name.2 ?? "")
                isTest = false
            }
            for suite in suites { tests.formUnion(functions.map { "\(suite).\($0)" }) }
        }
        return tests
    }
}
