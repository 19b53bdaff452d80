import HACore
import PostgresControl
import SystemPackage
import ZooKeeper

/// What the session file says: a session, and everything that has to be as it was for the next process to take it up
/// (lock.md 6). Its description hides the password.
struct SessionTicket: Equatable, Sendable, CustomStringConvertible {
    /// What must be the same; anything else is another member's, another cluster's or another boot's session.
    struct Place: Equatable, Sendable {
        /// Of the machine's present boot: a copied disk has another.
        var boot: String
        /// The cluster's path in the tree.
        var base: String
        var member: MemberID
        /// The keeper that knows whoever uses the session, and kills it before it confirms the next.
        var keeper: KeeperIdentity

        static func currentBoot() -> String? {
            let path = FilePath("/proc/sys/kernel/random/boot_id")
            guard let descriptor = try? FileDescriptor.open(path, .readOnly) else { return nil }
            defer { try? descriptor.close() }
            var bytes = [UInt8](repeating: 0, count: 64)
            guard let count = try? bytes.withUnsafeMutableBytes({ try descriptor.read(into: $0) }), count >= 36 else {
                return nil
            }
            return String(decoding: bytes.prefix(36), as: UTF8.self)
        }
    }

    var credentials: SessionCredentials
    var place: Place
    /// ZooKeeper's, once it was found out: the next process need not ask.
    var tickTime: Duration?

    var description: String { "\(credentials)" }

    private static let version = "1"

    /// Lines of `key=value`.
    var text: String {
        let password = credentials.password.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
        let lines = [
            ("version", Self.version), ("session", String(credentials.session.rawValue)), ("password", password),
            ("timeout_ms", String(credentials.requestedTimeout.milliseconds)), ("boot", place.boot),
            ("base", place.base), ("member", place.member.rawValue), ("keeper", String(place.keeper.pid)),
            ("keeper_started", String(place.keeper.startedAt)),
            ("tick_ms", String(tickTime?.milliseconds ?? 0)),
        ]
        return lines.map { "\($0.0)=\($0.1)\n" }.joined()
    }

    init(_ credentials: SessionCredentials, _ place: Place, tickTime: Duration?) {
        self.credentials = credentials
        self.place = place
        self.tickTime = tickTime
    }

    /// nil when the text is not a whole ticket of this version.
    init?(text: String) {
        var values: [Substring: Substring] = [:]
        for line in text.split(separator: "\n") {
            guard let equals = line.firstIndex(of: "=") else { return nil }
            values[line[..<equals]] = line[line.index(after: equals)...]
        }
        guard values["version"].map(String.init) == Self.version,
            let session = values["session"].flatMap({ Int64($0) }), session != 0,
            let digits = values["password"].map(Array.init), digits.count == 32,
            let timeout = values["timeout_ms"].flatMap({ Int64($0) }), timeout > 0,
            let boot = values["boot"], let base = values["base"], let member = values["member"],
            let pid = values["keeper"].flatMap({ Int32($0) }),
            let startedAt = values["keeper_started"].flatMap({ UInt64($0) }),
            let tick = values["tick_ms"].flatMap({ Int64($0) })
        else { return nil }
        let password = stride(from: 0, to: 32, by: 2).compactMap { UInt8(String(digits[$0...$0 + 1]), radix: 16) }
        guard
            let credentials = SessionCredentials(
                session: SessionID(rawValue: session), password: password, requestedTimeout: .milliseconds(timeout))
        else { return nil }
        self.init(
            credentials,
            Place(
                boot: String(boot), base: String(base), member: MemberID(String(member)),
                keeper: KeeperIdentity(pid: pid, startedAt: startedAt)),
            tickTime: tick > 0 ? .milliseconds(tick) : nil)
    }
}
