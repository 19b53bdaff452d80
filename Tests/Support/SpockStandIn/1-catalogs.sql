\echo Use "CREATE EXTENSION spock CASCADE" to load this file. \quit

-- Spock's catalogs as views of pglogical's. A node's id has 16 bits in Spock and 32 in pglogical: every view shows the
-- lower 16, so that they join.

-- What pglogical does not keep of a node.
CREATE TABLE standin_node (
    node_name name PRIMARY KEY,
    location text,
    country text,
    info jsonb
);

-- What pglogical does not keep of a subscription.
CREATE TABLE standin_subscription (
    sub_id oid PRIMARY KEY,
    sub_skip_lsn pg_lsn NOT NULL DEFAULT '0/0',
    sub_skip_schema text[] NOT NULL DEFAULT '{}',
    sub_created_at timestamptz
);

CREATE FUNCTION standin_node_id(node_id oid) RETURNS oid IMMUTABLE STRICT LANGUAGE sql
AS $$ SELECT ($1::bigint & 65535)::oid $$;

CREATE VIEW node AS
    SELECT spock.standin_node_id(n.node_id) AS node_id, n.node_name, d.location, d.country, d.info
      FROM pglogical.node n LEFT JOIN spock.standin_node d ON d.node_name = n.node_name;

CREATE VIEW node_interface AS
    SELECT if_id, if_name, spock.standin_node_id(if_nodeid) AS if_nodeid, if_dsn FROM pglogical.node_interface;

CREATE VIEW local_node AS
    SELECT spock.standin_node_id(node_id) AS node_id, node_local_interface FROM pglogical.local_node;

CREATE VIEW subscription AS
    SELECT s.sub_id, s.sub_name, spock.standin_node_id(s.sub_origin) AS sub_origin,
           spock.standin_node_id(s.sub_target) AS sub_target, s.sub_origin_if, s.sub_target_if, s.sub_enabled,
           s.sub_slot_name, s.sub_replication_sets, s.sub_forward_origins, s.sub_apply_delay,
           s.sub_force_text_transfer, coalesce(d.sub_skip_lsn, '0/0') AS sub_skip_lsn, d.sub_skip_schema,
           d.sub_created_at
      FROM pglogical.subscription s LEFT JOIN spock.standin_subscription d ON d.sub_id = s.sub_id;

CREATE VIEW local_sync_status AS
    SELECT sync_kind, sync_subid, sync_nspname, sync_relname, sync_status, sync_statuslsn
      FROM pglogical.local_sync_status;

CREATE VIEW replication_set AS
    SELECT set_id, spock.standin_node_id(set_nodeid) AS set_nodeid, set_name, replicate_insert, replicate_update,
           replicate_delete, replicate_truncate
      FROM pglogical.replication_set;

CREATE VIEW replication_set_table AS
    SELECT set_id, set_reloid, set_att_list, set_row_filter FROM pglogical.replication_set_table;

CREATE VIEW replication_set_seq AS SELECT set_id, set_seqoid FROM pglogical.replication_set_seq;

CREATE VIEW sequence_state AS SELECT seqoid, cache_size, last_value FROM pglogical.sequence_state;

CREATE VIEW depend AS
    SELECT classid, objid, objsubid, refclassid, refobjid, refobjsubid, deptype FROM pglogical.depend;

CREATE VIEW queue AS
    SELECT queued_at, role, replication_sets, message_type, message FROM pglogical.queue;

-- Each table of a set once for each set, and each other user's table with NULL.
CREATE VIEW tables AS
    SELECT c.oid AS relid, n.nspname, c.relname, m.set_name
      FROM pg_catalog.pg_class c
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      LEFT JOIN (SELECT t.set_reloid, s.set_name
                   FROM pglogical.local_node l
                   JOIN pglogical.replication_set s ON s.set_nodeid = l.node_id
                   JOIN pglogical.replication_set_table t ON t.set_id = s.set_id) m ON m.set_reloid = c.oid
     WHERE c.relkind IN ('r', 'p')
       AND (m.set_name IS NOT NULL
            OR c.relpersistence = 'p' AND n.nspname !~ '^pg_'
               AND n.nspname NOT IN ('information_schema', 'spock', 'pglogical'));

