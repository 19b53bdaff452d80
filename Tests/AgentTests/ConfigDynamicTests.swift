import AdminModel
import LocalConfiguration
import Testing

@testable import Agent

@Suite("The cluster's configuration")
struct ConfigDynamicTests {
    static func local(_ pieces: KeyValuePairs<String, String> = [:]) throws -> LocalPostgresConfig {
        try ConfigFixture.load(try ConfigFixture.changed(pieces)).config.postgresql
    }

    static func config(_ document: String, last: String? = nil) throws -> DynamicConfig {
        DynamicConfig(
            document: try ConfigFixture.object(document), last: try last.map(ConfigFixture.object), local: try local())
    }

    @Test("an empty document means the defaults")
    func defaults() throws {
        let config = try Self.config("{}")
        #expect(config.values == DynamicValues())
        #expect(config.values.ttl == 30 && config.values.loopWait == 10 && config.values.retryTimeout == 10)
        #expect(config.values.maximumLagOnFailover == 1_048_576)
        #expect(config.values.memberSlotsTTL == 1800)
        #expect(config.values.primaryStartTimeout == 300)
        #expect(config.rejected.isEmpty && config.notices.isEmpty)
    }

    @Test("a whole document is read, with units, text for numbers and old names")
    func whole() throws {
        let config = try Self.config(
            """
            {"ttl":"40","loop_wait":5,"retry_timeout":"10s","maximum_lag_on_failover":"16MB","maximum_lag_on_syncnode":-1,
             "check_timeline":"on","max_timelines_history":5,"master_start_timeout":"1min","primary_stop_timeout":30,
             "synchronous_mode":"true","synchronous_mode_strict":true,"synchronous_node_count":2,"pause":true,
             "member_slots_ttl":"30min","slots":{"a":null,"b":{"type":"physical","cluster_type":"standby"}},
             "ignore_slots":[{"name":"x","type":"logical"}],"postgresql":{"use_slots":false,"use_pg_rewind":true},"mine":{"x":1}}
            """)
        let values = config.values
        #expect(values.ttl == 40 && values.loopWait == 5 && values.retryTimeout == 10)
        #expect(values.maximumLagOnFailover == 16 << 20)
        #expect(values.checkTimeline && values.maxTimelinesHistory == 5)
        #expect(values.primaryStartTimeout == 60 && values.primaryStopTimeout == 30)
        #expect(values.synchronousMode && values.synchronousModeStrict && values.synchronousNodeCount == 2)
        #expect(values.pause && values.memberSlotsTTL == 1800 && !values.useSlots)
        #expect(values.permanentSlots == [.init(name: "a"), .init(name: "b", clusterType: .standby)])
        #expect(values.ignoreSlots == [["name": "x", "type": "logical"]])
        #expect(config.postgresql.settings.usePgRewind)
        #expect(config.rejected.isEmpty)
        #expect(config.notices.map(\.path.description) == ["mine"])
        #expect(config.accepted["mine"]?["x"] == 1)
    }

