import AdminModel
import HACore
import Testing

@testable import Control

@Suite("Which members a command means")
struct MemberFilterTests {
    private func tree(_ leaderRole: MemberRole = .primary) -> ClusterTree {
        var tree = ClusterTree(scope: "gold")
        tree.members = ["a", "b", "c"].map { name in
            var record = MemberRecord()
            record.role = name == "b" ? leaderRole : .replica
            record.apiURL = name == "c" ? nil : "http://\(name):8008/patroni"
            if name == "c" { record.tags = Tags(["nofailover": true]) }
            return ClusterTree.Member(name: MemberID(name), record: record)
        }
        tree.leader = "b"
        return tree
    }

    private func names(_ members: [ClusterTree.Member]) -> [String] { members.map(\.name.rawValue) }

    @Test func byRole() {
        #expect(names(tree().members(.any)) == ["a", "b", "c"])
        #expect(names(tree().members(.replica)) == ["a", "c"] && names(tree().members(.standby)) == ["a", "c"])
        #expect(names(tree().members(.leader)) == ["b"] && names(tree().members(.primary)) == ["b"])
        #expect(names(tree().members(.standbyLeader)) == [])
        #expect(names(tree(.standbyLeader).members(.standbyLeader)) == ["b"])
        #expect(names(tree(.standbyLeader).members(.primary)) == [])
    }

    @Test func aLeaderWithoutAZNodeOfItsOwn() {
        var tree = tree()
        tree.leader = "gone"
        #expect(names(tree.members(.leader)) == ["gone"])
        #expect(names(tree.members(.replica)) == ["a", "b", "c"])
        tree.leader = nil
        #expect(tree.members(.leader).isEmpty && tree.members(.primary).isEmpty)
    }

    @Test func oneMember() throws {
        #expect(try tree().member(named: nil, nil)?.name == "b")
        #expect(try tree().member(named: nil, .replica)?.name == "a")
        #expect(try tree().member(named: "c", nil)?.name == "c")
        #expect(try tree().member(named: "x", nil) == nil)
        #expect(throws: ControlError("--role and --member are mutually exclusive options")) {
            try tree().member(named: "a", .any)
        }
    }

    @Test func selection() throws {
        #expect(names(try tree().selection([], .replica, shownRole: "replica")) == ["a", "c"])
        #expect(names(try tree().selection(["c", "b"], .any, shownRole: "'any'")) == ["b", "c"])
        #expect(throws: ControlError("No replica among provided members")) {
            try tree().selection(["b"], .replica, shownRole: "replica")
        }
    }

    @Test func whoMayLeadAndWhoIsAsked() {
        #expect(tree().candidates == ["a"])
        #expect(names(tree().reachableLeaderFirst) == ["b", "a"])
    }
}
