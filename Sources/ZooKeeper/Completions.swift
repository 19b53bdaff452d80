import CZooKeeper

/// The functions that C calls, on its completion thread. They copy and pass on, nothing else.
enum Completions {
    static let void: void_completion_t = { code, context in finish(context, code) }

    static let string: string_completion_t = { code, _, context in finish(context, code) }

    static let created: string_stat_completion_t = { code, _, stat, context in
        finish(context, code, stat.map { .stat(ZNodeStat($0.pointee)) })
    }

    static let stat: stat_completion_t = { code, stat, context in
        finish(context, code, stat.map { .stat(ZNodeStat($0.pointee)) })
    }

    static let data: data_completion_t = { code, value, length, stat, context in
        finish(context, code, stat.map { .data(bytes(value, length), ZNodeStat($0.pointee)) })
    }

    static let children: strings_completion_t = { code, strings, context in
        finish(context, code, strings.map { .children(texts($0.pointee)) })
    }

    /// The values are valid only when the code is ZOK.
    private static func finish(
        _ context: UnsafeRawPointer?, _ code: Int32, _ body: @autoclosure () -> Reply.Body? = nil
    ) {
        guard let request = Inflight.take(UInt(bitPattern: context)) else { return }
        guard code == ZOK.rawValue else { return request.finish(Reply(.init(rawValue: code))) }
        request.finish(Reply(.init(rawValue: code), body() ?? .none))
    }

    private static func bytes(_ value: UnsafePointer<CChar>?, _ length: Int32) -> [UInt8] {
        guard let value, length > 0 else { return [] }
        return Array(UnsafeRawBufferPointer(start: value, count: Int(length)))
    }

    private static func texts(_ strings: String_vector) -> [String] {
        guard let data = strings.data else { return [] }
        return (0..<Int(strings.count)).compactMap { data[$0].map { String(cString: $0) } }
    }
}

extension ZNodeStat {
    init(_ stat: Stat) {
        self.init(
            czxid: stat.czxid, mzxid: stat.mzxid, pzxid: stat.pzxid, ctime: stat.ctime, mtime: stat.mtime,
            version: Version(known: stat.version), cversion: stat.cversion,
            ephemeralOwner: stat.ephemeralOwner == 0 ? nil : SessionID(rawValue: stat.ephemeralOwner),
            dataLength: Int(stat.dataLength), numChildren: Int(stat.numChildren))
    }
}
