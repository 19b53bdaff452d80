internal import AdminModel
internal import Glibc
internal import LocalConfiguration

extension LogConfig {
    init(reading reader: SectionReader) {
        self.init()
        kind = reader.word("type", ["plain", "json"]).flatMap(Kind.init(rawValue:)) ?? kind
        level = Self.level(reader, "level") ?? level
        tracebackLevel = Self.level(reader, "traceback_level") ?? tracebackLevel
        format = Self.format(reader, kind) ?? format
        // Empty text is Python's "no format".
        if let text = reader.looseText("dateformat"), !text.isEmpty { dateFormat = text }
        staticFields = reader.map("static_fields") ?? [:]
        maxQueueSize =
            reader.integer("max_queue_size", 0...1_000_000).map { $0 == 0 ? 1_000_000 : Int($0) } ?? maxQueueSize
        dir = reader.text("dir")
        mode = reader.integer("mode", 0...511).map { mode_t($0) }
        fileNumber = reader.integer("file_num", 0...10_000).map { Int($0) } ?? fileNumber
        fileSize = reader.integer("file_size", 0...Int64.max, in: .bytes).map { Int($0) } ?? fileSize
        deduplicateHeartbeats = reader.bool("deduplicate_heartbeat_logs") ?? false
        if let map = reader.map("loggers") {
            let section = SectionReader(map, reader.path + "loggers", reader.findings)
            for name in map.keys { loggers[name] = Self.level(section, name) }
        }
        reader.finish()
    }

    private static func level(_ reader: SectionReader, _ key: String) -> Level? {
        switch reader.word(key, ["debug", "info", "warn", "warning", "error", "fatal", "critical"]) {
        case "debug": .debug
        case "info": .info
        case "warn", "warning": .warning
        case "error": .error
        case "fatal", "critical": .critical
        default: nil
        }
    }

    private static func format(_ reader: SectionReader, _ kind: Kind) -> LogFormat? {
        guard let value = reader.value("format") else { return nil }
        do throws(LogFormat.Problem) {
            switch value {
            case .string(let text): return try LogFormat(template: text)
            case .array(let items) where kind == .json: return try LogFormat(fields: items)
            default: reader.wrong("format", value, "must be text, or with type: json a list of field names")
            }
        } catch {
            reader.wrong("format", value, error.message)
        }
        return nil
    }
}
