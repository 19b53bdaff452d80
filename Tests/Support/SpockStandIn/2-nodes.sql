-- Nodes, their interfaces and the replication sets of the local one.

-- Two names of a mesh may have the same 16 bits: Spock's catalog refuses the second, pglogical's does not.
CREATE FUNCTION standin_refuse_equal_ids() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    taken oid;
BEGIN
    SELECT n.node_id INTO taken FROM spock.node n GROUP BY n.node_id HAVING count(*) > 1;
    IF FOUND THEN
        RAISE unique_violation USING
            MESSAGE = 'duplicate key value violates unique constraint "node_pkey"',
            DETAIL = format('Key (node_id)=(%s) already exists.', taken);
    END IF;
END $$;

CREATE FUNCTION node_create(node_name name, dsn text, location text DEFAULT NULL, country text DEFAULT NULL,
    info jsonb DEFAULT NULL) RETURNS oid LANGUAGE plpgsql AS $$
DECLARE
    made oid;
BEGIN
    IF node_name IS NULL OR dsn IS NULL THEN
        RETURN NULL;
    END IF;
    made := pglogical.create_node(node_name, dsn);
    PERFORM spock.standin_refuse_equal_ids();
    DELETE FROM spock.standin_node d WHERE d.node_name = $1;
    INSERT INTO spock.standin_node VALUES ($1, $3, $4, $5);
    RETURN spock.standin_node_id(made);
END $$;

CREATE FUNCTION node_drop(node_name name, ifexists boolean DEFAULT false) RETURNS boolean STRICT LANGUAGE plpgsql AS $$
DECLARE
    dropped boolean := pglogical.drop_node(node_name, ifexists);
BEGIN
    DELETE FROM spock.standin_node d WHERE d.node_name = $1;
    RETURN dropped;
END $$;

CREATE FUNCTION node_add_interface(node_name name, interface_name name, dsn text) RETURNS oid STRICT LANGUAGE sql
AS $$ SELECT pglogical.alter_node_add_interface($1, $2, $3) $$;

CREATE FUNCTION node_drop_interface(node_name name, interface_name name) RETURNS boolean STRICT LANGUAGE sql
AS $$ SELECT pglogical.alter_node_drop_interface($1, $2) $$;

-- The names of the sets come from the catalog: pglogical's own answer has stray bytes there on PostgreSQL 15.
CREATE FUNCTION node_info(OUT node_id oid, OUT node_name text, OUT sysid text, OUT dbname text,
    OUT replication_sets text, OUT location text, OUT country text, OUT info jsonb)
RETURNS record STABLE STRICT LANGUAGE sql AS $$
    SELECT spock.standin_node_id(i.node_id), i.node_name, i.sysid, i.dbname,
           (SELECT string_agg(quote_ident(s.set_name), ',' ORDER BY s.set_name)
              FROM pglogical.replication_set s WHERE s.set_nodeid = i.node_id),
           d.location, d.country, d.info
      FROM pglogical.pglogical_node_info() i LEFT JOIN spock.standin_node d ON d.node_name = i.node_name::name
$$;

CREATE FUNCTION repset_create(set_name name, replicate_insert boolean DEFAULT true,
    replicate_update boolean DEFAULT true, replicate_delete boolean DEFAULT true,
    replicate_truncate boolean DEFAULT true) RETURNS oid STRICT LANGUAGE sql
AS $$ SELECT pglogical.create_replication_set($1, $2, $3, $4, $5) $$;

CREATE FUNCTION repset_alter(set_name name, replicate_insert boolean DEFAULT NULL,
    replicate_update boolean DEFAULT NULL, replicate_delete boolean DEFAULT NULL,
    replicate_truncate boolean DEFAULT NULL) RETURNS oid LANGUAGE sql
AS $$ SELECT pglogical.alter_replication_set($1, $2, $3, $4, $5) $$;

CREATE FUNCTION repset_drop(set_name name, ifexists boolean DEFAULT false) RETURNS boolean STRICT LANGUAGE sql
AS $$ SELECT pglogical.drop_replication_set($1, $2) $$;

-- The partitions below a table, of every level. pglogical takes a partitioned table but replicates only rows of tables
-- that are in the set themselves.
CREATE FUNCTION standin_partitions(parent regclass) RETURNS SETOF regclass STABLE STRICT LANGUAGE sql
AS $$ SELECT t.relid FROM pg_partition_tree($1) t WHERE t.level > 0 $$;

