import HACore
import Testing

@testable import Control

/// What `spock plan` finds in the way.
@Suite struct MeshPreflightTests {
    private static func survey(_ node: String) -> ZoneSurvey {
        var survey = ZoneSurvey(node: node, database: "app")
        survey.encoding = "UTF8"
        survey.collation = "C, C"
        survey.tables["public.t"] = ZoneSurvey.Table(columns: ["id": "integer NOT NULL", "v": "text"], hasKey: true)
        survey.parameters = ["max_worker_processes": 8, "max_wal_senders": 10]
        return survey
    }

    @Test func nothing() {
        let findings = MeshPreflight.findings(Self.survey("n1"), [Self.survey("n2")], needs: ["max_wal_senders": 10])
        #expect(findings.isEmpty)
    }

    @Test func all() {
        var (own, other) = (Self.survey("n1"), Self.survey("n2"))
        own.tables["public.log"] = ZoneSurvey.Table(columns: [:], hasKey: false)
        own.encoding = "LATIN1"
        other.tables["public.t"]?.columns["v"] = "integer"
        other.tables["public.t"]?.columns["w"] = "text"
        own.sequences["public.t_id_seq"] = .init(next: 5, increment: 1, range: 1...100)
        other.sequences["public.t_id_seq"] = .init(next: 9, increment: 1, range: 1...100)
        let findings = MeshPreflight.findings(own, [other], needs: ["max_worker_processes": 11])
        #expect(
            findings.map { "\($0.database)|\($0.peer)|\($0.text)" } == [
                "app||public.log has no primary key: updates and deletes of it are not replicated",
                "||max_worker_processes is 8, and the mesh needs 11",
                "app|n2|its encoding is UTF8, here it is LATIN1: nothing is replicated",
                "app|n2|public.log is here and not there",
                "app|n2|public.t.v is text here and integer there", "app|n2|public.t.w is not here and text there",
                "app|n2|sequence public.t_id_seq comes to the same numbers on both sides (increments 1 and 1): give each node its own start, or use snowflake",
            ])
    }

    @Test func sequences() {
        func sequence(_ next: Int64, by increment: Int64, _ range: ClosedRange<Int64> = 1...Int64.max)
            -> ZoneSurvey.Sequence
        {
            .init(next: next, increment: increment, range: range)
        }
        #expect(sequence(1, by: 1).meets(sequence(500, by: 1)))
        #expect(!sequence(1, by: 3).meets(sequence(2, by: 3)), "each has numbers of its own")
        #expect(sequence(1, by: 3).meets(sequence(4, by: 3)))
        #expect(sequence(1, by: 2).meets(sequence(2, by: 3)), "different steps meet")
        #expect(!sequence(1, by: 2).meets(sequence(2, by: 4)))
        #expect(!sequence(1, by: 1, 1...100).meets(sequence(101, by: 1, 101...200)))
        #expect(!sequence(-1, by: -2, -100 ... -1).meets(sequence(-2, by: -2, -100 ... -1)))
    }

    @Test func nodes() {
        #expect(MeshPreflight.collisions(["n1", "n2", "n3"]).isEmpty)
        #expect(
            MeshPreflight.collisions(["n1", "n1"]).map(\.text) == ["two clusters of the mesh have this node's name"])
        let names = (0..<2000).map { "node\($0)" }
        #expect(!MeshPreflight.collisions(names).isEmpty, "16 bits for so many names")
    }
}
