internal import AdminModel
internal import LocalConfiguration

/// The section `postgresql` as it holds on this server: the cluster's document with the local file over it. The local
/// file wins key by key; only `parameters` are merged (contract/patroni.md 3.1).
public struct EffectivePostgresConfig: Sendable {
    /// `parameters` here are the merged ones.
    public var settings: PostgresSettings
    /// The layers apart, since what is enforced may come from the document and not from the file (contract 3.6).
    public var dynamicParameters: [PostgresParameter]
    public var localParameters: [PostgresParameter]

    init(dynamic: JSONObject, local: LocalPostgresConfig) {
        var shared = dynamic
        shared.removeAll(PostgresSettings.localKeys)
        let document = Self.read(shared)
        var merged = shared
        for member in local.section where !member.value.isNull && member.key != "parameters" {
            merged[member.key] = member.value
        }
        settings = Self.read(merged)
        dynamicParameters = document.parameters
        localParameters = local.settings.parameters
        let unset = (local.section["parameters"]?.asObject ?? [:]).filter(\.value.isNull).map(\.key)
        settings.parameters = Self.merge(dynamicParameters, localParameters, without: unset)
    }

    /// Both were checked before; what is still wrong reads as absent.
    private static func read(_ section: JSONObject) -> PostgresSettings {
        PostgresSettings(reading: SectionReader(section, [], ConfigFindings(origins: ConfigOrigins(document: ""))))
    }

    /// PostgreSQL compares the names of settings without regard to case.
    private static func merge(
        _ lower: [PostgresParameter], _ upper: [PostgresParameter], without unset: [String]
    ) -> [PostgresParameter] {
        var merged: [PostgresParameter] = []
        var places: [String: Int] = [:]
        let dropped = Set(unset.map { $0.lowercased() })
        for parameter in lower.filter({ !dropped.contains($0.name.lowercased()) }) + upper {
            if let place = places[parameter.name.lowercased()] {
                merged[place] = parameter
            } else {
                places[parameter.name.lowercased()] = merged.count
                merged.append(parameter)
            }
        }
        return merged
    }
}

extension EffectivePostgresConfig: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "EffectivePostgresConfig(\(settings.parameters.count) parameters)" }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: ["parameters": settings.parameters.count]) }
}
