internal import Glibc

/// The `PATRONI_*` variables in a sealed piece of memory: the program puts them there before it becomes the supervisor,
/// which hands the descriptor to each agent. So no process has a password in its environment (design/rulings).
///
/// The format is `NAME=VALUE`, each ended by a zero byte.
public enum SealedVariables {
    /// Names the descriptor in the environment of the supervisor and of the agent.
    public static let variable = "MATRIARCH_SECRETS_FD"

    public struct Failure: Error, Hashable, Sendable, CustomStringConvertible {
        public struct Code: RawRepresentable, Hashable, Sendable {
            public let rawValue: String
            public init(rawValue: String) { self.rawValue = rawValue }

            public static let cannotRead = Code(rawValue: "cannot read the sealed memory file")
            public static let malformed = Code(rawValue: "the sealed memory file holds something else")
        }

        public let code: Code
        /// 0 when no system call failed.
        public let errno: Int32

        public var description: String {
            errno == 0 ? code.rawValue : "\(code.rawValue): \(String(cString: strerror(errno)))"
        }
    }

    private static let maximumBytes = 4 << 20

    /// What the creator of the memory writes into it.
    public static func encode(_ variables: [String: String]) -> [UInt8] {
        variables.sorted { $0.key < $1.key }.flatMap { Array("\($0.key)=\($0.value)".utf8) + [0] }
    }

    /// Reads the variables; the descriptor stays open, for the next reload.
    public static func read(_ descriptor: CInt) throws(Failure) -> [String: String] {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65536)
        while true {
            let offset = off_t(bytes.count)
            let count = chunk.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress, $0.count, offset) }
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw Failure(code: .cannotRead, errno: errno) }
            if count == 0 { break }
            bytes += chunk[..<count]
            guard bytes.count <= maximumBytes else { throw Failure(code: .malformed, errno: 0) }
        }
        guard bytes.isEmpty || bytes.last == 0 else { throw Failure(code: .malformed, errno: 0) }
        var variables: [String: String] = [:]
        for entry in bytes.split(separator: 0) {
            guard let text = String(validating: entry, as: UTF8.self), let equals = text.firstIndex(of: "=") else {
                throw Failure(code: .malformed, errno: 0)
            }
            variables[String(text[..<equals])] = String(text[text.index(after: equals)...])
        }
        return variables
    }
}
