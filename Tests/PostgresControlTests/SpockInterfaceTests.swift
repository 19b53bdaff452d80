import LibPQ
import Support
import Testing

/// The stand-in has the names, arguments and columns of Spock 5.0.9, so that what is written for one works with the other.
@Suite(.serialized, .timeLimit(.minutes(2)))
struct SpockInterfaceTests {
    /// Each with its arguments, the number of those with a default, and its result.
    private static let functions = [
        "node_create(node_name name, dsn text, location text, country text, info jsonb) 3 -> oid",
        "node_drop(node_name name, ifexists boolean) 1 -> boolean",
        "node_add_interface(node_name name, interface_name name, dsn text) 0 -> oid",
        "node_drop_interface(node_name name, interface_name name) 0 -> boolean",
        """
        node_info(OUT node_id oid, OUT node_name text, OUT sysid text, OUT dbname text, OUT replication_sets \
        text, OUT location text, OUT country text, OUT info jsonb) 0 -> record
        """,
        """
        sub_create(subscription_name name, provider_dsn text, replication_sets text[], synchronize_structure \
        boolean, synchronize_data boolean, forward_origins text[], apply_delay interval, force_text_transfer \
        boolean, enabled boolean, skip_schema text[]) 8 -> oid
        """,
        "sub_drop(subscription_name name, ifexists boolean) 1 -> oid",
        "sub_enable(subscription_name name, immediate boolean) 1 -> boolean",
        "sub_disable(subscription_name name, immediate boolean) 1 -> boolean",
        "sub_alter_interface(subscription_name name, interface_name name) 0 -> boolean",
        "sub_add_repset(subscription_name name, replication_set name) 0 -> boolean",
        "sub_remove_repset(subscription_name name, replication_set name) 0 -> boolean",
        "sub_alter_skiplsn(subscription_name name, lsn pg_lsn) 0 -> boolean",
        "sub_alter_sync(subscription_name name, truncate boolean) 1 -> boolean",
        "sub_resync_table(subscription_name name, relation regclass, truncate boolean) 1 -> boolean",
        """
        sub_show_status(subscription_name name, OUT subscription_name text, OUT status text, OUT \
        provider_node text, OUT provider_dsn text, OUT slot_name text, OUT replication_sets text[], OUT \
        forward_origins text[]) 1 -> SETOF record
        """,
        """
        sub_show_table(subscription_name name, relation regclass, OUT nspname text, OUT relname text, OUT \
        status text) 0 -> record
        """,
        "sub_wait_for_sync(subscription_name name) 0 -> void",
        "table_wait_for_sync(subscription_name name, relation regclass) 0 -> void",
        """
        repset_create(set_name name, replicate_insert boolean, replicate_update boolean, replicate_delete \
        boolean, replicate_truncate boolean) 4 -> oid
        """,
        """
        repset_alter(set_name name, replicate_insert boolean, replicate_update boolean, replicate_delete \
        boolean, replicate_truncate boolean) 4 -> oid
        """,
        "repset_drop(set_name name, ifexists boolean) 1 -> boolean",
        """
        repset_add_table(set_name name, relation regclass, synchronize_data boolean, columns text[], \
        row_filter text, include_partitions boolean) 4 -> boolean
        """,
        "repset_add_all_tables(set_name name, schema_names text[], synchronize_data boolean) 1 -> boolean",
        "repset_remove_table(set_name name, relation regclass, include_partitions boolean) 1 -> boolean",
        "repset_add_seq(set_name name, relation regclass, synchronize_data boolean) 1 -> boolean",
        "repset_add_all_seqs(set_name name, schema_names text[], synchronize_data boolean) 1 -> boolean",
        "repset_remove_seq(set_name name, relation regclass) 0 -> boolean",
        "repset_add_partition(parent regclass, partition regclass, row_filter text) 2 -> integer",
        "repset_remove_partition(parent regclass, partition regclass) 1 -> integer",
        """
        repset_show_table(relation regclass, repsets text[], OUT relid oid, OUT nspname text, OUT relname \
        text, OUT att_list text[], OUT has_row_filter boolean, OUT relkind "char", OUT relispartition \
        boolean) 0 -> record
        """,
        "sync_event(transactional boolean) 1 -> pg_lsn",
        "wait_slot_confirm_lsn(slotname name, target pg_lsn) 0 -> void",
        "repair_mode(enabled boolean) 0 -> pg_lsn",
        "get_lsn_from_commit_ts(slot_name name, commit_ts timestamp with time zone) 0 -> pg_lsn",
        "pause_apply_workers() 0 -> void",
        "resume_apply_workers() 0 -> void",
        """
        get_apply_worker_status(OUT worker_pid bigint, OUT worker_dboid integer, OUT worker_subid bigint, \
        OUT worker_status text) 0 -> SETOF record
        """,
        "sync_seq(relation regclass) 0 -> boolean",
        "spock_gen_slot_name(name, name, name) 0 -> name",
        "spock_version() 0 -> text",
        "spock_version_num() 0 -> integer",
        "spock_max_proto_version() 0 -> integer",
        "spock_min_proto_version() 0 -> integer",
        "get_country() 0 -> text",
        "terminate_active_transactions() 0 -> boolean",
        """
        xact_commit_timestamp_origin(xid xid, OUT "timestamp" timestamp with time zone, OUT roident oid) 0 \
        -> record
        """,
        """
        get_channel_stats(OUT subid oid, OUT relid oid, OUT n_tup_ins bigint, OUT n_tup_upd bigint, OUT \
        n_tup_del bigint, OUT n_conflict bigint, OUT n_dca bigint) 0 -> SETOF record
        """,
        "reset_channel_stats() 0 -> void",
        "replicate_ddl(command text, replication_sets text[], search_path text, role text) 3 -> boolean",
        "replicate_ddl(command text[], replication_sets text[], search_path text, role text) 3 -> SETOF boolean",
        """
        wait_for_sync_event(OUT result boolean, IN origin_id oid, IN lsn pg_lsn, IN timeout integer, IN \
        wait_if_disabled boolean) 2 -> nothing
        """,
        """
        wait_for_sync_event(OUT result boolean, IN origin name, IN lsn pg_lsn, IN timeout integer, IN \
        wait_if_disabled boolean) 2 -> nothing
        """,
    ]

