import HACore
import Testing

@testable import PostgresControl

struct MeshParametersTests {
    private static func mesh(
        databases: Int = 1, peers: Int = 2, members: Int = 3, role: StartRole = .primary,
        slots: MeshSettings.SlotMode = .auto, standbySlots: [String]? = nil, gate: Bool = false
    ) -> MeshParameters {
        var settings = MeshSettings(mesh: "shop", node: "n1", databases: (0..<databases).map { "db\($0)" })
        settings.slotMode = slots
        return MeshParameters(
            settings, peers: peers, members: members, role: role, synchronizedStandbySlots: standbySlots,
            clientGateIsClosed: gate)
    }

    private func layers(
        dynamic: [String: String] = [:], local: [String: String] = [:], mesh: MeshParameters = mesh(),
        version: Int = 15, known: KnownParameters? = nil
    ) -> ParameterLayers {
        ParameterLayers(
            dynamic: dynamic, local: local, listenAddresses: "127.0.0.1", port: 5433, clusterName: "gold", mesh: mesh,
            majorVersion: version, known: known)
    }

    private func known(_ lines: String...) -> KnownParameters {
        let fields = lines.map { "\($0)\t\t\tshort\tlong" } + ["fsync\tsighup\tgroup\tBOOLEAN\ton\t\t\tshort\tlong"]
        return KnownParameters(description: fields.joined(separator: "\n"), hidden: ["default_transaction_read_only"])
    }

    @Test func whatAMeshNeedsHoldsWithoutAWord() {
        let parameters = layers().resolve()
        #expect(parameters.warnings == [])
        let expected = [
            "wal_level": "logical", "track_commit_timestamp": "on", "hot_standby_feedback": "on", "wal_log_hints": "on",
            "shared_preload_libraries": "spock", "max_worker_processes": "12", "max_replication_slots": "16",
            "max_wal_senders": "16", "spock.enable_ddl_replication": "on", "spock.include_ddl_repset": "on",
            "spock.allow_ddl_from_functions": "on", "spock.synchronize_slot_names": "name:-none-",
            "spock.drop_extra_slots": "off",
        ]
        for (name, value) in expected { #expect(parameters.values[name] == value, "\(name)") }
        #expect(parameters.commandLine.contains("--wal_level=logical"))
        #expect(parameters.commandLine.contains("--max_worker_processes=12"))
        for absent in [
            "output_plugin_libraries", "sync_replication_slots", "synchronized_standby_slots",
            "default_transaction_read_only", "max_active_replication_origins", "spock.pg_standby_slot_names",
        ] {
            #expect(parameters.values[absent] == nil, "\(absent)")
        }
    }

    @Test(arguments: [
        ("wal_level", "replica", "logical", true), ("wal_level", "hot_standby", "logical", true),
        ("wal_level", "minimal", "logical", true), ("wal_level", "logical", "logical", false),
        ("track_commit_timestamp", "off", "on", true), ("track_commit_timestamp", "true", "on", false),
        ("hot_standby_feedback", "no", "on", true), ("hot_standby_feedback", "1", "on", false),
        ("max_worker_processes", "20", "20", false), ("max_worker_processes", "6", "6", true),
        ("max_replication_slots", "6", "6", true), ("max_wal_senders", "6", "6", true),
        ("max_wal_senders", "2", "16", true), ("spock.enable_ddl_replication", "off", "off", false),
        ("spock.drop_extra_slots", "on", "off", true), ("Spock.Drop_Extra_Slots", "off", "off", false),
        ("spock.synchronize_slot_names", "name_like:%%", "name:-none-", true), ("wal_log_hints", "off", "off", false),
    ])
    func theUsersValuesHoldWhereAMeshCanBear(name: String, value: String, used: String, warned: Bool) {
        let parameters = layers(dynamic: [name: value]).resolve()
        #expect(parameters.values[name.lowercased()] == used)
        #expect(parameters.warnings.count == (warned ? 1 : 0), "\(parameters.warnings)")
        #expect(parameters.warnings.allSatisfy { $0.contains(name) })
    }

    @Test func warningsSayWhy() {
        let warnings = layers(dynamic: ["wal_level": "replica", "max_worker_processes": "4"]).resolve().warnings
        #expect(
            warnings == [
                "wal_level = 'replica' does not fit a mesh: 'logical' is used, since replication between zones cannot work without it",
                "max_worker_processes = '4' is less than the 7 that 1 databases and 2 peers need",
            ])
    }

    @Test func theLocalFileStillCountsForNothingThatIsEnforced() {
        let parameters = layers(local: ["wal_level": "replica", "max_wal_senders": "3"]).resolve()
        #expect(parameters.values["wal_level"] == "logical" && parameters.values["max_wal_senders"] == "16")
        #expect(parameters.warnings == [])
    }

    @Test func numbersGrowWithDatabasesAndPeers() {
        let values = layers(mesh: Self.mesh(databases: 4, peers: 3, members: 3)).resolve().values
        // 3 + 4 managers + 4 copies + 12 subscriptions; 12 slots, 12 hold slots, 4 copies, 2 standbys; and a clone's 2.
        #expect(values["max_worker_processes"] == "23")
        #expect(values["max_replication_slots"] == "30")
        #expect(values["max_wal_senders"] == "20")
        #expect(values["max_active_replication_origins"] == nil)
        let origins = known("max_active_replication_origins\tpostmaster\tgroup\tINTEGER\t10")
        let newer = layers(mesh: Self.mesh(databases: 4, peers: 3), version: 18, known: origins).resolve()
        #expect(newer.values["max_active_replication_origins"] == "16")
        #expect(layers(version: 18, known: origins).resolve().values["max_active_replication_origins"] == "10")
        let small = layers(
            dynamic: ["max_active_replication_origins": "1"], version: 18, known: origins)
        #expect(small.resolve().values["max_active_replication_origins"] == "1")
        #expect(small.resolve().warnings.count == 1)
    }

