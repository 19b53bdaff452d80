import CZooKeeper
import Glibc

/// The memory into which C writes the results of a `multi`, from its submission to its callback.
///
/// C copies the operations themselves at the submission; only the results have to stay where they are.
final class TransactionResults: @unchecked Sendable {  // written by C before the callback, read by us in or after it
    private let operations: [Operation]
    private let results: UnsafeMutablePointer<zoo_op_result_t>
    private let stats: UnsafeMutablePointer<Stat>

    init(_ operations: [Operation]) {
        self.operations = operations
        results = .allocate(capacity: operations.count)
        results.initialize(repeating: zoo_op_result_t(), count: operations.count)
        stats = .allocate(capacity: operations.count)
        stats.initialize(repeating: Stat(), count: operations.count)
    }

    deinit {
        results.deallocate()
        stats.deallocate()
    }

    /// Hands the operations to C.
    func submit(to handle: OpaquePointer, _ control: AccessControl, _ context: UnsafeRawPointer?) -> Int32 {
        control.withVector { vector in
            let native = UnsafeMutablePointer<zoo_op_t>.allocate(capacity: operations.count)
            defer { native.deallocate() }
            let texts = operations.map { strdup($0.path.description) }
            let bodies = operations.map(Self.copy)
            defer {
                texts.forEach { free($0) }
                bodies.forEach { $0?.deallocate() }
            }
            for (index, operation) in operations.enumerated() {
                let slot = native + index
                switch operation {
                case .create(_, let data, let mode):
                    zoo_create_op_init(
                        slot, texts[index], bodies[index], Int32(clamping: data.count), vector, mode.flags, nil, 0)
                case .set(_, let data, let expected):
                    zoo_set_op_init(
                        slot, texts[index], bodies[index], Int32(clamping: data.count), expected.raw, stats + index)
                case .delete(_, let expected):
                    zoo_delete_op_init(slot, texts[index], expected.raw)
                case .check(_, let version):
                    zoo_check_op_init(slot, texts[index], version.rawValue)
                }
            }
            return zoo_amulti(handle, Int32(clamping: operations.count), native, results, Completions.void, context)
        }
    }

    /// What the parts gave, when the whole of it happened.
    func successes() -> [OperationResult] {
        operations.enumerated().map { index, operation in
            switch operation {
            case .create: .created
            case .set: .set(ZNodeStat(stats[index]))
            case .delete: .deleted
            case .check: .checked
            }
        }
    }

    /// The part that failed: it carries the code, those before it 0, those after it "rolled back". Another picture is
    /// a failure of the whole.
    func failedOperation(_ code: ZooKeeperError.Code) -> Int? {
        guard code.isAnswer else { return nil }
        let codes = operations.indices.map { ZooKeeperError.Code(rawValue: results[$0].err) }
        guard let index = codes.firstIndex(where: { $0.rawValue != 0 }), codes[index] == code,
            codes[(index + 1)...].allSatisfy({ $0 == .rolledBack })
        else { return nil }
        return index
    }

    func path(of index: Int?) -> ZNodePath? { index.map { operations[$0].path } }

    private static func copy(_ operation: Operation) -> UnsafeMutablePointer<CChar>? {
        switch operation {
        case .create(_, let data, _), .set(_, let data, _):
            let body = UnsafeMutablePointer<CChar>.allocate(capacity: max(1, data.count))
            UnsafeMutableRawPointer(body).copyMemory(from: data, byteCount: data.count)
            return body
        case .delete, .check:
            return nil
        }
    }
}

extension CreateMode {
    var flags: Int32 {
        switch self {
        case .persistent: ZOO_PERSISTENT
        case .ephemeral: ZOO_EPHEMERAL
        }
    }
}

extension AccessControl {
    /// Lends the list to C, which copies it while it serializes the request.
    func withVector(_ body: (UnsafePointer<ACL_vector>?) -> Int32) -> Int32 {
        switch self {
        case .open: return body(matriarch_open_acl())
        case .creatorAll: return body(matriarch_creator_all_acl())
        case .list(let entries):
            var lines = entries.map {
                ACL(perms: $0.permissions.rawValue, id: Id(scheme: strdup($0.scheme), id: strdup($0.id)))
            }
            defer {
                for line in lines {
                    free(line.id.scheme)
                    free(line.id.id)
                }
            }
            return lines.withUnsafeMutableBufferPointer { lines in
                var vector = ACL_vector(count: Int32(clamping: lines.count), data: lines.baseAddress)
                return body(&vector)
            }
        }
    }
}
