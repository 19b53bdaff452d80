import AdminModel
import Agent
import Glibc
import HTTPTypes
import LocalConfiguration
import NIOConcurrencyHelpers

/// The headers that answers have in common, made once a second: the configuration may change, too.
final class CommonHeaders: Sendable {
    struct Values: Sendable {
        var date = ""
        var server = ""
        /// Of `restapi.http_extra_headers`, and with TLS those of `https_extra_headers` over them.
        var extra = HTTPFields()
    }

    private let config: @Sendable () -> RestAPIConfig?
    private let latest = NIOLockedValueBox<(second: time_t, values: Values)>((0, Values()))

    init() { config = { nil } }

    /// - Parameter config: asked once a second at most.
    init(_ config: @escaping @Sendable () -> RestAPIConfig) { self.config = config }

    var current: Values {
        let now = time(nil)
        if let values = latest.withLockedValue({ $0.second == now ? $0.values : nil }) { return values }
        let values = Values(date: Self.text(of: now), config())
        latest.withLockedValue { $0 = (now, values) }
        return values
    }

    /// `Sun, 06 Nov 1994 08:49:37 GMT`, whatever the locale.
    static func text(of seconds: time_t) -> String {
        var seconds = seconds
        var parts = tm()
        gmtime_r(&seconds, &parts)
        func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        return "\(days[Int(parts.tm_wday)]), \(two(parts.tm_mday)) \(months[Int(parts.tm_mon)])"
            + " \(parts.tm_year + 1900) \(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec)) GMT"
    }
}

extension CommonHeaders.Values {
    init(date: String, _ config: RestAPIConfig?) {
        self.date = date
        switch config?.serverTokens ?? .original {
        case .original: server = "Matriarch/\(MatriarchVersion.own)"
        case .minimal: server = "Patroni/\(MatriarchVersion.patroni)"
        case .productonly: server = "Patroni"
        }
        guard let config else { return }
        let secure = config.identity == nil ? [:] : config.httpsExtraHeaders
        for (name, value) in config.httpExtraHeaders.merging(secure, uniquingKeysWith: { $1 }).sorted(by: {
            $0.key < $1.key
        }) {
            if let name = HTTPField.Name(name) { extra[name] = value }
        }
    }
}
