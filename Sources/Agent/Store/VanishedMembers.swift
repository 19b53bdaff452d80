import AdminModel
import HACore

/// Members whose records have left the tree not long ago.
///
/// Who closes a living session takes its lock and its record away at once, while its PostgreSQL works on until its agent
/// learns of it (lock.md M5). As long as such a lease can last, its owner is asked whether it is a primary.
struct VanishedMembers: Sendable {
    private var present: [MemberID: MemberRecord] = [:]
    private var gone: [MemberID: (record: MemberRecord, since: Instant)] = [:]

    /// Notes a read of the tree.
    mutating func saw(_ members: [(name: MemberID, record: MemberRecord)], at readAt: Instant) {
        let now = Dictionary(members.map { ($0.name, $0.record) }) { $1 }
        for (name, record) in present where now[name] == nil { gone[name] = (record, readAt) }
        for name in now.keys { gone[name] = nil }
        present = now
    }

    /// Those that were there after `moment`, in the order of their names.
    func since(_ moment: Instant) -> [(name: MemberID, record: MemberRecord)] {
        gone.filter { $0.value.since >= moment }.map { ($0.key, $0.value.record) }.sorted { $0.name < $1.name }
    }
}
