import Support
import Testing

/// The samples of one `/metrics`, by metric and by the labels that only this sample has.
struct Metrics {
    let text: String
    let samples: [String: Double]

    init(_ node: ClusterNode) async throws {
        let answer = try await HTTPProbe.send("GET", "/metrics", port: node.restPort)
        guard answer.status == 200, answer.headers["content-type"] == "text/plain" else {
            throw SupportError("\(node.name)/metrics: \(answer.status) \(answer.headers): \(answer.body)")
        }
        text = answer.body
        var samples: [String: Double] = [:]
        for line in text.split(separator: "\n") where !line.hasPrefix("#") {
            let name = line.prefix { $0 != "{" }
            let own = line.replacing(/^.*?name="[^"]*",?/, with: "").prefix { $0 != "}" }
            let value = try #require(line.split(separator: " ").last.flatMap { Double($0) }, "\(line)")
            samples[own.isEmpty ? String(name) : "\(name){\(own)}"] = value
        }
        self.samples = samples
    }

    subscript(_ sample: String) -> Double? { samples[sample] }
}
