import AdminModel
import LocalConfiguration
import Testing

@testable import Agent

/// A file with every key of the section `spock`.
enum MeshFixture {
    static let section = """
        spock:
          enabled: on
          mesh: shop
          databases: [app, "Zweite Datenbank"]
          node: {name: n1, location: az1, country: DE, info: {tiebreaker: 1, "note": "ü"}}
          dsn:
            mode: service
            user: pgedge
            service_file: /run/gold/services
            passfile: /etc/matriarch/pgpass
            sslcert: /etc/tls/n1.crt
            sslkey: /etc/tls/n1.key
            sslrootcert: system
            options: {sslmode: verify-full, tcp_user_timeout: 2000, keepalives: on, sslcrl: /etc/tls/crl}
          replication_sets:
            - {name: default, all_tables_in: [public]}
            - {name: audit, update: false, delete: off, truncate: 0, tables: [public.audit, log.events]}
            - {name: default_insert_only, insert: true}
          subscribe:
            peers: [silver, bronze]
            name_template: "{peer}_to_{local}"
            replication_sets: [default, audit]
            synchronize: structure
            forward_origins: []
          slots: {mode: copy, copy_interval: 500ms, hold_slots: false, hold_max_wal: 1GB, slot_max_wal: 17179869184}
          failover: {apply_gate: service, on_peer_ahead: burn_and_report, on_gap: resync, max_gate_wait: 5}
          ddl: {enable_ddl_replication: on, include_ddl_repset: off, allow_ddl_from_functions: true}

        """

    static let small = "spock: {mesh: shop, databases: [app], node: {name: n1}}\n"

    /// The notices of a file but those of the fixture of all configurations.
    static func notices(_ file: String) throws -> [ConfigNotice] {
        try ConfigFixture.load(file).notices.filter { $0.path.starts(with: ["spock"]) }
    }

    /// The fixture of all configurations with the section at its end; each piece is replaced in the section.
    static func file(_ pieces: KeyValuePairs<String, String> = [:], section: String = section) throws -> String {
        var text = section
        for (old, new) in pieces {
            try #require(text.contains(old), "the section has no \(old)")
            text = text.replacing(old, with: new)
        }
        return ConfigFixture.yaml + "\n" + text
    }

    /// As `file`, with this section under `bootstrap.dcs`, in YAML's flow style.
    static func file(dcs: String, section: String = "") throws -> String {
        try ConfigFixture.changed(["    ttl: 30\n": "    ttl: 30\n    spock: \(dcs)\n"]) + "\n" + section
    }
}
