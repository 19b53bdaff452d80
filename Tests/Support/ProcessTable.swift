public import Foundation

/// One look at /proc: who is whose child, what runs from where.
///
/// A pid alone is no identity once its process has ended: entries carry the start time, and a signal is sent only to a
/// process that still has it.
public struct ProcessTable: Sendable {
    public struct Entry: Hashable, Sendable {
        public let pid: pid_t
        public let parent: pid_t
        /// Clock ticks since boot.
        public let started: UInt64
        /// Z for what has ended and waits for its parent.
        public let state: Character

        /// The same process, whatever it does at the moment.
        public static func == (left: Self, right: Self) -> Bool {
            left.pid == right.pid && left.started == right.started
        }

        public func hash(into hasher: inout Hasher) {
            hasher.combine(pid)
            hasher.combine(started)
        }
    }

    public let entries: [pid_t: Entry]

    public init() {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        let found = names.compactMap { pid_t($0) }.compactMap(Self.entry)
        entries = Dictionary(found.map { ($0.pid, $0) }) { first, _ in first }
    }

    /// The process as it is now; nil when there is none.
    public static func entry(_ pid: pid_t) -> Entry? {
        guard let text = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8),
            let end = text.lastIndex(of: ")")
        else { return nil }
        // The name in parentheses may hold anything, so the fields are counted from its end.
        let fields = text[text.index(after: end)...].split(separator: " ")
        guard fields.count > 19, let state = fields[0].first, let parent = pid_t(fields[1]),
            let started = UInt64(fields[19])
        else { return nil }
        return Entry(pid: pid, parent: parent, started: started, state: state)
    }

    /// Sends a signal unless the pid has passed to another process.
    /// - Returns: whether the process was there.
    @discardableResult
    public static func signal(_ signal: Int32, _ target: Entry) -> Bool {
        guard let now = entry(target.pid), now.started == target.started else { return false }
        return kill(target.pid, signal) == 0
    }

    public func children(of pid: pid_t) -> [Entry] { entries.values.filter { $0.parent == pid } }

    /// These processes and all that descend from them.
    public func tree(_ roots: Set<pid_t>) -> Set<Entry> {
        var found = Set(roots.compactMap { entries[$0] })
        while true {
            let pids = Set(found.map(\.pid))
            let more = entries.values.filter { pids.contains($0.parent) && !found.contains($0) }
            if more.isEmpty { return found }
            found.formUnion(more)
        }
    }

    /// Processes whose program is this file, or was before another took its place.
    public func running(_ executable: String) -> [Entry] {
        linked("exe") { $0 == executable || $0 == "\(executable) (deleted)" }
    }

    /// Processes that work in this folder: PostgreSQL's, for a data directory.
    public func working(in folder: String) -> [Entry] { linked("cwd") { $0 == folder } }

    /// The command line; nil when the process has ended.
    public static func commandLine(_ pid: pid_t) -> String? { text(pid, "cmdline") }
    /// The environment it was started with; nil when the process has ended or is not ours to read.
    public static func environment(_ pid: pid_t) -> String? { text(pid, "environ") }

    private func linked(_ link: String, _ matches: (String) -> Bool) -> [Entry] {
        entries.values.filter { entry in
            guard entry.state != "Z",
                let target = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(entry.pid)/\(link)")
            else { return false }
            return matches(target)
        }
    }

    private static func text(_ pid: pid_t, _ file: String) -> String? {
        guard let data = FileManager.default.contents(atPath: "/proc/\(pid)/\(file)") else { return nil }
        return String(decoding: data.map { $0 == 0 ? 10 : $0 }, as: UTF8.self)
    }
}