    private static let columns = [
        "node": "node_id node_name location country info",
        "node_interface": "if_id if_name if_nodeid if_dsn",
        "local_node": "node_id node_local_interface",
        "subscription": """
        sub_id sub_name sub_origin sub_target sub_origin_if sub_target_if sub_enabled sub_slot_name \
        sub_replication_sets sub_forward_origins sub_apply_delay sub_force_text_transfer sub_skip_lsn \
        sub_skip_schema sub_created_at
        """,
        "local_sync_status": "sync_kind sync_subid sync_nspname sync_relname sync_status sync_statuslsn",
        "replication_set": """
        set_id set_nodeid set_name replicate_insert replicate_update replicate_delete replicate_truncate
        """,
        "replication_set_table": "set_id set_reloid set_att_list set_row_filter",
        "replication_set_seq": "set_id set_seqoid",
        "tables": "relid nspname relname set_name",
        "exception_log": """
        remote_origin remote_commit_ts command_counter retry_errored_at remote_xid local_origin local_commit_ts \
        table_schema table_name operation local_tup remote_old_tup remote_new_tup ddl_statement ddl_user \
        error_message
        """,
        "resolutions": """
        id node_name log_time relname idxname conflict_type conflict_resolution local_origin local_tuple \
        local_xid local_timestamp remote_origin remote_tuple remote_xid remote_timestamp remote_lsn
        """,
        "progress": """
        node_id remote_node_id remote_commit_ts remote_lsn remote_insert_lsn last_updated_ts updated_by_decode
        """,
        "lag_tracker": """
        origin_name receiver_name commit_timestamp last_received_lsn remote_insert_lsn replication_lag_bytes \
        replication_lag
        """,
    ]

    @Test func itIsSpocks() async throws {
        let node = try await SpockNode("na")
        do {
            try node.open(node)
            try await node.start()
            try await expectFunctions(node)
            try await expectColumns(node)
            try await nodes(node)
            try await sets(node)
        } catch {
            let failure = SupportError("\(error)\n\(node.server.logTail)")
            await node.server.discard()
            throw failure
        }
        await node.server.discard()
    }

    private func expectFunctions(_ node: SpockNode) async throws {
        let found = try await node.query(
            """
            SELECT format('%s(%s) %s -> %s', proname, pg_get_function_identity_arguments(oid), pronargdefaults,
                       coalesce(pg_get_function_result(oid), 'nothing')) AS line
              FROM pg_proc WHERE pronamespace = 'spock'::regnamespace AND proname NOT LIKE 'standin%'
            """)
        let lines = try found.rows.map { try $0.text("line") }
        #expect(lines.sorted() == Self.functions.sorted())
    }