    @Test(arguments: [
        ("pg_stat_statements", "pg_stat_statements, spock"), ("spock", "spock"), ("", "spock"),
        ("a, spock , b", "a, spock , b"), ("$libdir/spock,a", "$libdir/spock,a"), ("'", "', spock"),
        ("\"spock\", a", "\"spock\", a"), ("/opt/lib/spock.so", "/opt/lib/spock.so"), ("spock_x", "spock_x, spock"),
        ("\"a,spock\"", "\"a,spock\", spock"),
    ])
    func spockIsLoadedOnceBesideTheUsersLibraries(given: String, used: String) {
        let parameters = layers(
            dynamic: ["shared_preload_libraries": "other"], local: ["shared_preload_libraries": given])
        #expect(parameters.resolve().values["shared_preload_libraries"] == used)
        #expect(parameters.resolve().warnings == [])
    }

    @Test func outputPluginsAreNamedOnlyToAServerThatKnowsTheParameter() {
        let newer = known("output_plugin_libraries\tsuperuser\tgroup\tSTRING\tpgoutput, test_decoding")
        #expect(
            layers(known: newer).resolve().values["output_plugin_libraries"]
                == "pgoutput, test_decoding, spock_output")
        let users = ["output_plugin_libraries": "pgoutput, pglogical_output"]
        #expect(
            layers(dynamic: users, known: newer).resolve().values["output_plugin_libraries"]
                == "pgoutput, pglogical_output, spock_output")
        let older = layers(dynamic: users, known: known()).resolve()
        #expect(older.values["output_plugin_libraries"] == nil)
        #expect(older.warnings.count == 1)
    }

    @Test func nativeSlotsFrom17On() {
        let native = layers(dynamic: ["sync_replication_slots": "off"], version: 17).resolve()
        #expect(native.values["sync_replication_slots"] == "on")
        #expect(native.warnings.count == 1)
        #expect(native.values["spock.synchronize_slot_names"] == nil)
        let copied = layers(mesh: Self.mesh(slots: .copy), version: 17).resolve()
        #expect(copied.values["sync_replication_slots"] == nil)
        #expect(copied.values["spock.drop_extra_slots"] == "off")
        let early = layers(mesh: Self.mesh(slots: .native), version: 16).resolve()
        #expect(early.values["sync_replication_slots"] == nil)
        #expect(early.warnings.count == 1 && early.warnings[0].contains("17"))
    }

    @Test func standbySlotsCountOnAPrimaryOnly() {
        func values(_ role: StartRole, _ version: Int, _ slots: MeshSettings.SlotMode = .auto) -> [String: String] {
            layers(
                dynamic: ["synchronized_standby_slots": "mine"],
                mesh: Self.mesh(role: role, slots: slots, standbySlots: ["a", "b"]), version: version
            ).resolve().values
        }
        #expect(values(.primary, 17)["synchronized_standby_slots"] == "a, b")
        #expect(values(.primary, 17)["spock.pg_standby_slot_names"] == "")
        #expect(values(.primary, 17, .copy)["spock.pg_standby_slot_names"] == "a, b")
        #expect(values(.standby, 17)["synchronized_standby_slots"] == "")
        #expect(values(.primary, 15)["spock.pg_standby_slot_names"] == "a, b")
        #expect(values(.standby, 15)["spock.pg_standby_slot_names"] == "")
        let users = layers(dynamic: ["synchronized_standby_slots": "mine"], version: 17).resolve()
        #expect(users.values["synchronized_standby_slots"] == "mine")
        #expect(layers(mesh: Self.mesh(standbySlots: []), version: 17).ownNames.contains("synchronized_standby_slots"))
        #expect(layers(mesh: Self.mesh(standbySlots: [])).ownNames.contains("spock.pg_standby_slot_names"))
    }

    @Test func theClientGateIsTheAgentsOwn() {
        let users = ["default_transaction_read_only": "off"]
        let closed = layers(local: users, mesh: Self.mesh(gate: true))
        #expect(closed.resolve().values["default_transaction_read_only"] == "on")
        #expect(closed.ownNames.contains("default_transaction_read_only"))
        #expect(closed.resolve().warnings == [])
        let open = layers(local: users)
        #expect(open.resolve().values["default_transaction_read_only"] == "off")
        #expect(open.ownNames == ["listen_addresses", "port", "cluster_name"])
    }

    @Test func whatTheServerRefusesGoesBackToTheMeshsValue() {
        let parameters = layers(
            dynamic: ["wal_level": "logical", "shared_preload_libraries": "bad", "work_mem": "x"]
        ).resolve()
        let left = parameters.leavingOut(["shared_preload_libraries": "no", "work_mem": "no", "wal_level": "no"])
        #expect(left.values["shared_preload_libraries"] == "spock")
        #expect(left.values["wal_level"] == "logical")
        #expect(left.values["work_mem"] == nil)
        #expect(left.leavingOut(["shared_preload_libraries": "no"]).values["shared_preload_libraries"] == nil)
    }
}
