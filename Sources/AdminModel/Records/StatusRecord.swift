public import HACore

/// `status`: how far the leader is (contract/patroni.md 1.4).
public struct StatusRecord: Hashable, Sendable {
    public struct Slot: Hashable, Sendable {
        public var name: String
        public var position: LSN

        public init(name: String, position: LSN) {
            self.name = name
            self.position = position
        }
    }

    /// The leader's last WAL position; nil when unknown.
    public var optime: LSN?
    /// In the order of writing; left out when empty.
    public var slots: [Slot]
    /// Slots of members that are away, kept until their time is over; left out when empty.
    public var retainSlots: [String]

    public init(optime: LSN? = nil, slots: [Slot] = [], retainSlots: [String] = []) {
        self.optime = optime
        self.slots = slots
        self.retainSlots = retainSlots
    }

    /// Reads an object, also with its inner values as JSON text, and the bare number of old versions.
    public init(json: JSONValue) {
        self.init()
        guard let object = json.asObject else {
            optime = LSN(json: json)
            return
        }
        optime = LSN(json: object["optime"])
        slots = (Self.unwrapped(object["slots"])?.asObject?.members ?? []).compactMap { member in
            LSN(json: member.value).map { Slot(name: member.key, position: $0) }
        }
        retainSlots = (Self.unwrapped(object["retain_slots"])?.asArray ?? []).compactMap(\.asString)
    }

    /// The value of `optime/leader`, for members older than 2.1: the position in decimal digits.
    public var legacyText: String { String(optime?.rawValue ?? 0) }

    public var json: JSONValue {
        var object: JSONObject = ["optime": optime?.json ?? 0]
        if !slots.isEmpty { object["slots"] = .object(JSONObject(slots.map { ($0.name, $0.position.json) })) }
        if !retainSlots.isEmpty { object["retain_slots"] = .array(retainSlots.map(JSONValue.string)) }
        return .object(object)
    }

    private static func unwrapped(_ json: JSONValue?) -> JSONValue? {
        guard let text = json?.asString else { return json }
        return try? JSONParser.parse(text)
    }
}
