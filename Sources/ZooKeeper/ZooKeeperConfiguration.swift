/// How a session is opened.
public struct ZooKeeperConfiguration: Sendable, CustomStringConvertible {
    /// One proof of identity, repeated by the C library at each connect. Its description hides the credential.
    public struct Authentication: Sendable, CustomStringConvertible, CustomReflectable {
        /// Such as "digest".
        public let scheme: String
        /// As the scheme wants it; "user:password" for digest.
        public let credential: [UInt8]

        public init(scheme: String, credential: [UInt8]) {
            self.scheme = scheme
            self.credential = credential
        }

        public var description: String { "\(scheme) (hidden)" }
        public var customMirror: Mirror { Mirror(self, children: ["scheme": scheme]) }
    }

    public var hosts: ZooKeeperHosts
    /// The session timeout to ask for; the server keeps it within its bounds, by default 2 to 20 of its ticks.
    /// Taking up a session asks for the timeout that was stored with it instead. The library gives each attempt to
    /// connect two thirds of what is asked for: with a few milliseconds none succeeds, whatever the server would grant.
    public var timeout: Duration
    public var authentication: [Authentication]
    /// For znodes that we create.
    public var accessControl: AccessControl
    /// How long resolving the hosts' names may take before `open` gives up.
    public var openDeadline: Duration

    public init(
        hosts: ZooKeeperHosts, timeout: Duration, authentication: [Authentication] = [],
        accessControl: AccessControl = .open, openDeadline: Duration = .seconds(10)
    ) {
        self.hosts = hosts
        self.timeout = timeout
        self.authentication = authentication
        self.accessControl = accessControl
        self.openDeadline = openDeadline
    }

    public var description: String { "\(hosts), timeout \(timeout)" }
}
