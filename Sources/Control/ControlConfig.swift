internal import AdminModel
internal import Glibc
package import LibPQ
package import LocalConfiguration

/// What the command line needs of a configuration: where ZooKeeper is, and how to speak to the members' REST API.
package struct ControlConfig: Sendable {
    /// How the REST API is spoken to.
    package struct Rest: Sendable {
        package var username: String?
        package var password: Secret?
        /// Accept any certificate of a member.
        package var isInsecure = false
        package var caFile: String?
        package var certificateFile: String?
        package var keyFile: String?
        package var keyPassword: Secret?
    }

    /// The cluster that is meant when none is named.
    package var scope: String?
    package var namespace: String
    package var zooKeeper: ZooKeeperConfig
    package var rest: Rest

    /// - Parameters:
    ///   - path: of `--config-file`; nil: the default one, which need not exist.
    ///   - url: of `--dcs-url`; takes the place of the section `zookeeper`.
    ///   - isInsecure: of `--insecure`.
    package static func load(
        path: String?, url: String?, isInsecure: Bool, environment: [String: String]
    ) throws(ControlError) -> ControlConfig {
        if let path, access(path, R_OK) != 0 {
            throw ControlError(
                "Provided config file \(path) not existing or no read rights. Check the -c/--config-file parameter")
        }
        let usual = environment["HOME"].map { $0 + "/.config/patroni/patronictl.yaml" }
        let found = path ?? usual.flatMap { access($0, R_OK) == 0 ? $0 : nil }
        do throws(ConfigError) {
            var (document, origins, problems) = try ConfigSource(path: found, variables: environment).mergedOrEmpty()
            if let url {
                let asked = try DCSLocation(url)
                document["exhibitor"] = nil
                document["zookeeper"] = ["hosts": .string(asked.hosts)]
                if let namespace = asked.namespace { document["namespace"] = .string(namespace) }
                origins.set(["zookeeper"], "--dcs-url")
            }
            return try read(
                document, ConfigFindings(origins: origins), problems.filter(concerns), isInsecure: isInsecure)
        } catch {
            throw ControlError("\(error)")
        }
    }

    private static func concerns(_ problem: ConfigProblem) -> Bool {
        ["scope", "namespace", "zookeeper", "ctl", "restapi"].contains(problem.path.components.first)
    }

    private static func read(
        _ document: JSONObject, _ findings: ConfigFindings, _ problems: [ConfigProblem], isInsecure: Bool
    ) throws(ConfigError) -> ControlConfig {
        findings.append(problems)
        let root = SectionReader(document, [], findings)
        if root.value("zookeeper") == nil {
            findings.missing(["zookeeper"], "is required: a map, or --dcs-url zookeeper://host:port/namespace")
        }
        root.unsupported("citus", "is not yet supported: remove the section")
        let zooKeeper = root.map("zookeeper").flatMap {
            ZooKeeperConfig(reading: SectionReader($0, ["zookeeper"], findings))
        }
        let rest = Rest(root.section("ctl"), root.section("restapi"), isInsecure: isInsecure)
        let namespace = ZooKeeperConfig.namespace(root)
        let scope = root.text("scope")
        guard findings.problems.isEmpty, let zooKeeper else { throw ConfigError(findings.problems) }
        return ControlConfig(scope: scope, namespace: namespace, zooKeeper: zooKeeper, rest: rest)
    }
}

extension ControlConfig.Rest {
    /// What `ctl` leaves out, the section of the members says.
    fileprivate init(_ ctl: SectionReader, _ members: SectionReader, isInsecure: Bool) {
        for section in [ctl.section("authentication"), members.section("authentication")] where username == nil {
            guard let name = section.looseText("username"), let secret = section.secret("password") else { continue }
            (username, password) = (name, secret)
        }
        self.isInsecure = ctl.bool("insecure") ?? false || isInsecure
        caFile = ctl.text("cacert") ?? members.text("cafile")
        certificateFile = ctl.text("certfile")
        keyFile = ctl.text("keyfile")
        keyPassword = ctl.secret("keyfile_password")
    }
}

/// `zookeeper://host:port/namespace`, each part but the host's name optional; several hosts are separated by commas.
struct DCSLocation {
    var hosts: String
    var namespace: String?

    init(_ text: String) throws(ConfigError) {
        var rest = text[...]
        if let slashes = rest.firstRange(of: "//") {
            let scheme = rest[..<slashes.lowerBound]
            guard scheme.isEmpty || scheme == "zookeeper:" else {
                throw ConfigError([
                    ConfigProblem(
                        .wrongValue, source: "--dcs-url", value: .string(text),
                        message: "must begin with zookeeper://: the cluster's state is kept in ZooKeeper")
                ])
            }
            rest = rest[slashes.upperBound...]
        }
        let slash = rest.firstIndex(of: "/") ?? rest.endIndex
        hosts = slash == rest.startIndex ? "localhost" : String(rest[..<slash])
        let path = rest[slash...].split(separator: "/").joined(separator: "/")
        namespace = path.isEmpty ? nil : path
    }
}
