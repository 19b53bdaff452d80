import HACore
import LibPQ

/// How one statement is carried out: it is asked for first, done only if it is not so yet, and asked for again when it
/// fails, because somebody else may have done it meanwhile.
struct SpockStep {
    struct Call {
        var sql: String
        var parameters: [String?]

        init(_ sql: String, _ parameters: [String?]) {
            self.sql = sql
            self.parameters = parameters
        }
    }

    enum Form {
        /// A statement by itself.
        case alone
        /// A transaction whose work Spock does not send to peers (contract/spock.md 1.4).
        case unreplicated
        /// The same; part of what it does stays when the transaction fails.
        case unreplicatedInPart
        /// The extension does not exist yet.
        case transaction
    }

    /// What it does, for errors: `create replication set audit`.
    var purpose: String
    /// Says in one boolean whether it is so already.
    var isDone: Call
    var act: Call
    var form: Form
    /// A session in which it failed must not go on: pglogical and older Spock keep a pointer into the transaction that
    /// changed a subscription, and with the session's next such change the server crashes (ran).
    var changesSubscription = false
}

extension SpockStep {
    static let createExtension = SpockStep(
        purpose: "create extension spock",
        isDone: Call("SELECT count(*) > 0 FROM pg_extension WHERE extname = 'spock'", []),
        act: Call("CREATE EXTENSION IF NOT EXISTS spock CASCADE", []), form: .transaction)

    // MARK: Nodes and sets

    static func createNode(_ name: String, _ dsn: String, _ about: [String?]) -> SpockStep {
        SpockStep(
            purpose: "create node \(name)",
            isDone: Call(
                """
                SELECT count(*) > 0 FROM spock.local_node l JOIN spock.node n ON n.node_id = l.node_id
                WHERE n.node_name = $1
                """, [name]),
            act: Call("SELECT spock.node_create($1, $2, $3, $4, $5::jsonb)", [name, dsn] + about),
            form: .unreplicated)
    }

    /// Of a peer: with its interfaces. Of this node: with the slots that Spock made, as far as nobody uses them.
    static func dropNode(_ name: String) -> SpockStep {
        SpockStep(
            purpose: "drop node \(name)",
            isDone: Call("SELECT count(*) = 0 FROM spock.node WHERE node_name = $1", [name]),
            act: Call("SELECT spock.node_drop($1, true)", [name]), form: .unreplicatedInPart)
    }

    private static let ownSet = "spock.local_node l JOIN spock.replication_set s ON s.set_nodeid = l.node_id"

    private static func flags(_ set: MeshDatabase.ReplicationSet) -> [String] {
        [set.insert, set.update, set.delete, set.truncate].map(String.init)
    }

    /// One that exists with other flags is left so: to change it is another statement.
    static func createSet(_ name: String, _ set: MeshDatabase.ReplicationSet) -> SpockStep {
        SpockStep(
            purpose: "create replication set \(name)",
            isDone: Call("SELECT count(*) > 0 FROM \(ownSet) WHERE s.set_name = $1", [name]),
            act: Call("SELECT spock.repset_create($1, $2, $3, $4, $5)", [name] + flags(set)), form: .unreplicated)
    }

    static func alterSet(_ name: String, _ set: MeshDatabase.ReplicationSet) -> SpockStep {
        SpockStep(
            purpose: "alter replication set \(name)",
            isDone: Call(
                """
                SELECT count(*) > 0 FROM \(ownSet) WHERE s.set_name = $1 AND s.replicate_insert = $2
                  AND s.replicate_update = $3 AND s.replicate_delete = $4 AND s.replicate_truncate = $5
                """, [name] + flags(set)),
            act: Call("SELECT spock.repset_alter($1, $2, $3, $4, $5)", [name] + flags(set)), form: .unreplicated)
    }

