-- Events, repair and what else an operator calls.

CREATE FUNCTION spock_version() RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT '5.0.9' $$;
CREATE FUNCTION spock_version_num() RETURNS integer IMMUTABLE LANGUAGE sql AS $$ SELECT 50009 $$;
CREATE FUNCTION spock_max_proto_version() RETURNS integer IMMUTABLE LANGUAGE sql AS $$ SELECT 4 $$;
CREATE FUNCTION spock_min_proto_version() RETURNS integer IMMUTABLE LANGUAGE sql AS $$ SELECT 3 $$;

CREATE FUNCTION get_country() RETURNS text LANGUAGE sql
AS $$ SELECT coalesce(current_setting('spock.country', true), '') $$;

-- pglogical runs the command with an empty search path and as the current user: what is wanted is set in front of it.
CREATE FUNCTION replicate_ddl(command text, replication_sets text[] DEFAULT '{ddl_sql}',
    search_path text DEFAULT current_setting('search_path'), role text DEFAULT CURRENT_USER)
RETURNS boolean STRICT LANGUAGE plpgsql AS $$
DECLARE
    setting text := format('SET LOCAL search_path = %s; ', coalesce(nullif(search_path, ''), ''''''));
BEGIN
    IF role <> CURRENT_USER THEN
        setting := setting || format('SET LOCAL ROLE %I; ', role);
    END IF;
    RETURN pglogical.replicate_ddl_command(setting || command, replication_sets);
END $$;

CREATE FUNCTION replicate_ddl(command text[], replication_sets text[] DEFAULT '{ddl_sql}',
    search_path text DEFAULT current_setting('search_path'), role text DEFAULT CURRENT_USER)
RETURNS SETOF boolean STRICT LANGUAGE sql
AS $$ SELECT spock.replicate_ddl(one, $2, $3, $4) FROM unnest($1) AS one $$;

-- Spock writes a message. pglogical moves an origin only with a commit that wrote something, so a command that takes a
-- transaction number on the subscriber goes through the queue: it reaches everybody when the caller commits.
CREATE FUNCTION sync_event(transactional boolean DEFAULT false) RETURNS pg_lsn STRICT LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pglogical.replicate_ddl_command('SELECT pg_catalog.pg_current_xact_id()', array_agg(s.set_name::text))
       FROM pglogical.replication_set s JOIN pglogical.local_node l ON l.node_id = s.set_nodeid;
    RETURN pg_current_wal_insert_lsn();
END $$;

CREATE PROCEDURE wait_for_sync_event(OUT result boolean, origin_id oid, lsn pg_lsn, timeout integer DEFAULT 0,
    wait_if_disabled boolean DEFAULT false) LANGUAGE plpgsql AS $$
DECLARE
    begun timestamptz := clock_timestamp();
    found_enabled boolean;
    reached pg_lsn;
BEGIN
    IF origin_id IS NULL THEN
        RAISE EXCEPTION 'Invalid NULL origin_id';
    END IF;
    LOOP
        SELECT s.sub_enabled, o.remote_lsn INTO found_enabled, reached
          FROM spock.subscription s
          JOIN spock.local_node l ON l.node_id = s.sub_target
          LEFT JOIN pg_catalog.pg_replication_origin_status o ON o.external_id = s.sub_slot_name
         WHERE s.sub_origin = origin_id;
        IF NOT wait_if_disabled AND found_enabled IS NULL THEN
            RAISE EXCEPTION 'No subscription found for replication from %', origin_id;
        ELSIF NOT wait_if_disabled AND NOT found_enabled THEN
            RAISE EXCEPTION 'Subscription from % has been disabled', origin_id;
        END IF;
        result := coalesce(found_enabled AND reached >= lsn, false);
        EXIT WHEN result OR timeout <> 0 AND clock_timestamp() - begun >= make_interval(secs => timeout);
        -- Ends the transaction, so that the next look sees what has come meanwhile.
        ROLLBACK;
        PERFORM pg_sleep(0.2);
    END LOOP;
END $$;

CREATE PROCEDURE wait_for_sync_event(OUT result boolean, origin name, lsn pg_lsn, timeout integer DEFAULT 0,
    wait_if_disabled boolean DEFAULT false) LANGUAGE plpgsql AS $$
DECLARE
    origin_id oid := (SELECT n.node_id FROM spock.node n WHERE n.node_name = origin);
