internal import LocalConfiguration
import Logging

/// Reads the local configuration again, on SIGHUP and on `POST /reload` (contract/patroni.md 2.6 and 3.1). One that does
/// not hold changes nothing.
actor ConfigReloader {
    private let loader: ConfigLoader
    private let settings: ClusterSettings
    private let tls: TransportSecurity
    private let log: AgentLog
    private let manager: ServiceManager?
    private let wakeup: Wakeup
    private let logger: Logger

    init(
        loader: ConfigLoader, settings: ClusterSettings, tls: TransportSecurity, log: AgentLog,
        manager: ServiceManager?,
        wakeup: Wakeup, logger: Logger
    ) {
        self.loader = loader
        self.settings = settings
        self.tls = tls
        self.log = log
        self.manager = manager
        self.wakeup = wakeup
        self.logger = logger
    }

    func reload() {
        manager?.tell(.reloading)
        defer { manager?.tell(.ready) }
        do throws(ConfigError) {
            let loaded = try loader.load()
            // First, since it may throw: no part of a configuration holds without the others.
            if try tls.reload(loaded.config) { logger.notice("TLS: new certificates and keys are in force") }
            log.apply(loaded.config.log)
            for notice in loaded.notices { logger.info("configuration: \(notice)") }
            let rejected = settings.dynamic.rejected
            let waiting = settings.reload(loaded.config)
            logger.notice("the local configuration was read again")
            // Each layer may hold by itself, and the two contradict each other.
            for rejection in settings.dynamic.rejected where !rejected.contains(rejection) {
                logger.warning("with the cluster's configuration: \(rejection); the last accepted value stays in force")
            }
            if !waiting.isEmpty {
                let keys = waiting.map(\.description).joined(separator: ", ")
                logger.warning("changed, and held only after a restart of the agent: \(keys)")
            }
            wakeup.signal(urgent: true)
        } catch {
            for problem in error.problems {
                logger.error("the local configuration stays as it was, its file does not hold: \(problem)")
            }
        }
    }
}
