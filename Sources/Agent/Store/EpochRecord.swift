import AdminModel
import HACore

/// The data of `epoch`: who moved it last, so that an unknown outcome and an absent lock can be judged (lock.md 3, M2).
struct EpochRecord: Hashable, Sendable {
    var holder: StoreView.Epoch.Holder

    init(_ holder: StoreView.Epoch.Holder) { self.holder = holder }

    /// Tolerant: what cannot be read counts as "nobody", which only makes everybody wait.
    init(znode: [UInt8]) {
        holder = .nobody
        guard let json = try? JSONParser.parse(znode) else { return }
        if json["released"]?.asBool == true {
            holder = .released
        } else if let member = json["member"]?.asString, let session = json["session"]?.asString,
            let id = UInt64(session, radix: 16)
        {
            holder = .taken(
                by: MemberID(member), session: Int64(bitPattern: id), nonce: json["nonce"]?.asString ?? "")
        }
    }

    var znode: [UInt8] {
        switch holder {
        case .nobody: []
        case .released: JSONValue.object(["released": true]).znode
        case .taken(let member, let session, let nonce):
            JSONValue.object([
                "member": .string(member.rawValue),
                "session": .string(String(UInt64(bitPattern: session), radix: 16)),
                "nonce": .string(nonce),
            ]).znode
        }
    }
}
