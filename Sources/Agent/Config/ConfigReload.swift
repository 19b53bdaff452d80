internal import AdminModel
internal import LocalConfiguration

extension AgentConfig {
    /// Takes of `new` what can hold in an agent that runs: tags, log, `restapi` but its addresses, the settings of
    /// PostgreSQL that the cluster's document may have, too, and `spock` but the file that PostgreSQL was started with.
    ///
    /// - Returns: what holds now, and the keys that are different in `new` and wait for a restart of the agent.
    func reloaded(_ new: AgentConfig) -> (config: AgentConfig, waiting: [ConfigPath]) {
        var result = self
        result.tags = new.tags
        result.restAPI = new.restAPI
        result.restAPI.listen = restAPI.listen
        result.restAPI.connectAddress = restAPI.connectAddress
        result.control = new.control
        result.log = new.log
        result.postgresql.settings = new.postgresql.settings
        result.postgresql.settings.configBaseName = postgresql.settings.configBaseName
        result.postgresql.settings.customConf = postgresql.settings.customConf
        result.postgresql.settings.binDir = postgresql.settings.binDir
        result.postgresql.settings.binNames = postgresql.settings.binNames
        result.postgresql.section = new.postgresql.section
        for key in PostgresSettings.fixedKeys { result.postgresql.section[key] = postgresql.section[key] }
        // What waits is told again by the next reload.
        let waiting = Self.differing(document, new.document).filter { !Self.isLive($0) }
        result.document = new.document
        for path in waiting { result.document.put(document.value(at: path.components), at: path.components[...]) }
        result.spock = result.document["spock"]?.asObject
        return (result, waiting)
    }

    private static func isLive(_ path: ConfigPath) -> Bool {
        switch (path.components.first, path.components.last ?? "") {
        case ("tags", _), ("log", _), ("ctl", _): true
        case ("restapi", let key): !["listen", "connect_address"].contains(key)
        case ("spock", _): path != ["spock", "dsn", "service_file"]
        case ("postgresql", let key): !PostgresSettings.localKeys.union(PostgresSettings.fixedKeys).contains(key)
        default: false
        }
    }

    /// The maps whose keys wait or hold one by one.
    private static let sections: Set<ConfigPath> = [["restapi"], ["postgresql"], ["spock"], ["spock", "dsn"]]

    /// Keys with different values; of `sections` those below.
    private static func differing(_ old: JSONObject, _ new: JSONObject, at path: ConfigPath = []) -> [ConfigPath] {
        let keys = old.keys + new.keys.filter { !old.contains($0) }
        return keys.filter { old[$0] != new[$0] }.flatMap { key -> [ConfigPath] in
            guard sections.contains(path + key) else { return [path + key] }
            return differing(old[key]?.asObject ?? [:], new[key]?.asObject ?? [:], at: path + key)
        }
    }
}

extension JSONObject {
    /// Sets a value below maps that are made where they are missing, or removes it.
    fileprivate mutating func put(_ value: JSONValue?, at path: ArraySlice<String>) {
        guard let first = path.first else { return }
        guard path.count > 1 else {
            self[first] = value
            return
        }
        guard value != nil || self[first] != nil else { return }
        var inner = self[first]?.asObject ?? [:]
        inner.put(value, at: path.dropFirst())
        self[first] = .object(inner)
    }
}
