/// Prometheus' text format (version 0.0.4): metrics one after the other, each with its help, its type and its samples.
struct MetricsText: Sendable {
    enum Kind: String, Sendable {
        case gauge, counter, histogram
    }

    typealias Label = (name: String, value: String)

    private let labels: [Label]
    private(set) var text = ""

    /// - Parameter labels: of every sample, before its own.
    init(labels: [Label]) { self.labels = labels }

    mutating func gauge(_ name: String, _ value: some CustomStringConvertible, _ help: String, comment: String? = nil) {
        add(.gauge, name, help, comment: comment, [([], value.description)])
    }

    /// 1 for true.
    mutating func gauge(_ name: String, _ flag: Bool, _ help: String) { gauge(name, flag ? 1 : 0, help) }

    mutating func counter(_ name: String, _ value: some CustomStringConvertible, _ help: String) {
        add(.counter, name, help, [([], value.description)])
    }

    /// - Parameters:
    ///   - bounds: of the buckets but the last, which has none.
    ///   - counts: what is at most as large as each bound, and all at the end.
    mutating func histogram(_ name: String, bounds: [String], counts: [Int], sum: String, _ help: String) {
        text += "# HELP \(name) \(help)\n# TYPE \(name) \(Kind.histogram.rawValue)\n"
        for (bound, count) in zip(bounds + ["+Inf"], counts) {
            append("\(name)_bucket", [("le", bound)], String(count))
        }
        append("\(name)_sum", [], sum)
        append("\(name)_count", [], String(counts.last ?? 0))
    }

    /// - Parameters:
    ///   - help: one line without backslashes.
    ///   - comment: a line of its own between help and type.
    ///   - samples: each with the labels that only it has.
    mutating func add(
        _ kind: Kind, _ name: String, _ help: String, comment: String? = nil, _ samples: [(own: [Label], value: String)]
    ) {
        text += "# HELP \(name) \(help)\n"
        if let comment { text += "# \(comment)\n" }
        text += "# TYPE \(name) \(kind.rawValue)\n"
        for sample in samples { append(name, sample.own, sample.value) }
    }

    private mutating func append(_ name: String, _ own: [Label], _ value: String) {
        let pairs = (labels + own).map { "\($0.name)=\"\(Self.escaped($0.value))\"" }
        text += "\(name){\(pairs.joined(separator: ","))} \(value)\n"
    }

    private static func escaped(_ value: String) -> String {
        var result = ""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\\": result += "\\\\"
            case "\"": result += "\\\""
            case "\n": result += "\\n"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
