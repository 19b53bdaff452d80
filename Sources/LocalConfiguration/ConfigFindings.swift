package import AdminModel

/// Collects what the readers of one document find, so that all of it is reported at once. Lives in one call.
package final class ConfigFindings {
    package private(set) var problems: [ConfigProblem] = []
    package private(set) var notices: [ConfigNotice] = []
    /// Every key that a reader asked for, there or not; nil: nobody wants to know.
    package private(set) var asked: Set<ConfigPath>?
    private let origins: ConfigOrigins

    /// - Parameter recordsKeys: fill `asked`.
    package init(origins: ConfigOrigins, recordsKeys: Bool = false) {
        self.origins = origins
        asked = recordsKeys ? [] : nil
    }

    /// The path is only made when it is wanted.
    package func asks(_ path: @autoclosure () -> ConfigPath) { asked?.insert(path()) }

    package func wrong(_ path: ConfigPath, _ value: JSONValue?, _ message: String) {
        problems.append(
            ConfigProblem(.wrongValue, source: origins.source(of: path), path: path, value: value, message: message))
    }

    package func missing(_ path: ConfigPath, _ message: String) {
        problems.append(ConfigProblem(.missing, source: origins.source(of: path), path: path, message: message))
    }

    package func unsupported(_ path: ConfigPath, _ value: JSONValue?, _ message: String) {
        problems.append(
            ConfigProblem(.unsupported, source: origins.source(of: path), path: path, value: value, message: message))
    }

    package func notice(_ code: ConfigNotice.Code, _ path: ConfigPath, _ message: String) {
        notices.append(ConfigNotice(code, path, message))
    }

    /// Takes over what was found elsewhere.
    package func append(_ found: [ConfigProblem]) { problems += found }

    package func append(_ found: [ConfigNotice]) { notices += found }

    /// Takes over a problem that was found in another document than the one where its value stands.
    package func append(_ problem: ConfigProblem, at path: ConfigPath) {
        problems.append(problem.moved(to: path, source: origins.source(of: path)))
    }
}

/// Which file and line, variable or znode each value of a document came from.
package struct ConfigOrigins: Sendable {
    /// For values without an entry of their own or of a key above them.
    package let document: String
    private var entries: [ConfigPath: String] = [:]

    package init(document: String) { self.document = document }

    package mutating func set(_ path: ConfigPath, _ source: String) { entries[path] = source }

    package mutating func lay(_ other: ConfigOrigins) { entries.merge(other.entries) { _, new in new } }

    package func source(of path: ConfigPath) -> String {
        var components = path.components
        while !components.isEmpty {
            if let source = entries[ConfigPath(components)] { return source }
            components.removeLast()
        }
        return document
    }
}
