/// The checkable form of "never two writable primaries".
///
/// An acknowledged write on the older timeline whose request was *sent* after the first acknowledgement on the newer
/// one: at the moment of sending, the newer primary had already proved itself writable. All times are of one monotonic
/// clock in one process, taken before the send and after the reply, so each error of measurement excuses and none
/// accuses. A timeline written by two members is the same fault without any clock. Unknown replies count as neither.
public enum TwoPrimariesCheck {
    public struct Violation: Hashable, Sendable, CustomStringConvertible {
        public let write: WriteHistory.Acknowledged
        public let reason: String
        public var description: String {
            "row \(write.id) on \(write.node), timeline \(write.timeline): \(reason)"
        }
    }

    public static func violations(_ writes: [WriteHistory.Acknowledged]) -> [Violation] {
        var firstOfTimeline: [UInt32: WriteHistory.Acknowledged] = [:]
        for write in writes {
            if let first = firstOfTimeline[write.timeline], first.acknowledged <= write.acknowledged { continue }
            firstOfTimeline[write.timeline] = write
        }
        let timelines = firstOfTimeline.keys.sorted()
        var found: [Violation] = []
        for write in writes {
            if let first = firstOfTimeline[write.timeline], first.node != write.node {
                found.append(Violation(write: write, reason: "\(first.node) wrote on the same timeline"))
            }
            for newer in timelines where newer > write.timeline {
                guard let first = firstOfTimeline[newer], write.sent > first.acknowledged else { continue }
                let late = first.acknowledged.duration(to: write.sent)
                found.append(
                    Violation(
                        write: write,
                        reason: "sent \(late) after \(first.node) had acknowledged a row on timeline \(newer)"))
                break
            }
        }
        return found
    }
}
