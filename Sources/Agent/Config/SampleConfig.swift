/// The text of `--generate-sample-config` (contract/patroni.md 6): what a first file needs, to be filled in.
public enum SampleConfig {
    static let bootstrapComment = """
        # What stands under bootstrap.dcs becomes the configuration of the whole cluster when the cluster is created.
        # Later changes of it here have no effect: use `matriarchctl edit-config`.
        """

    /// Off as long as it is a comment: a mesh is nobody's default.
    static let spock = """
        spock:
          mesh: '#FIXME'
          node:
            name: '#FIXME'
            location: az1
          databases:
          - '#FIXME'
          dsn:
            mode: service
            user: postgres
            passfile: /etc/matriarch/pgpass
            options:
              sslmode: prefer
          replication_sets:
          - name: default
            all_tables_in: [public]
          subscribe:
            peers: auto
            name_template: sub_{local}_{peer}
            replication_sets: [default, default_insert_only, ddl_sql]
            synchronize: none
          slots:
            mode: auto
            copy_interval: 10s
            hold_slots: true
            hold_max_wal: 4GB
          failover:
            apply_gate: service
            on_gap: rewind_or_hold
            max_gate_wait: 3s
          ddl:
            enable_ddl_replication: true
            include_ddl_repset: true
            allow_ddl_from_functions: true
        """

    private static let commentedSpock =
        """
        # A node of a Spock mesh, if the cluster is to be one. It may stand under bootstrap.dcs, too, all but passfile and
        # other files: what is written here wins.
        #

        """ + spock.split(separator: "\n").map { "# \($0)" }.joined(separator: "\n")

    /// - Parameters:
    ///   - name: usually the name of the host.
    ///   - address: where peers reach this host.
    ///   - binDir: where PostgreSQL's programs are.
    public static func text(name: String, address: String, binDir: String) -> String {
        """
        scope: '#FIXME'
        name: \(quoted(name))

        log:
          type: plain
          level: INFO

        restapi:
          listen: \(quoted("\(address):8008"))
          connect_address: \(quoted("\(address):8008"))

        zookeeper:
          hosts:
          - '#FIXME:2181'

        \(bootstrapComment)
        bootstrap:
          dcs:
            loop_wait: 10
            retry_timeout: 10
            ttl: 30
            maximum_lag_on_failover: 1048576
            postgresql:
              use_pg_rewind: true
              parameters:
                hot_standby: 'on'
                max_connections: 100
                max_locks_per_transaction: 64
                max_prepared_transactions: 0
                max_replication_slots: 10
                max_wal_senders: 10
                max_worker_processes: 8
                track_commit_timestamp: 'off'
                wal_keep_size: 128MB
                wal_level: replica
                wal_log_hints: 'on'
          initdb:
          - encoding: UTF8
          - data-checksums

        postgresql:
          listen: \(quoted("\(address):5432"))
          connect_address: \(quoted("\(address):5432"))
          data_dir: '#FIXME'
          bin_dir: \(quoted(binDir))
          authentication:
            superuser:
              username: postgres
              password: '#FIXME'
            replication:
              username: replicator
              password: '#FIXME'
          parameters:
            unix_socket_directories: '/tmp'
          pg_hba:
          - local all all md5
          - host all all all md5
          - host replication replicator all md5

        \(commentedSpock)

        tags:
          failover_priority: 1
          sync_priority: 1
          noloadbalance: false
          clonefrom: true
          nostream: false

        """
    }

    /// YAML's single quotes take everything as it is.
    private static func quoted(_ text: String) -> String {
        "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''") + "'"
    }
}
