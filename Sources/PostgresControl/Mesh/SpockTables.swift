/// Which tables a replication set takes, in SQL: for reading memberships and for making them alike.
enum SpockTables {
    /// A row of pg_class has the index by which Spock tells updates and deletes (its relcache's `rd_replidindex`): FULL is
    /// none, nor is a key that may be deferred.
    static func hasKey(_ table: String) -> String {
        """
        EXISTS (SELECT FROM pg_index i WHERE i.indrelid = \(table).oid AND i.indisvalid AND i.indisunique
          AND i.indimmediate AND i.indpred IS NULL
          AND CASE \(table).relreplident WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident ELSE false END)
        """
    }

    /// The partitions of every level below the table `c` that could be members of the set `s` and are not.
    static let missingPartitions = """
        SELECT q.oid FROM pg_partition_tree(c.oid) p JOIN pg_class q ON q.oid = p.relid
        WHERE q.oid <> c.oid AND q.relkind IN ('r', 'p') AND q.relpersistence = 'p'
          AND (\(hasKey("q")) OR NOT (s.replicate_update OR s.replicate_delete))
          AND NOT EXISTS (
            SELECT FROM spock.replication_set_table x WHERE x.set_id = s.set_id AND x.set_reloid = q.oid)
        """
}

/// Replication slots, in SQL.
enum SpockSlots {
    /// A row `s` of pg_replication_slots is of no use any more; newer versions say so in columns that older ones lack.
    static let isLost = """
        (s.wal_status IS NOT DISTINCT FROM 'lost' OR coalesce((to_jsonb(s) ->> 'conflicting')::boolean, false)
          OR to_jsonb(s) ->> 'invalidation_reason' IS NOT NULL)
        """
}