    /// With the partitions that are not in it yet: taken together by Spock, one that is makes all of them fail.
    static func addTable(_ set: String, _ table: MeshDatabase.Table) -> SpockStep {
        let relation = "(SELECT c.* FROM pg_class c WHERE c.oid = format('%I.%I', $2::text, $3::text)::regclass) c"
        let pair = "\(relation) CROSS JOIN (SELECT s.* FROM \(ownSet) WHERE s.set_name = $1) s"
        let member = """
            SELECT FROM \(ownSet) JOIN spock.replication_set_table m ON m.set_id = s.set_id
            WHERE s.set_name = $1 AND m.set_reloid = c.oid
            """
        return SpockStep(
            purpose: "add table \(table.qualified) to replication set \(set)",
            isDone: Call(
                """
                SELECT count(*) > 0 FROM \(pair)
                WHERE EXISTS (\(member)) AND NOT EXISTS (\(SpockTables.missingPartitions))
                """, [set, table.schema, table.name]),
            act: Call(
                """
                SELECT spock.repset_add_table($1, t.relation, false, NULL, NULL, false) FROM (
                  SELECT c.oid::regclass AS relation FROM \(relation) WHERE NOT EXISTS (\(member))
                  UNION ALL
                  SELECT q.oid::regclass FROM \(pair) CROSS JOIN LATERAL (\(SpockTables.missingPartitions)) q
                ) t
                """, [set, table.schema, table.name]),
            form: .unreplicated)
    }

    // MARK: Subscriptions

    /// Every argument is given: what Spock takes for one that is left out differs from version to version.
    static func subscribe(
        _ name: String, _ dsn: String, sets: [String], structure: Bool, data: Bool, forwardOrigins: [String],
        _ version: SpockVersion
    ) -> SpockStep {
        var arguments = "$1, $2, $3::text[], $4, $5, $6::text[], '0'::interval, false"
        if version.subscribesDisabled { arguments += ", true" }
        if version.skipsSchemas { arguments += ", '{}'::text[]" }
        return SpockStep(
            purpose: "create subscription \(name)",
            isDone: Call(
                """
                SELECT count(*) > 0 FROM spock.subscription s JOIN spock.node_interface i ON i.if_id = s.sub_origin_if
                WHERE s.sub_name = $1 AND i.if_dsn = $2
                """, [name, dsn]),
            act: Call(
                "SELECT spock.sub_create(\(arguments))",
                [
                    name, dsn, SQLText.array(sets), String(structure), String(data), SQLText.array(forwardOrigins),
                ]),
            form: .unreplicated, changesSubscription: true)
    }

    static func enable(_ name: String) -> SpockStep {
        SpockStep(
            purpose: "enable subscription \(name)",
            isDone: Call(
                "SELECT count(*) > 0 FROM spock.subscription WHERE sub_name = $1 AND sub_enabled", [name]),
            act: Call("SELECT spock.sub_enable($1, true)", [name]), form: .alone, changesSubscription: true)
    }

    /// Spock drops the slot on the provider as well, if it can.
    static func dropSubscription(_ name: String) -> SpockStep {
        SpockStep(
            purpose: "drop subscription \(name)",
            isDone: Call("SELECT count(*) = 0 FROM spock.subscription WHERE sub_name = $1", [name]),
            act: Call("SELECT spock.sub_drop($1, true)", [name]), form: .unreplicatedInPart, changesSubscription: true)
    }

    // MARK: Positions

    /// In a transaction that writes: by itself, what it logs would not be flushed when it is reported.
    static func setOrigin(_ name: String, _ position: LSN) -> SpockStep {
        SpockStep(
            purpose: "set origin \(name) to \(position)",
            isDone: Call(
                """
                SELECT count(*) > 0 FROM pg_replication_origin_status
                WHERE external_id = $1 AND remote_lsn = $2::pg_lsn
                """, [name, position.description]),
            act: Call("SELECT pg_replication_origin_advance($1, $2::pg_lsn)", [name, position.description]),
            form: .unreplicatedInPart)
    }

    static func advanceSlot(_ name: String, _ position: LSN) -> SpockStep {
        SpockStep(
            purpose: "advance slot \(name) to \(position)",
            isDone: Call(
                "SELECT count(*) > 0 FROM pg_replication_slots WHERE slot_name = $1 AND confirmed_flush_lsn >= $2::pg_lsn",
                [name, position.description]),
            act: Call("SELECT pg_replication_slot_advance($1, $2::pg_lsn)", [name, position.description]), form: .alone)
    }
}
