/// One datagram of the keeper's socket: text fields, each ended by a zero byte, so that a trace of it can be read.
///
/// Request: version, id, verb, arguments. Reply: version, the request's id, `ok` or `no`, fields. Event: version, 0,
/// name, fields. A request with the id 0 gets no reply.
struct KeeperMessage {
    static let version = "1"
    /// What the keeper's receive buffer holds.
    static let longest = 128 * 1024

    var id: UInt64
    var verb: String
    var fields: [String]

    /// nil when a field contains a zero byte, or all of them together are too long for the keeper's buffer.
    func encoded() -> [UInt8]? {
        var bytes: [UInt8] = []
        for field in [Self.version, String(id), verb] + fields {
            guard !field.utf8.contains(0) else { return nil }
            bytes += field.utf8
            bytes.append(0)
        }
        return bytes.count <= Self.longest ? bytes : nil
    }

    init(id: UInt64, verb: String, fields: [String] = []) {
        self.id = id
        self.verb = verb
        self.fields = fields
    }

    init?(decoding bytes: UnsafeRawBufferPointer) {
        guard let last = bytes.last, last == 0 else { return nil }
        let fields = bytes.dropLast().split(separator: 0, omittingEmptySubsequences: false)
            .map { String(decoding: $0, as: UTF8.self) }
        guard fields.count >= 3, fields[0] == Self.version, let id = UInt64(fields[1]) else { return nil }
        self.id = id
        self.verb = fields[2]
        self.fields = Array(fields.dropFirst(3))
    }
}

/// What came in, taken apart.
enum KeeperIncoming {
    case reply(id: UInt64, KeeperReply)
    case event(KeeperEvent)

    init?(_ message: KeeperMessage) {
        if message.id != 0 {
            guard let reply = KeeperReply(message) else { return nil }
            self = .reply(id: message.id, reply)
            return
        }
        let fields = message.fields
        func number(_ index: Int) -> Int64? { index < fields.count ? Int64(fields[index]) : nil }
        func status(_ index: Int) -> Int32? { number(index).map { Int32(truncatingIfNeeded: $0) } }
        switch message.verb {
        case "exited":
            guard let status = status(0) else { return nil }
            self = .event(.postmasterExited(waitStatus: status))
        case "empty": self = .event(.empty)
        case "fenced":
            guard let late = number(0), fields.count > 1 else { return nil }
            self = .event(.fenced(lateBy: .nanoseconds(late), why: FenceCause(rawValue: fields[1])))
        case "promoted": self = .event(.promoted)
        case "promote-failed": self = .event(.promoteFailed(fields.first ?? ""))
        case "tool":
            guard let pid = status(0), let status = status(1) else { return nil }
            self = .event(.toolEnded(pid: pid, status: status))
        default: return nil
        }
    }
}

enum KeeperReply {
    case done([String])
    case refused(KeeperError)

    init?(_ message: KeeperMessage) {
        switch message.verb {
        case "ok": self = .done(message.fields)
        case "no":
            guard message.fields.count >= 2 else { return nil }
            let code = KeeperError.Code(rawValue: message.fields[0])
            // A promotion that failed may have left its promote file.
            let outcome: KeeperError.Outcome = code == .promoteFailed ? .unknown : .didNotHappen
            self = .refused(KeeperError(code, outcome: outcome, message.fields[1]))
        default: return nil
        }
    }
}
