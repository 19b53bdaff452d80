import AdminModel
import Testing

@testable import Control

@Suite("What edit-config makes of a configuration")
struct ConfigEditTests {
    private let config: JSONObject = [
        "ttl": 30, "postgresql": ["parameters": ["work_mem": "4MB", "app.zone": "a"], "use_slots": true],
    ]

    @Test(
        "a path sets, removes, and keeps points in the names of parameters",
        arguments: [
            ("ttl=20", #"{"ttl":20,"postgresql":{"parameters":{"work_mem":"4MB","app.zone":"a"},"use_slots":true}}"#),
            (" ttl =null", #"{"postgresql":{"parameters":{"work_mem":"4MB","app.zone":"a"},"use_slots":true}}"#),
            (
                "postgresql.parameters.app.zone=north",
                #"{"ttl":30,"postgresql":{"parameters":{"work_mem":"4MB","app.zone":"north"},"use_slots":true}}"#
            ),
            ("postgresql.parameters={}", #"{"ttl":30,"postgresql":{"parameters":{},"use_slots":true}}"#),
            ("postgresql=null", #"{"ttl":30}"#),
            (
                "standby_cluster.host.name=x",
                #"{"ttl":30,"postgresql":{"parameters":{"work_mem":"4MB","app.zone":"a"},"use_slots":true},"standby_cluster":{"host":{"name":"x"}}}"#
            ),
            (
                "ttl.a=[1, 'b', on]",
                #"{"ttl":{"a":[1,"b",true]},"postgresql":{"parameters":{"work_mem":"4MB","app.zone":"a"},"use_slots":true}}"#
            ),
        ])
    func set(pair: String, result: String) throws {
        #expect(JSONValue.object(try ConfigEdit.set([pair], in: config)).text(.compact) == result)
    }

    @Test func aMapThatBecomesEmptyGoes() throws {
        let emptied = try ConfigEdit.set(
            [
                "postgresql.use_slots=null", "postgresql.parameters.work_mem=null",
                "postgresql.parameters.app.zone=null",
            ],
            in: config)
        #expect(emptied == ["ttl": 30])
    }

    @Test func wrongSettingsAreNamed() {
        #expect(throws: ControlError("Invalid parameter setting ttl")) { try ConfigEdit.set(["ttl"], in: [:]) }
        #expect(throws: ControlError.self) { try ConfigEdit.set(["ttl={"], in: [:]) }
        #expect(throws: ControlError("f.yml must be a map of keys to values")) {
            try ConfigEdit.apply("- a", source: "f.yml", to: [:])
        }
    }

    @Test func aFileIsLaidOverOrReplaces() throws {
        let file = "ttl: 20\nloop_wait: ~\npostgresql: {parameters: {work_mem: null, x: 'on'}}\n"
        #expect(
            JSONValue.object(try ConfigEdit.apply(file, source: "f", to: config)).text(.compact)
                == #"{"ttl":20,"postgresql":{"parameters":{"app.zone":"a","x":"on"},"use_slots":true}}"#)
        #expect(
            JSONValue.object(try ConfigEdit.apply(file, source: "f", to: [:])).text(.compact)
                == #"{"ttl":20,"postgresql":{"parameters":{"work_mem":null,"x":"on"}}}"#)
    }

    @Test func sameMeansTheSameValues() {
        #expect(ConfigEdit.isSame(["a": 1, "b": [1.0]], ["b": [1], "a": 1]))
        #expect(!ConfigEdit.isSame(["a": 1], ["a": "1"]))
        #expect(!ConfigEdit.isSame(["a": 1], ["a": 1, "b": nil]))
        #expect(!ConfigEdit.isSame(["a": [1, 2]], ["a": [2, 1]]))
    }
}
