import HACore
import Logging
import NIOConcurrencyHelpers
import ZooKeeper

/// Keeps, for each znode, the last value that could be read: corrupt or huge data never replaces a good one (I-19).
final class LastGood: Sendable {
    private struct Entry {
        var zxid: Int64
        var value: any Sendable
    }

    private let entries = NIOLockedValueBox<[ZNodePath: Entry]>([:])
    private let complaints = NIOLockedValueBox<[ZNodePath: Int64]>([:])
    private let logger: Logger

    init(logger: Logger) { self.logger = logger }

    /// Reads `data`, once for each version of the znode; when that fails, says so once and gives the last good value.
    func read<Value: Sendable>(
        _ path: ZNodePath, _ data: [UInt8], _ stat: ZNodeStat, _ decode: ([UInt8]) throws -> Value
    ) -> Value? {
        let last = entries.withLockedValue { $0[path] }
        if let last, last.zxid == stat.mzxid, let value = last.value as? Value { return value }
        do {
            let value = try decode(data)
            entries.withLockedValue { $0[path] = Entry(zxid: stat.mzxid, value: value) }
            return value
        } catch {
            let isNew = complaints.withLockedValue { $0.updateValue(stat.mzxid, forKey: path) != stat.mzxid }
            let kept = last?.value as? Value
            if isNew {
                logger.warning(
                    "cannot read \(path) (\(data.count) bytes): \(error); \(kept == nil ? "it counts as absent" : "the last good value stays in force")"
                )
            }
            return kept
        }
    }
}
