internal import CLibPQ

extension ConnectionInfo {
    /// Reads `keyword=value ...` or `postgresql://...` as libpq does, without its defaults and environment variables.
    /// Nil for text that is neither: libpq's reason would quote it, and a password may stand there.
    public init?(parsing text: String) {
        guard let options = PQconninfoParse(text, nil) else { return nil }
        defer { PQconninfoFree(options) }
        self.init()
        var next = options
        while let keyword = next.pointee.keyword {
            if let value = next.pointee.val { self[String(cString: keyword)] = String(cString: value) }
            next += 1
        }
    }
}
