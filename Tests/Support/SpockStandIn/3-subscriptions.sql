-- Subscriptions.

-- A second subscription to an origin that shares a replication set with the first is refused by pglogical; Spock warns
-- and makes it. It is made here with sets that nobody has, and gets the wanted ones in the same transaction: its worker
-- starts after that.
CREATE FUNCTION standin_sub_create(subscription_name name, provider_dsn text, replication_sets text[],
    synchronize_structure boolean, synchronize_data boolean, forward_origins text[], apply_delay interval,
    force_text_transfer boolean) RETURNS oid LANGUAGE plpgsql AS $$
DECLARE
    made oid;
BEGIN
    BEGIN
        RETURN pglogical.create_subscription($1, $2, $3, $4, $5, $6, $7, $8);
    EXCEPTION WHEN OTHERS THEN
        IF SQLERRM NOT LIKE 'existing subscription % already subscribes to replication set %' THEN
            RAISE;
        END IF;
        RAISE WARNING '%', SQLERRM;
    END;
    made := pglogical.create_subscription($1, $2, ARRAY['only ' || $1::text], $4, $5, $6, $7, $8);
    UPDATE pglogical.subscription s SET sub_replication_sets = $3 WHERE s.sub_id = made;
    RETURN made;
END $$;

CREATE FUNCTION sub_create(subscription_name name, provider_dsn text,
    replication_sets text[] DEFAULT '{default,default_insert_only,ddl_sql}',
    synchronize_structure boolean DEFAULT false, synchronize_data boolean DEFAULT false,
    forward_origins text[] DEFAULT '{}', apply_delay interval DEFAULT '0',
    force_text_transfer boolean DEFAULT false, enabled boolean DEFAULT true, skip_schema text[] DEFAULT '{}')
RETURNS oid STRICT LANGUAGE plpgsql AS $$
DECLARE
    made oid;
BEGIN
    IF NOT enabled AND (synchronize_structure OR synchronize_data) THEN
        RAISE invalid_parameter_value USING
            MESSAGE = 'a subscription that is not enabled cannot synchronize structure or data';
    END IF;
    made := spock.standin_sub_create($1, $2, $3, $4, $5, $6, $7, $8);
    PERFORM spock.standin_refuse_equal_ids();
    DELETE FROM spock.standin_subscription d WHERE d.sub_id = made;
    INSERT INTO spock.standin_subscription (sub_id, sub_skip_schema, sub_created_at) VALUES (made, $10, now());
    IF NOT enabled THEN
        -- As in Spock: an origin, no slot, and nothing left to synchronize.
        UPDATE pglogical.subscription s SET sub_enabled = false WHERE s.sub_id = made;
        UPDATE pglogical.local_sync_status s SET sync_status = 'r' WHERE s.sync_subid = made;
        PERFORM pg_replication_origin_create(s.sub_slot_name) FROM pglogical.subscription s WHERE s.sub_id = made;
    END IF;
    RETURN made;
END $$;

CREATE FUNCTION sub_drop(subscription_name name, ifexists boolean DEFAULT false)
RETURNS oid STRICT LANGUAGE plpgsql AS $$
DECLARE
    dropped oid;
BEGIN
    DELETE FROM spock.standin_subscription d
     USING pglogical.subscription s WHERE s.sub_id = d.sub_id AND s.sub_name = $1;
    dropped := pglogical.drop_subscription($1, $2);
    RETURN dropped;
END $$;

-- One expression of SQL each: `immediate` is refused in a transaction block, and a function of PL/pgSQL would be one.
CREATE FUNCTION sub_disable(subscription_name name, immediate boolean DEFAULT false)
RETURNS boolean STRICT LANGUAGE sql
AS $$ SELECT pglogical.alter_subscription_disable($1, $2) $$;

CREATE FUNCTION sub_enable(subscription_name name, immediate boolean DEFAULT false)
RETURNS boolean STRICT LANGUAGE sql
AS $$ SELECT pglogical.alter_subscription_enable($1, $2) $$;

CREATE FUNCTION sub_alter_interface(subscription_name name, interface_name name)
RETURNS boolean STRICT LANGUAGE sql
AS $$ SELECT pglogical.alter_subscription_interface($1, $2) $$;

