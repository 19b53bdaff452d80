import AdminModel
import HACore
import Testing

@testable import Agent

@Suite("Members that left the tree")
struct VanishedMembersTests {
    private func at(_ seconds: Int64) -> Instant { Instant(nanoseconds: seconds * 1_000_000_000) }

    private func record(_ url: String) -> MemberRecord {
        var record = MemberRecord()
        record.apiURL = url
        return record
    }

    @Test("with their last record, for a time, until they come back")
    func leaveAndReturn() {
        var members = VanishedMembers()
        members.saw([("a", record("a1")), ("b", record("b1"))], at: at(1))
        members.saw([("a", record("a1")), ("b", record("b2"))], at: at(2))
        #expect(members.since(at(0)).isEmpty)
        members.saw([("a", record("a1"))], at: at(3))
        members.saw([], at: at(5))
        #expect(members.since(at(0)).map(\.record.apiURL) == ["a1", "b2"])
        #expect(members.since(at(4)).map(\.name) == ["a"])
        members.saw([("b", record("b3"))], at: at(6))
        #expect(members.since(at(0)).map(\.name) == ["a"])
        members.saw([("b", record("b3"))], at: at(7))
        #expect(members.since(at(6)).isEmpty)
    }
}