-- Where Spock keeps its own progress; pglogical leaves it to PostgreSQL, which knows no commit times and nothing of what
-- the provider has not sent yet.
CREATE VIEW progress AS
    SELECT s.sub_target AS node_id, s.sub_origin AS remote_node_id, NULL::timestamptz AS remote_commit_ts,
           o.remote_lsn, NULL::pg_lsn AS remote_insert_lsn, NULL::timestamptz AS last_updated_ts,
           false AS updated_by_decode
      FROM spock.subscription s
      JOIN pg_catalog.pg_replication_origin_status o ON o.external_id = s.sub_slot_name;

CREATE VIEW lag_tracker AS
    SELECT origin.node_name AS origin_name, receiver.node_name AS receiver_name,
           max(p.remote_commit_ts) AS commit_timestamp, max(p.remote_lsn) AS last_received_lsn,
           max(p.remote_insert_lsn) AS remote_insert_lsn,
           pg_wal_lsn_diff(max(p.remote_insert_lsn), max(p.remote_lsn)) AS replication_lag_bytes,
           now() - max(p.remote_commit_ts) AS replication_lag
      FROM spock.progress p
      LEFT JOIN spock.node origin ON origin.node_id = p.remote_node_id
      LEFT JOIN spock.node receiver ON receiver.node_id = p.node_id
     GROUP BY 1, 2;

-- Nothing writes the tables from here on: pglogical logs its conflicts and stops at an error.

CREATE TABLE exception_log (
    remote_origin oid NOT NULL,
    remote_commit_ts timestamptz NOT NULL,
    command_counter integer NOT NULL,
    retry_errored_at timestamptz NOT NULL,
    remote_xid bigint NOT NULL,
    local_origin oid,
    local_commit_ts timestamptz,
    table_schema text,
    table_name text,
    operation text,
    local_tup jsonb,
    remote_old_tup jsonb,
    remote_new_tup jsonb,
    ddl_statement text,
    ddl_user text,
    error_message text NOT NULL,
    PRIMARY KEY (remote_origin, remote_commit_ts, command_counter, retry_errored_at)
);

CREATE TABLE exception_status (
    remote_origin oid NOT NULL,
    remote_commit_ts timestamptz NOT NULL,
    retry_errored_at timestamptz NOT NULL,
    remote_xid bigint NOT NULL,
    status text NOT NULL,
    resolved_at timestamptz,
    resolution_details jsonb,
    PRIMARY KEY (remote_origin, remote_commit_ts, retry_errored_at)
);

CREATE TABLE exception_status_detail (
    remote_origin oid NOT NULL,
    remote_commit_ts timestamptz NOT NULL,
    command_counter integer NOT NULL,
    retry_errored_at timestamptz NOT NULL,
    remote_xid bigint NOT NULL,
    status text NOT NULL,
    resolved_at timestamptz,
    resolution_details jsonb,
    PRIMARY KEY (remote_origin, remote_commit_ts, command_counter, retry_errored_at)
);

CREATE TABLE resolutions (
    id integer GENERATED ALWAYS AS IDENTITY,
    node_name name NOT NULL,
    log_time timestamptz NOT NULL,
    relname text,
    idxname text,
    conflict_type text,
    conflict_resolution text,
    local_origin integer,
    local_tuple text,
    local_xid xid,
    local_timestamp timestamptz,
    remote_origin integer,
    remote_tuple text,
    remote_xid xid,
    remote_timestamp timestamptz,
    remote_lsn pg_lsn,
    PRIMARY KEY (id, node_name)
);

CREATE TABLE pii (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pii_schema text NOT NULL,
    pii_table text NOT NULL,
    pii_column text NOT NULL
);
