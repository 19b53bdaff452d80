/// What a request line asks for.
struct RequestTarget: Sendable {
    /// Without the query, with one slash at its front, not decoded: health checks look for words in it.
    let path: String
    let query: QueryParameters

    init(_ text: String) {
        var rest = Substring(text)
        if let fragment = rest.firstIndex(of: "#") { rest = rest[..<fragment] }
        var query = Substring()
        if let mark = rest.firstIndex(of: "?") {
            query = rest[rest.index(after: mark)...]
            rest = rest[..<mark]
        }
        // A proxy's form: `http://host:port/path`.
        if !rest.hasPrefix("/"), let scheme = rest.firstRange(of: "://") {
            rest = rest[scheme.upperBound...].drop { $0 != "/" }
        }
        path = "/" + rest.drop { $0 == "/" }
        self.query = QueryParameters(query)
    }

    /// What chooses the handler: `/config/x` is asked of `config`.
    var firstSegment: Substring { path.dropFirst().prefix { $0 != "/" } }
}
