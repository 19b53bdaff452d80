import Testing

@testable import PostgresControl

struct ParameterLayersTests {
    private func resolve(
        dynamic: [String: String] = [:], local: [String: String] = [:], sync: String? = nil, feedback: Bool = false,
        known: KnownParameters? = nil
    ) -> ServerParameters {
        ParameterLayers(
            dynamic: dynamic, local: local, listenAddresses: "127.0.0.1", port: 5433, clusterName: "gold",
            synchronousStandbyNames: sync, forceHotStandbyFeedback: feedback, majorVersion: 15, known: known
        ).resolve()
    }

    @Test func theCommandLineHasTheContractsOrder() {
        #expect(
            resolve().commandLine == [
                "--listen_addresses=127.0.0.1", "--port=5433", "--cluster_name=gold", "--wal_level=replica",
                "--hot_standby=on", "--max_connections=100", "--max_wal_senders=10", "--max_prepared_transactions=0",
                "--max_locks_per_transaction=64", "--track_commit_timestamp=off", "--max_replication_slots=10",
                "--max_worker_processes=8", "--wal_log_hints=on",
            ])
        #expect(resolve().values["wal_keep_size"] == "128MB")
    }

    @Test(arguments: [
        ("wal_level", "hot_standby", "replica", false), ("wal_level", "logical", "logical", false),
        ("wal_level", "minimal", "replica", true), ("hot_standby", "off", "on", true),
        ("hot_standby", "true", "on", false), ("max_connections", "24", "100", true),
        ("max_connections", "0x20", "32", false), ("max_connections", "many", "100", true),
        ("max_wal_senders", "3", "3", false), ("max_locks_per_transaction", "31", "64", true),
        ("track_commit_timestamp", "yes", "on", false), ("wal_log_hints", "off", "off", false),
        ("wal_keep_size", "1GB", "1GB", false), ("wal_keep_size", "15MB", "128MB", true),
        ("wal_keep_size", "16384kB", "16384kB", false), ("max_replication_slots", "-1", "10", true),
    ])
    func checksWhatIsEnforced(name: String, value: String, used: String, warned: Bool) {
        let parameters = resolve(dynamic: [name: value])
        #expect(parameters.values[name] == used)
        #expect(parameters.warnings.isEmpty == !warned)
    }

    @Test func localWinsExceptForWhatIsEnforced() {
        let parameters = resolve(
            dynamic: ["work_mem": "4MB", "max_connections": "200", "Log_Statement": "ddl"],
            local: ["work_mem": "8MB", "max_connections": "300", "wal_level": "minimal"])
        #expect(parameters.values["work_mem"] == "8MB")
        #expect(parameters.values["max_connections"] == "200")
        #expect(parameters.values["wal_level"] == "replica")
        #expect(parameters.values["log_statement"] == "ddl")
        #expect(parameters.warnings.isEmpty)
    }

    @Test func whatIsComputedIsNeverTakenFromParameters() {
        let parameters = resolve(
            dynamic: ["port": "1", "listen_addresses": "*", "synchronous_standby_names": "mine"],
            local: ["cluster_name": "other"], sync: "", feedback: true)
        #expect(parameters.values["port"] == "5433")
        #expect(parameters.values["listen_addresses"] == "127.0.0.1")
        #expect(parameters.values["cluster_name"] == "gold")
        #expect(parameters.values["synchronous_standby_names"] == "")
        #expect(parameters.values["hot_standby_feedback"] == "on")
        #expect(
            resolve(dynamic: ["synchronous_standby_names": "mine"]).values["synchronous_standby_names"] == "mine")
    }

    @Test func segmentsBecomeASize() {
        #expect(resolve(dynamic: ["wal_keep_segments": "10"]).values["wal_keep_size"] == "160MB")
        let both = resolve(dynamic: ["wal_keep_segments": "10", "wal_keep_size": "64MB"])
        #expect(both.values["wal_keep_size"] == "64MB")
        #expect(both.values["wal_keep_segments"] == nil)
    }

    @Test func recoverySettingsLeaveTheParameters() {
        let parameters = resolve(
            dynamic: ["restore_command": "cp a b", "promote_trigger_file": "/tmp/promote"])
        #expect(parameters.values["restore_command"] == nil)
        #expect(parameters.recovery == ["restore_command": "cp a b"])
        #expect(parameters.warnings.count == 1 && parameters.warnings[0].contains("promote_trigger_file"))
    }

    @Test func aNameCannotSmuggleInALine() {
        let parameters = resolve(dynamic: ["work_mem = 1\nport": "1", "": "x", "pg_stat_statements.max": "100"])
        #expect(parameters.warnings.count == 2)
        #expect(parameters.values.keys.allSatisfy { !$0.contains("\n") && !$0.isEmpty })
        #expect(parameters.values["pg_stat_statements.max"] == "100")
    }

    @Test func unknownNamesAreLeftOutAndNumbersClamped() {
        let known = KnownParameters(
            description: """
                work_mem\tuser\tgroup\tINTEGER\t4096\t64\t2147483647\tshort\tlong
                seq_page_cost\tuser\tgroup\tREAL\t1\t0\t1.79769e+308\tshort\t
                log_destination\tsighup\tgroup\tSTRING\tstderr\t\t\tshort\tlong
                """, hidden: ["trace_sort"])
        let parameters = resolve(
            dynamic: [
                "work_mem": "1", "seq_page_cost": "-1", "log_destination": "csvlog", "trace_sort": "on",
                "no_such_parameter": "1", "my.own": "x",
            ], local: ["work_mem": "1kB"], known: known)
        #expect(parameters.values["no_such_parameter"] == nil)
        #expect(parameters.values["work_mem"] == "1kB")
        #expect(parameters.values["seq_page_cost"] == "0")
        #expect(parameters.values["trace_sort"] == "on")
        #expect(parameters.values["my.own"] == "x")
        #expect(parameters.warnings.count == 3)
    }
}
