import AdminModel
import HTTPTypes
import Hummingbird

/// The JSON object that a request carries (contract/patroni.md 2.1).
enum RequestBody {
    struct Problem: Error { let answer: Answer }

    /// Bytes. The connection's own limit ends a body that turns out to be larger.
    static let limit = 1 << 20

    /// - Parameter isOptional: without a body, or with an empty one, the object is empty.
    static func object(of request: Request, isOptional: Bool = false) async -> Result<JSONObject, Problem> {
        guard let length = request.headers[.contentLength] else {
            if isOptional { return .success([:]) }
            return .failure(Problem(answer: .page(411, "Content-Length is required")))
        }
        guard Int(length).map({ $0 <= limit }) ?? true else {
            return .failure(Problem(answer: .page(413, "The body must not be larger than \(limit) bytes")))
        }
        do {
            let bytes = Array(buffer: try await request.body.collect(upTo: limit))
            if isOptional, bytes.isEmpty { return .success([:]) }
            if let object = try JSONParser.parse(bytes).asObject, isOptional || !object.isEmpty {
                return .success(object)
            }
            return .failure(Problem(answer: .page(400, "The body must be a JSON object that is not empty")))
        } catch {
            return .failure(Problem(answer: .page(400, "The body cannot be read: \(error)")))
        }
    }
}