    private func expectColumns(_ node: SpockNode) async throws {
        let found = try await node.query(
            """
            SELECT c.relname, string_agg(a.attname, ' ' ORDER BY a.attnum) AS columns
              FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
             WHERE c.relnamespace = 'spock'::regnamespace AND c.relkind IN ('r', 'v') AND a.attnum > 0 GROUP BY 1
            """)
        for (name, expected) in Self.columns {
            #expect(found.rows.first { $0["relname"] == name }?["columns"] == expected, "\(name)")
        }
    }

    private func nodes(_ node: SpockNode) async throws {
        #expect(try await node.value("spock.spock_version()") == "5.0.9")
        #expect(try await node.value("spock.node_create(NULL, 'host=x')") == nil)
        #expect(try await node.value("spock.node_create('na', NULL)") == nil)
        await #expect(throws: PostgresError.self) { try await node.query("SELECT * FROM spock.node_info()") }
        let info = #"{"tiebreaker": 1}"#
        let made = try await node.value("spock.node_create($1, $2, 'az1', 'NL', $3::jsonb)", ["na", node.dsn, info])
        #expect(try await node.value("hashtext('na') & 65535") == made)
        let row = try await node.query("SELECT * FROM spock.node_info()").first()
        #expect(row["node_id"] == made)
        #expect(row["replication_sets"] == #"ddl_sql,"default",default_insert_only"#)
        #expect([row["location"], row["country"], row["info"]] == ["az1", "NL", info])
        #expect(try await node.value("SELECT info FROM spock.node JOIN spock.local_node USING (node_id)") == info)
        for again in ["na", "nb"] {
            await #expect(throws: PostgresError.self) {
                try await node.query("SELECT spock.node_create($1, 'x')", [again])
            }
        }
        try await collision(node)
    }

    /// A node in another database of the same server, with a name of the same 16 bits.
    private func collision(_ node: SpockNode) async throws {
        let twin = "SELECT 'n' || i FROM generate_series(1, 1000000) i WHERE hashtext('n' || i) & 65535 = $1 LIMIT 1"
        let id = try await node.value("hashtext('na') & 65535")
        let name = try #require(await node.value(twin.replacing("$1", with: "\(id ?? "")")))
        try await node.server.query("CREATE DATABASE other")
        try await node.query("CREATE EXTENSION spock CASCADE", database: "other")
        let dsn = node.dsn.replacing("app", with: "other")
        try await node.query("SELECT spock.node_create($1, $2)", [name, dsn], database: "other")
        let refused = await #expect(throws: PostgresError.self) {
            try await node.query("SELECT spock.sub_create('sub', $1)", [dsn])
        }
        #expect(refused?.sqlState == "23505")
        #expect(try await node.count("spock.node") == 1)
    }

    private func sets(_ node: SpockNode) async throws {
        try await node.query("CREATE TABLE p (id integer PRIMARY KEY) PARTITION BY RANGE (id)")
        try await node.query("CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10)")
        try await node.query("SELECT spock.repset_create('audit', true, false, false, false)")
        try await node.query("SELECT spock.repset_add_table('default', 'p')")
        try await node.query("CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20)")
        #expect(try await node.value("spock.repset_add_partition('p')") == "1")
        #expect(try await node.value("spock.repset_add_partition('p')") == "0")
        #expect(try await node.value("spock.repset_remove_partition('p', 'p1')") == "1")
        try await node.query("SELECT spock.repset_add_table('audit', 't')")
        await #expect(throws: PostgresError.self) {
            try await node.query("SELECT spock.repset_add_table('audit', 't')")
        }
        let members =
            "SELECT string_agg(relname || ' ' || coalesce(set_name, '-'), ', ' ORDER BY relname) FROM spock.tables"
        #expect(try await node.value(members) == "p default, p1 -, p2 default, t audit")
        #expect(try await node.value("SELECT relkind FROM spock.repset_show_table('p', '{default}')") == "p")
        try await node.query("SELECT spock.repset_alter('audit', replicate_update := true)")
        #expect(
            try await node.count("spock.replication_set WHERE set_name = 'audit' AND replicate_update") == 1)
        try await node.query("SELECT spock.repset_drop('audit')")
        try await node.query("SELECT spock.node_drop('na')")
        #expect(try await node.count("spock.node") == 0)
    }
}
