/// The members of a JSON object in the order in which they were added.
///
/// `==` compares members and their order; `deepEquals` is the comparison that other members of the cluster use.
public struct JSONObject: Hashable, Sendable {
    public struct Member: Hashable, Sendable {
        public var key: String
        public var value: JSONValue
    }

    public private(set) var members: [Member] = []
    /// Only for objects that are too long to search: a body with a hundred thousand keys must not cost their square.
    private var positions: [String: Int]?

    private static let searchable = 16

    public init() {}

    /// A key that occurs again takes the later value and keeps the earlier place, as in Python.
    public init(_ pairs: some Sequence<(String, JSONValue)>) {
        for (key, value) in pairs { self[key] = value }
    }

    public var isEmpty: Bool { members.isEmpty }
    public var count: Int { members.count }
    public var keys: [String] { members.map(\.key) }

    /// Setting an existing key keeps its place, a new one goes to the end, nil removes the key.
    public subscript(key: String) -> JSONValue? {
        get { position(of: key).map { members[$0].value } }
        set {
            switch (position(of: key), newValue) {
            case (let position?, let value?): members[position].value = value
            case (nil, let value?): append(key, value)
            case (let position?, nil):
                members.remove(at: position)
                reindex()
            case (nil, nil): break
            }
        }
    }

    public mutating func removeAll(_ keys: Set<String>) {
        members.removeAll { keys.contains($0.key) }
        reindex()
    }

    public func contains(_ key: String) -> Bool { position(of: key) != nil }

    public static func == (left: Self, right: Self) -> Bool { left.members == right.members }
    public func hash(into hasher: inout Hasher) { hasher.combine(members) }

    private func position(of key: String) -> Int? {
        if let positions { return positions[key] }
        return members.firstIndex { $0.key == key }
    }

    private mutating func append(_ key: String, _ value: JSONValue) {
        members.append(Member(key: key, value: value))
        if positions != nil {
            positions?[key] = members.count - 1
        } else if members.count > Self.searchable {
            reindex()
        }
    }

    private mutating func reindex() {
        guard members.count > Self.searchable else {
            positions = nil
            return
        }
        positions = Dictionary(uniqueKeysWithValues: members.enumerated().map { ($0.element.key, $0.offset) })
    }
}

extension JSONObject: ExpressibleByDictionaryLiteral {
    public init(dictionaryLiteral elements: (String, JSONValue)...) { self.init(elements) }
}

extension JSONObject: Sequence {
    public func makeIterator() -> IndexingIterator<[Member]> { members.makeIterator() }
}