CREATE FUNCTION repset_add_table(set_name name, relation regclass, synchronize_data boolean DEFAULT false,
    columns text[] DEFAULT NULL, row_filter text DEFAULT NULL, include_partitions boolean DEFAULT true)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    added boolean := pglogical.replication_set_add_table($1, $2, $3, $4, $5);
BEGIN
    IF include_partitions THEN
        PERFORM pglogical.replication_set_add_table($1, p, $3, $4, $5) FROM spock.standin_partitions($2) p;
    END IF;
    RETURN added;
END $$;

CREATE FUNCTION repset_add_all_tables(set_name name, schema_names text[], synchronize_data boolean DEFAULT false)
RETURNS boolean STRICT LANGUAGE sql
AS $$ SELECT pglogical.replication_set_add_all_tables($1, $2, $3) $$;

CREATE FUNCTION repset_remove_table(set_name name, relation regclass, include_partitions boolean DEFAULT true)
RETURNS boolean STRICT LANGUAGE plpgsql AS $$
DECLARE
    removed boolean := pglogical.replication_set_remove_table($1, $2);
BEGIN
    IF include_partitions THEN
        PERFORM pglogical.replication_set_remove_table($1, p)
           FROM spock.standin_partitions($2) p
           JOIN pglogical.replication_set s ON s.set_name = $1
           JOIN pglogical.local_node l ON l.node_id = s.set_nodeid
           JOIN pglogical.replication_set_table t ON t.set_id = s.set_id AND t.set_reloid = p;
    END IF;
    RETURN removed;
END $$;

CREATE FUNCTION repset_add_seq(set_name name, relation regclass, synchronize_data boolean DEFAULT false)
RETURNS boolean STRICT LANGUAGE sql
AS $$ SELECT pglogical.replication_set_add_sequence($1, $2, $3) $$;

CREATE FUNCTION repset_add_all_seqs(set_name name, schema_names text[], synchronize_data boolean DEFAULT false)
RETURNS boolean STRICT LANGUAGE sql
AS $$ SELECT pglogical.replication_set_add_all_sequences($1, $2, $3) $$;

CREATE FUNCTION repset_remove_seq(set_name name, relation regclass) RETURNS boolean STRICT LANGUAGE sql
AS $$ SELECT pglogical.replication_set_remove_sequence($1, $2) $$;

-- The answer is the number of memberships made or ended: one for each partition and each set of its parent.
CREATE FUNCTION repset_add_partition(parent regclass, partition regclass DEFAULT NULL, row_filter text DEFAULT NULL)
RETURNS integer LANGUAGE sql AS $$
    SELECT count(pglogical.replication_set_add_table(t.set_name, p, false, NULL, $3))::integer
      FROM spock.tables t, spock.standin_partitions($1) p
     WHERE t.relid = $1 AND t.set_name IS NOT NULL AND ($2 IS NULL OR p = $2)
       AND NOT EXISTS (SELECT FROM spock.tables m WHERE m.relid = p AND m.set_name = t.set_name)
$$;

CREATE FUNCTION repset_remove_partition(parent regclass, partition regclass DEFAULT NULL)
RETURNS integer LANGUAGE sql AS $$
    SELECT count(pglogical.replication_set_remove_table(t.set_name, p))::integer
      FROM spock.standin_partitions($1) p JOIN spock.tables t ON t.relid = p AND t.set_name IS NOT NULL
     WHERE $2 IS NULL OR p = $2
$$;

CREATE FUNCTION repset_show_table(relation regclass, repsets text[], OUT relid oid, OUT nspname text,
    OUT relname text, OUT att_list text[], OUT has_row_filter boolean, OUT relkind "char", OUT relispartition boolean)
RETURNS record STABLE STRICT LANGUAGE sql AS $$
    SELECT i.relid, i.nspname, i.relname, i.att_list, i.has_row_filter, c.relkind, c.relispartition
      FROM pglogical.show_repset_table_info($1, $2) i JOIN pg_catalog.pg_class c ON c.oid = i.relid
$$;

CREATE FUNCTION sync_seq(relation regclass) RETURNS boolean STRICT LANGUAGE sql
AS $$ SELECT pglogical.synchronize_sequence($1) $$;