BEGIN
    IF origin_id IS NULL THEN
        RAISE EXCEPTION 'Origin node ''%'' not found', origin;
    END IF;
    CALL spock.wait_for_sync_event(result, origin_id, lsn, timeout, wait_if_disabled);
END $$;

CREATE FUNCTION wait_slot_confirm_lsn(slotname name, target pg_lsn) RETURNS void LANGUAGE sql
AS $$ SELECT pglogical.wait_slot_confirm_lsn($1, $2) $$;

-- Only the marker: what the transaction writes is replicated all the same. pglogical never replicates its catalogs.
CREATE FUNCTION repair_mode(enabled boolean) RETURNS pg_lsn LANGUAGE sql AS $$
    SELECT pg_logical_emit_message(true, 'Spock', CASE WHEN $1 THEN 'repair mode on' ELSE 'repair mode off' END)
$$;

-- The end of the last commit in the slot's WAL that is not later; NULL when there is none. Read from a copy of the slot.
CREATE FUNCTION get_lsn_from_commit_ts(slot_name name, commit_ts timestamptz) RETURNS pg_lsn STRICT LANGUAGE plpgsql AS $$
DECLARE
    copy name := 'commit_ts_' || pg_backend_pid();
    found_lsn pg_lsn;
BEGIN
    PERFORM pg_copy_logical_replication_slot($1, copy, true, 'test_decoding');
    SELECT max(c.lsn) INTO found_lsn
      FROM pg_logical_slot_peek_changes(copy, NULL, NULL, 'include-timestamp', 'on') c
     WHERE c.data LIKE 'COMMIT %' AND substring(c.data FROM '\(at (.*)\)$')::timestamptz <= commit_ts;
    PERFORM pg_drop_replication_slot(copy);
    RETURN found_lsn;
END $$;

-- pglogical cannot: better an error than a worker that goes on unseen.
CREATE FUNCTION pause_apply_workers() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE feature_not_supported USING MESSAGE = 'the stand-in for Spock cannot pause apply workers';
END $$;

CREATE FUNCTION resume_apply_workers() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE feature_not_supported USING MESSAGE = 'the stand-in for Spock cannot resume apply workers';
END $$;

REVOKE EXECUTE ON FUNCTION pause_apply_workers() FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION resume_apply_workers() FROM PUBLIC;

CREATE FUNCTION terminate_active_transactions() RETURNS boolean STRICT LANGUAGE sql AS $$
    SELECT coalesce(bool_and(pg_terminate_backend(a.pid)), true) FROM pg_catalog.pg_stat_activity a
     WHERE a.backend_type = 'client backend' AND a.backend_xid IS NOT NULL AND a.pid <> pg_backend_pid()
$$;

CREATE FUNCTION xact_commit_timestamp_origin("xid" xid, OUT "timestamp" timestamptz, OUT "roident" oid)
RETURNS record STRICT LANGUAGE sql
AS $$ SELECT * FROM pglogical.xact_commit_timestamp_origin($1) $$;

-- pglogical counts nothing.
CREATE FUNCTION get_channel_stats(OUT subid oid, OUT relid oid, OUT n_tup_ins bigint, OUT n_tup_upd bigint,
    OUT n_tup_del bigint, OUT n_conflict bigint, OUT n_dca bigint) RETURNS SETOF record LANGUAGE sql
AS $$ SELECT NULL::oid, NULL::oid, 0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint WHERE false $$;

CREATE FUNCTION reset_channel_stats() RETURNS void LANGUAGE sql AS $$ SELECT $$;

CREATE VIEW channel_table_stats AS
    SELECT h.subid, h.relid, s.sub_name, h.relid::regclass::text AS table_name, h.n_tup_ins, h.n_tup_upd, h.n_tup_del,
           h.n_conflict, h.n_dca
      FROM spock.get_channel_stats() h LEFT JOIN spock.subscription s ON s.sub_id = h.subid;

CREATE VIEW channel_summary_stats AS
    SELECT subid, sub_name, sum(n_tup_ins) AS n_tup_ins, sum(n_tup_upd) AS n_tup_upd, sum(n_tup_del) AS n_tup_del,
           sum(n_conflict) AS n_conflict, sum(n_dca) AS n_dca
      FROM spock.channel_table_stats GROUP BY subid, sub_name;