    @Test("the new name of a timeout wins over the old one")
    func oldNames() throws {
        let values = try Self.config(#"{"master_start_timeout":1,"primary_start_timeout":2,"master_stop_timeout":3}"#)
            .values
        #expect(values.primaryStartTimeout == 2 && values.primaryStopTimeout == 3)
    }

    @Test(
        "times are moved into their bounds as other members do, except below a ttl of 20",
        arguments: [
            (30, 10, 10, 30, 10, 10), (30, 20, 10, 30, 10, 10), (30, 10, 14, 30, 2, 14), (30, 10, 15, 30, 1, 14),
            (20, 10, 10, 20, 1, 9),
            (30, 0, 1, 30, 1, 3), (30, -5, 10, 30, 1, 10), (6, 10, 10, 6, 10, 10), (19, 10, 10, 19, 10, 10),
            (2, 1, 3, 2, 1, 3),
        ])
    func bounds(ttl: Int, loopWait: Int, retry: Int, newTTL: Int, newLoopWait: Int, newRetry: Int) throws {
        let config = try Self.config(#"{"ttl":\#(ttl),"loop_wait":\#(loopWait),"retry_timeout":\#(retry)}"#)
        #expect(
            [config.values.ttl, config.values.loopWait, config.values.retryTimeout] == [newTTL, newLoopWait, newRetry])
        #expect(config.rejected.isEmpty)
        let isMoved = [ttl, loopWait, retry] != [newTTL, newLoopWait, newRetry]
        #expect(config.notices.contains { $0.code == .adjusted } == isMoved)
        #expect(config.accepted["loop_wait"] == .int(Int64(loopWait)), "the document stays as it is")
    }

    /// A poisoned key with what it held before: both the default and the last value must be able to replace it.
    static let poisonedKeys: [(String, String, String)] = [
        ("ttl", "0", "25"), ("ttl", "\"soon\"", "25"), ("ttl", "[]", "25"), ("ttl", "1e300", "25"),
        ("ttl", "99999999999999999999", "25"),
        ("ttl", "-30", "25"), ("ttl", "true", "25"), ("ttl", "{}", "25"), ("loop_wait", "\"x\"", "5"),
        ("retry_timeout", "{}", "5"),
        ("maximum_lag_on_failover", "-1", "5"), ("maximum_lag_on_failover", "\"1XB\"", "5"),
        ("maximum_lag_on_syncnode", "\"big\"", "5"),
        ("check_timeline", "\"perhaps\"", "true"), ("max_timelines_history", "-1", "3"),
        ("primary_start_timeout", "-1", "60"),
        ("primary_stop_timeout", "[1]", "60"), ("synchronous_mode", "\"quorum\"", "true"),
        ("synchronous_mode", "2", "true"),
        ("synchronous_mode_strict", "\"very\"", "true"), ("synchronous_node_count", "0", "2"),
        ("pause", "\"later\"", "true"),
        ("member_slots_ttl", "\"30m\"", "60"), ("ignore_slots", "{}", "[{\"name\":\"a\"}]"),
        ("ignore_slots", "[1]", "[{\"name\":\"a\"}]"),
        ("failsafe_mode", "true", "false"), ("standby_cluster", "{\"host\":\"h\"}", "{}"),
        ("slots", "[]", "{\"a\":null}"), ("postgresql", "5", "{\"use_slots\":false}"),
    ]

    @Test("a wrong key keeps its last value, or the default, and takes no other key with it", arguments: poisonedKeys)
    func poison(key: String, wrong: String, last: String) throws {
        let neighbours = #""max_timelines_history2":1,"loop_wait2":2"#
        func document(_ value: String) -> String { "{\"before\":1,\"\(key)\":\(value),\(neighbours)}" }
        let good = try Self.config(document(last))
        #expect(good.rejected.isEmpty, "\(good.rejected)")
        let kept = try Self.config(document(wrong), last: document(last))
        #expect(kept.values == good.values)
        #expect(kept.accepted.deepEquals(good.accepted))
        #expect(kept.rejected.map(\.key) == [[key]])
        #expect(kept.rejectedJSON.keys == [key])
        let fresh = try Self.config(document(wrong))
        #expect(fresh.values == DynamicValues())
        #expect(fresh.rejected.count == 1)
        #expect(!fresh.accepted.contains(key))
    }

    @Test("below postgresql each key and each parameter stands by itself")
    func poisonedPostgres() throws {
        let config = try Self.config(
            #"{"postgresql":{"use_pg_rewind":"huh","pg_ctl_timeout":30,"parameters":{"work_mem":[1],"max_connections":50,"x y":1}}}"#,
            last:
                #"{"postgresql":{"use_pg_rewind":true,"pg_ctl_timeout":10,"parameters":{"work_mem":"8MB","max_connections":40}}}"#
        )
        #expect(
            Set(config.rejected.map(\.key.description)) == [
                "postgresql.use_pg_rewind", "postgresql.parameters.work_mem", "postgresql.parameters.x y",
            ])
        #expect(config.postgresql.settings.usePgRewind)
        #expect(config.postgresql.settings.pgCtlTimeout == 30)
        #expect(
            config.postgresql.dynamicParameters.map { "\($0.name)=\($0.value)" } == [
                "work_mem=8MB", "max_connections=50",
            ])
    }

    @Test("a last document that is wrong itself gives way to the default")
    func poisonedLast() throws {
        let config = try Self.config(#"{"ttl":"x","loop_wait":7}"#, last: #"{"ttl":"y"}"#)
        #expect(config.values.ttl == 30 && config.values.loopWait == 7)
        #expect(config.rejected.map(\.key) == [["ttl"]])
    }

    @Test("a logical slot is refused alone; what must not start is marked")
    func unsupported() throws {
        let config = try Self.config(
            #"{"slots":{"l":{"type":"logical","database":"d","plugin":"p"},"p":0},"synchronous_mode":"quorum","failsafe_mode":true,"standby_cluster":{"port":1}}"#
        )
        #expect(config.values.permanentSlots == [.init(name: "p")])
        #expect(
            Set(config.rejected.filter(\.refusesStart).map(\.key.description)) == [
                "synchronous_mode", "standby_cluster",
            ])
        #expect(
            Set(config.rejected.filter { !$0.refusesStart }.map(\.key.description)) == ["slots.l", "failsafe_mode"])
        let named = DynamicConfig.unsupported(in: try ConfigFixture.object(#"{"failsafe_mode":true,"ttl":"x"}"#))
        #expect(named.map(\.path.description) == ["failsafe_mode"])
        #expect(DynamicConfig.unsupported(in: ["pause": "on", "ttl": "x"]).isEmpty)
    }

    @Test("the local file wins over the document; parameters are merged, and kept apart")
    func layers() throws {
        let document = #"""
            {"postgresql":{"listen":"evil:1","data_dir":"/x","authentication":{"superuser":{"username":"x"}},"pg_hba":["host all all all trust"],
             "pg_ident":["m a b"],"use_pg_rewind":true,"pg_ctl_timeout":90,"parameters":{"Shared_Buffers":"4GB","work_mem":"8MB","jit":false,"wal_level":"logical"}}}
            """#
        let local = try Self.local([
            "logging_collector: off": "logging_collector: off\n    jit: ~", "pgpass:": "pg_ctl_timeout: 20\n  pgpass:",
        ])
        let config = DynamicConfig(document: try ConfigFixture.object(document), local: local)
        let postgresql = config.postgresql
        #expect(postgresql.settings.pgHBA == ["local all all trust"])
        #expect(postgresql.settings.pgIdent == ["m a b"])
        #expect(postgresql.settings.usePgRewind)
        #expect(postgresql.settings.pgCtlTimeout == 20)
        #expect(
            postgresql.settings.parameters.map { "\($0.name)=\($0.value)" } == [
                "shared_buffers=1GB", "work_mem=8MB", "wal_level=logical", "archive_command=cp %p /archive/%f",
                "checkpoint_completion_target=0.9", "logging_collector=False",
            ])
        #expect(postgresql.dynamicParameters.map(\.value) == ["4GB", "8MB", "False", "logical"])
        #expect(postgresql.localParameters.count == 4)
        #expect(
            Set(config.notices.map(\.path.description)) == [
                "postgresql.listen", "postgresql.data_dir", "postgresql.authentication",
            ])
    }

    @Test("no document makes the reading crash or change a value out of its bounds", arguments: 1...4)
    func randomDocuments(seed: Int) throws {
        var random = SplitMix(state: UInt64(seed))
        let local = try Self.local()
        let keys = [
            "ttl", "loop_wait", "retry_timeout", "pause", "synchronous_mode", "slots", "postgresql", "ignore_slots",
            "standby_cluster",
            "member_slots_ttl", "synchronous_node_count", "failsafe_mode", "spock",
        ]
        let inner = [
            "parameters", "use_slots", "pg_hba", "basebackup", "create_replica_methods", "name", "host", "type", "a",
            "mesh", "databases", "node", "dsn", "options", "mode", "replication_sets",
        ]
        func value(_ depth: Int) -> JSONValue {
            switch Int.random(in: 0..<(depth > 2 ? 6 : 8), using: &random) {
            case 0: return .null
            case 1: return .bool(Bool.random(using: &random))
            case 2: return .int(Int64.random(in: Int64.min...Int64.max, using: &random))
            case 3: return .int(Int64.random(in: -3...60, using: &random))
            case 4: return .double(Double.random(in: -1e18...1e18, using: &random))
            case 5:
                return .string(
                    ["", "on", "quorum", "10s", "9999999999d", "x:1", "\0", "physical"].randomElement(using: &random)
                        ?? "")
            case 6: return .array((0..<2).map { _ in value(depth + 1) })
            default:
                return .object(
                    JSONObject((0..<3).map { _ in (inner.randomElement(using: &random) ?? "a", value(depth + 1)) }))
            }
        }
        var last: JSONObject?
        for _ in 0..<300 {
            let document = JSONObject((0..<6).map { _ in (keys.randomElement(using: &random) ?? "ttl", value(0)) })
            let config = DynamicConfig(document: document, last: last, local: local)
            #expect(config.values.ttl >= 2 && config.values.loopWait >= 1 && config.values.retryTimeout >= 3)
            #expect(
                config.values.ttl < 20 || config.values.loopWait + 2 * config.values.retryTimeout <= config.values.ttl)
            #expect(config.values.synchronousNodeCount >= 1 && config.values.memberSlotsTTL >= 0)
            let again = DynamicConfig(document: config.accepted, last: last, local: local)
            #expect(again.rejected.isEmpty, "\(again.rejected)")
            #expect(again.values == config.values)
            last = config.accepted
        }
    }
}

private struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
