import CPlatform
import Glibc
import HACore
import NIOConcurrencyHelpers

/// Tells systemd how the service is, as `sd_notify(3)` describes it (contract/patroni.md 6). No call waits for anything.
///
/// The unit needs `NotifyAccess=all`: systemd's main process is the supervisor.
public final class ServiceManager: Sendable {
    enum Message {
        case ready, reloading, stopping
        case status(String)
        /// The loop has looked and decided.
        case alive
    }

    private struct State {
        var isReady = false
        var status = ""
        var pinged: Instant?
    }

    private let descriptor: Int32
    private let address: sockaddr_un
    private let length: socklen_t
    private let state = NIOLockedValueBox(State())
    /// How long systemd waits for a sign of life; nil: for ever.
    private let patience: Duration?

    /// Nil when no service manager asked to be told, or its socket is unusable.
    public init?(environment: [String: String]) {
        guard let path = environment["NOTIFY_SOCKET"], let first = path.utf8.first, path.utf8.count > 1 else {
            return nil
        }
        var bytes = Array(path.utf8)
        // An at sign stands for the zero byte of the abstract namespace, where the length of the name counts.
        let isAbstract = first == UInt8(ascii: "@")
        guard isAbstract || first == UInt8(ascii: "/") else { return nil }
        if isAbstract { bytes[0] = 0 }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { return nil }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        self.address = address
        let place = MemoryLayout<sockaddr_un>.offset(of: \.sun_path) ?? 2
        length = socklen_t(place + bytes.count + (isAbstract ? 0 : 1))
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        patience = Self.patience(environment)
    }

    deinit { close(descriptor) }

    /// The watchdog is meant for us when it names us, or the supervisor that started us.
    private static func patience(_ environment: [String: String]) -> Duration? {
        guard let microseconds = environment["WATCHDOG_USEC"].flatMap({ Int64($0) }), microseconds > 0 else {
            return nil
        }
        let pid = environment["WATCHDOG_PID"].flatMap { pid_t($0) }
        return pid.map { $0 == getpid() || $0 == getppid() } ?? true ? .microseconds(microseconds) : nil
    }

    /// The loop looks at least this often, so that systemd hears of it in time; nil: whenever it wants.
    var longestPause: Duration? { patience.map { $0 / 3 } }

    func tell(_ message: Message) {
        switch message {
        case .ready: send("READY=1")
        case .reloading:
            var now = timespec()
            clock_gettime(CLOCK_MONOTONIC, &now)
            send("RELOADING=1\nMONOTONIC_USEC=\(now.tv_sec * 1_000_000 + now.tv_nsec / 1000)")
        case .stopping: send("STOPPING=1")
        case .status(let text):
            state.withLockedValue { state in
                if state.status != text, send("STATUS=" + text.filter { !$0.isNewline }) { state.status = text }
            }
        case .alive: beat(Instant.now)
        }
    }

    /// The first look makes the service ready; later ones feed the watchdog, seldom enough to cost nothing. What could
    /// not be sent is sent at the next look.
    private func beat(_ now: Instant) {
        state.withLockedValue { state in
            if !state.isReady { state.isReady = send("READY=1") }
            guard let patience, state.pinged.map({ now - $0 >= patience / 6 }) ?? true else { return }
            if send("WATCHDOG=1") { state.pinged = now }
        }
    }

    /// - Returns: false when the datagram cannot be taken now: nobody may wait here.
    @discardableResult
    private func send(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        let flags = Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL)
        var address = address
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                sendto(descriptor, bytes, bytes.count, flags, $0, length) == bytes.count
            }
        }
    }
}
