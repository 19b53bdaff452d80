/// `synchronous_standby_names` as this agent writes and reads it (contract 4.10).
public enum SynchronousNames: Hashable, Sendable {
    /// The user's own setting holds.
    case unmanaged
    /// Nobody: commits wait for nobody.
    case none
    /// Nobody yet, and commits wait until there is somebody: strict mode without a standby.
    case blocked
    /// Every one of these.
    case all(Set<MemberID>)

    /// Names nobody: Patroni's word (rulings, Lock 13).
    public static let placeholder: MemberID = "__patroni_strict_sync_replica_placeholder__"

    public init(_ members: Set<MemberID>, strict: Bool) {
        self = members.isEmpty ? (strict ? .blocked : .none) : .all(members)
    }

    /// What a server starts with: a primary waits for whom `sync` promises, a standby for nobody.
    public init(startingAs role: StartRole, promised standbys: Set<MemberID>, _ policy: ClusterPolicy) {
        switch (policy.synchronous, role) {
        case (false, _): self = .unmanaged
        case (true, .standby): self = .none
        case (true, .primary): self = SynchronousNames(standbys, strict: policy.synchronousStrict)
        }
    }

    /// Reads a setting. What this agent would not have written counts as unmanaged.
    public init(setting: String) {
        var text = Substring(setting).drop { $0 == " " }
        while text.last == " " { text.removeLast() }
        guard !text.isEmpty else {
            self = .none
            return
        }
        var count: Int?
        if text.lowercased().hasPrefix("first ") { text = text.dropFirst(6).drop { $0 == " " } }
        if let open = text.firstIndex(of: "("), text.last == ")" {
            guard let number = Int(text[..<open].filter { $0 != " " }) else {
                self = .unmanaged
                return
            }
            count = number
            text = text[text.index(after: open)...].dropLast()
        }
        guard let names = Self.names(text), count ?? 1 == names.count else {
            self = .unmanaged
            return
        }
        self = names == [Self.placeholder] ? .blocked : .all(Set(names))
    }

    private static func names(_ list: Substring) -> [MemberID]? {
        var names: [MemberID] = []
        var rest = list.drop { $0 == " " }
        while let first = rest.first {
            var name = ""
            if first == "\"" {
                rest.removeFirst()
                while true {
                    guard let character = rest.popFirst() else { return nil }
                    if character != "\"" {
                        name.append(character)
                    } else if rest.first == "\"" {
                        name.append(rest.removeFirst())
                    } else {
                        break
                    }
                }
            } else {
                name = String(rest.prefix { $0 != "," && $0 != " " })
                rest = rest.dropFirst(name.count)
            }
            guard !name.isEmpty, name != "*" || first == "\"" else { return nil }
            names.append(MemberID(name))
            rest = rest.drop { $0 == " " }
            if rest.isEmpty { return names }
            guard rest.removeFirst() == "," else { return nil }
            rest = rest.drop { $0 == " " }
        }
        return nil
    }

    /// The value for the server; nil when the user's own holds.
    public var setting: String? {
        switch self {
        case .unmanaged: nil
        case .none: ""
        case .blocked: Self.placeholder.rawValue
        case .all(let members):
            members.count == 1
                ? members.map(Self.quoted)[0]
                : "\(members.count) (\(members.sorted().map(Self.quoted).joined(separator: ",")))"
        }
    }

    /// Whether whoever `sync` promises every row is waited for, and in strict mode at least somebody.
    func keeps(_ standbys: Set<MemberID>, strict: Bool) -> Bool {
        switch self {
        case .unmanaged: false
        case .none: !strict && standbys.isEmpty
        case .blocked: strict && standbys.isEmpty
        case .all(let members): standbys.allSatisfy { name in members.contains { $0.isSame(as: name) } }
        }
    }

    public var members: Set<MemberID> {
        if case .all(let members) = self { return members }
        return []
    }

    private static func quoted(_ member: MemberID) -> String {
        let name = member.rawValue
        func isLetter(_ byte: UInt8) -> Bool { (65...90).contains(byte) || (97...122).contains(byte) || byte == 95 }
        let isPlain =
            name.utf8.first.map(isLetter) == true
            && name.utf8.allSatisfy { isLetter($0) || (48...57).contains($0) || $0 == 36 }
        if isPlain, !["first", "any"].contains(name.lowercased()) { return name }
        return "\"" + name.map { $0 == "\"" ? "\"\"" : String($0) }.joined() + "\""
    }
}
