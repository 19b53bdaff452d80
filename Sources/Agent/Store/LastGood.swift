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

    /// Reads `data`; when that fails, says so once for this version of the znode and gives the last good value.
    func read<Value: Sendable>(
        _ path: ZNodePath, _ data: [UInt8], _ stat: ZNodeStat, _ decode: ([UInt8]) throws -> Value
    ) -> Value? {
        do {
            let value = try decode(data)
            entries.withLockedValue { $0[path] = Entry(zxid: stat.mzxid, value: value) }
            return value
        } catch {
            let isNew = complaints.withLockedValue { $0.updateValue(stat.mzxid, forKey: path) != stat.mzxid }
            let kept = entries.withLockedValue { $0[path]?.value as? Value }
            if isNew {
                logger.warning(
                    "cannot read \(path) (\(data.count) bytes): \(error); \(kept == nil ? "it counts as absent" : "the last good value stays in force")"
                )
            }
            return kept
        }
    }
}
