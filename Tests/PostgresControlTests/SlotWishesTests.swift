import HACore
import PostgresControl
import Testing

/// Which slots a member should have, as a table.
struct SlotWishesTests {
    private typealias Member = SlotWishes.Member

    private static let members = [Member("a"), Member("b"), Member("c", position: LSN(70))]
    private static let published = ["b": LSN(10), "c": LSN(20), "x": LSN(30), "kept": LSN(40)]
    private static let streams = DesiredSlot(expectedActive: true)

    private static func idle(_ position: UInt64?) -> DesiredSlot {
        DesiredSlot(expectedActive: false, position: position.map { LSN($0) })
    }

    private static func wishes(
        leader: MemberID?, _ change: (inout SlotWishes) -> Void = { _ in }
    ) -> [String: DesiredSlot] {
        var wishes = SlotWishes(me: "a", leader: leader, members: members, published: published)
        change(&wishes)
        return wishes.desired
    }

    private static func cascading(_ wishes: inout SlotWishes) { wishes.members[2].replicatefrom = "b" }
    private static func cascadingHere(_ wishes: inout SlotWishes) { wishes.members[2].replicatefrom = "a" }

    @Test func theLeaderHasOneForEachThatStreamsFromIt() {
        #expect(Self.wishes(leader: "a") == ["b": Self.streams, "c": Self.streams])
        #expect(Self.wishes(leader: "a") { $0.nofailover = true } == ["b": Self.streams, "c": Self.streams])
        #expect(Self.wishes(leader: "a") { $0.keepsAll = false } == ["b": Self.streams, "c": Self.streams])
        #expect(Self.wishes(leader: "a") { $0.members[1].nostream = true } == ["c": Self.streams])
    }

    @Test func theLeaderMovesThoseOfCascadingStandbys() {
        #expect(Self.wishes(leader: "a", Self.cascading) == ["b": Self.streams, "c": Self.idle(70)])
        #expect(
            Self.wishes(leader: "a") {
                Self.cascading(&$0)
                $0.keepsAll = false
            } == ["b": Self.streams])
        #expect(
            Self.wishes(leader: "a") {
                Self.cascading(&$0)
                $0.members[1].isRunning = false
            } == ["b": Self.streams, "c": Self.streams], "the one above does not run")
    }

    @Test func aStandbyFollowsWhatTheLeaderPublishes() {
        #expect(Self.wishes(leader: "b") == ["b": Self.idle(10), "c": Self.idle(20)])
        #expect(Self.wishes(leader: "b") { $0.keepsAll = false } == [:])
        #expect(Self.wishes(leader: "b") { $0.nofailover = true } == [:])
        #expect(Self.wishes(leader: "b") { $0.published = [:] } == ["b": Self.idle(nil), "c": Self.idle(nil)])
        #expect(Self.wishes(leader: nil) == ["b": Self.idle(10), "c": Self.idle(20)])
    }

    @Test func aStandbyHasOneForEachThatCascadesFromIt() {
        #expect(Self.wishes(leader: "b", Self.cascadingHere) == ["b": Self.idle(10), "c": Self.streams])
        #expect(
            Self.wishes(leader: "b") {
                Self.cascadingHere(&$0)
                $0.nofailover = true
                $0.keepsAll = false
            } == ["c": Self.streams])
        #expect(
            Self.wishes(leader: "b") {
                Self.cascadingHere(&$0)
                $0.members[0].isRunning = false
            } == ["b": Self.idle(10), "c": Self.idle(20)], "this one does not run")
    }

    @Test func retainedAndPermanentOnes() {
        func with(_ leader: MemberID, _ change: @escaping (inout SlotWishes) -> Void = { _ in }) -> [String:
            DesiredSlot]
        {
            Self.wishes(leader: leader) {
                $0.members = [Member("a")]
                $0.retained = ["x"]
                $0.permanent = ["kept", "a"]
                change(&$0)
            }
        }
        #expect(with("a") == ["x": DesiredSlot(), "kept": DesiredSlot()])
        #expect(with("b") == ["x": DesiredSlot(position: LSN(30)), "kept": DesiredSlot(position: LSN(40))])
        #expect(with("b") { $0.nofailover = true } == [:])
        #expect(with("a") { $0.keepsAll = false } == ["kept": DesiredSlot()])
    }
}
