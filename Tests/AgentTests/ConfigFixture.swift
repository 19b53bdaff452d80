import AdminModel
import LocalConfiguration
import Foundation
import Testing

@testable import Agent

/// A file as users have it, and ways to change it.
enum ConfigFixture {
    static let yaml = """
        scope: gold
        namespace: /db/
        name: node-0

        log:
          level: DEBUG
          dateformat: '%H:%M:%S'
          loggers: {patroni.postmaster: WARNING}

        restapi:
          listen: 0.0.0.0:8008
          connect_address: 10.0.0.1:8008
          authentication:
            username: admin
            password: canary-rest
          allowlist: [10.0.0.0/8, "::1"]

        zookeeper:
          hosts:
            - zk1:2181
            - zk2
            - '[2001:db8::1]:2182/chroot'
          auth_data:
            digest: 'user:canary-zk'
          set_acls:
            digest:user:hash=: [ALL]
            CN=client: [read, WRITE]

        bootstrap:
          dcs:
            ttl: 30
            loop_wait: 10
            retry_timeout: 10
            maximum_lag_on_failover: 1MB
            synchronous_mode: on
            slots:
              archive: {type: physical}
            postgresql:
              use_pg_rewind: yes
              parameters:
                wal_level: logical
                hot_standby: on
                log_file_mode: 0640
          initdb:
            - encoding: UTF8
            - data-checksums
            - lc-collate: "'C'"
          pg_hba:
            - host all all 0.0.0.0/0 scram-sha-256
          post_bootstrap: /usr/local/bin/setup.sh --all

        postgresql:
          listen: "*,::1:5432"
          connect_address: 10.0.0.1:5432
          data_dir: /var/lib/postgresql/data
          bin_dir: /usr/lib/postgresql/15/bin
          pgpass: ~/pgpass0
          authentication:
            superuser: {username: postgres, password: 0123, sslmode: verify-full}
            replication: &repl
              username: replicator
              password: canary-repl
            rewind:
              <<: *repl
              username: rewinder
          create_replica_methods: [walg, basebackup]
          walg:
            command: /usr/bin/restore.sh
            no_leader: true
            threads: 4
          basebackup:
            - checkpoint: fast
            - verbose
          parameters:
            shared_buffers: 1GB
            archive_command: |-
              cp %p /archive/%f
            checkpoint_completion_target: 0.9
            logging_collector: off
          recovery_conf:
            restore_command: cp /archive/%f %p
          pg_hba:
            - local all all trust
          callbacks: {on_role_change: /bin/notify}

        tags:
          failover_priority: '1'
          nofailover: true
          az: b

        watchdog:
          mode: off

        matriarch:
          runtime_dir: /run/gold
          tick_time: 500
        """

    /// Replaces lines in the file's text; every piece must be there.
    static func changed(_ pieces: KeyValuePairs<String, String>) throws -> String {
        var text = yaml
        for (old, new) in pieces {
            try #require(text.contains(old), "the fixture has no \(old)")
            text = text.replacingOccurrences(of: old, with: new)
        }
        return text
    }

    static func load(_ text: String, environment: [String: String] = [:]) throws -> ConfigLoader.Loaded {
        try withFile(text) { path in
            try ConfigLoader(path: path, environment: ["HOME": "/home/pg"].merging(environment) { $1 }).load()
        }
    }

    /// The problems of a text; empty when it is accepted.
    static func problems(_ text: String, environment: [String: String] = [:]) throws -> [ConfigProblem] {
        do {
            _ = try load(text, environment: environment)
            return []
        } catch let error as ConfigError {
            return error.problems
        }
    }

    static func withFile<Result>(_ text: String, _ body: (String) throws -> Result) throws -> Result {
        try withFolder(["patroni.yml": text]) { try body($0 + "/patroni.yml") }
    }

    static func withFolder<Result>(_ files: [String: String], _ body: (String) throws -> Result) throws -> Result {
        let folder = FileManager.default.temporaryDirectory.path + "/matriarch-config-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        for (name, text) in files { try Data(text.utf8).write(to: URL(fileURLWithPath: folder + "/" + name)) }
        return try body(folder)
    }

    static func object(_ text: String) throws -> JSONObject { try #require(try JSONParser.parse(text).asObject) }
}