CREATE FUNCTION sub_add_repset(subscription_name name, replication_set name) RETURNS boolean STRICT LANGUAGE sql
AS $$ SELECT pglogical.alter_subscription_add_replication_set($1, $2) $$;

CREATE FUNCTION sub_remove_repset(subscription_name name, replication_set name) RETURNS boolean STRICT LANGUAGE sql
AS $$ SELECT pglogical.alter_subscription_remove_replication_set($1, $2) $$;

-- Spock skips the one transaction that ends there, in the worker. Here the origin moves past it, and with it past
-- everything before: the same for the transaction at which a worker is stuck.
CREATE FUNCTION sub_alter_skiplsn(subscription_name name, lsn pg_lsn) RETURNS boolean STRICT LANGUAGE plpgsql AS $$
DECLARE
    wanted record;
BEGIN
    SELECT s.sub_id, s.sub_slot_name INTO wanted FROM pglogical.subscription s WHERE s.sub_name = $1;
    IF NOT FOUND THEN
        RAISE undefined_object USING MESSAGE = format('subscriber %s not found', $1);
    END IF;
    IF lsn > '0/0' THEN
        PERFORM pg_terminate_backend(w.worker_pid::integer, 5000)
           FROM spock.get_apply_worker_status() w WHERE w.worker_subid = wanted.sub_id::bigint;
        PERFORM pg_replication_origin_advance(wanted.sub_slot_name, lsn);
    END IF;
    RETURN true;
END $$;

CREATE FUNCTION sub_alter_sync(subscription_name name, truncate boolean DEFAULT false)
RETURNS boolean STRICT LANGUAGE sql
AS $$ SELECT pglogical.alter_subscription_synchronize($1, $2) $$;

CREATE FUNCTION sub_resync_table(subscription_name name, relation regclass, truncate boolean DEFAULT true)
RETURNS boolean STRICT LANGUAGE sql
AS $$ SELECT pglogical.alter_subscription_resynchronize_table($1, $2, $3) $$;

CREATE FUNCTION sub_show_status(subscription_name name DEFAULT NULL, OUT subscription_name text, OUT status text,
    OUT provider_node text, OUT provider_dsn text, OUT slot_name text, OUT replication_sets text[],
    OUT forward_origins text[]) RETURNS SETOF record STABLE LANGUAGE sql
AS $$ SELECT * FROM pglogical.show_subscription_status($1) $$;

CREATE FUNCTION sub_show_table(subscription_name name, relation regclass, OUT nspname text, OUT relname text,
    OUT status text) RETURNS record STABLE STRICT LANGUAGE sql
AS $$ SELECT * FROM pglogical.show_subscription_table($1, $2) $$;

CREATE FUNCTION sub_wait_for_sync(subscription_name name) RETURNS void STRICT LANGUAGE sql
AS $$ SELECT pglogical.wait_for_subscription_sync_complete($1) $$;

CREATE FUNCTION table_wait_for_sync(subscription_name name, relation regclass) RETURNS void STRICT LANGUAGE sql
AS $$ SELECT pglogical.wait_for_table_sync_complete($1, $2) $$;

CREATE FUNCTION spock_gen_slot_name(name, name, name) RETURNS name IMMUTABLE STRICT LANGUAGE sql
AS $$ SELECT pglogical.pglogical_gen_slot_name($1, $2, $3) $$;

-- A worker's kind, database and subscription stand in the type of its backend. One that is there runs.
CREATE FUNCTION get_apply_worker_status(OUT worker_pid bigint, OUT worker_dboid integer, OUT worker_subid bigint,
    OUT worker_status text) RETURNS SETOF record STABLE LANGUAGE sql AS $$
    SELECT a.pid::bigint, w.part[1]::bigint::integer, w.part[2]::bigint, 'running'
      FROM pg_catalog.pg_stat_activity a,
           LATERAL (SELECT regexp_match(a.backend_type, '^pglogical apply (\d+):(\d+)$') AS part) w
     WHERE w.part IS NOT NULL
$$;
