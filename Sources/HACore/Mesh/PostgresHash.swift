/// PostgreSQL's hash of bytes (`hash_bytes` in common/hashfn.c, after Bob Jenkins' lookup3), as it is on every machine
/// that stores the lower byte first.
public enum PostgresHash {
    /// What `hashtext` gives in a database whose encoding is UTF8, with a deterministic collation.
    public static func text(_ text: String) -> Int32 { Int32(bitPattern: bytes(Array(text.utf8))) }

    static func bytes(_ bytes: [UInt8]) -> UInt32 {
        var state = State(length: bytes.count)
        var offset = 0
        while bytes.count - offset >= 12 {
            state.a &+= word(bytes, offset, 4)
            state.b &+= word(bytes, offset + 4, 4)
            state.c &+= word(bytes, offset + 8, 4)
            state.mix()
            offset += 12
        }
        let rest = bytes.count - offset
        state.a &+= word(bytes, offset, min(4, rest))
        state.b &+= word(bytes, offset + 4, min(4, max(0, rest - 4)))
        // The lowest byte of c is the length's.
        state.c &+= word(bytes, offset + 8, max(0, rest - 8)) << 8
        return state.finished()
    }

    /// Up to four bytes, the lowest first.
    private static func word(_ bytes: [UInt8], _ offset: Int, _ count: Int) -> UInt32 {
        (0..<count).reduce(0) { $0 | UInt32(bytes[offset + $1]) << UInt32(8 * $1) }
    }

    private struct State {
        var a: UInt32
        var b: UInt32
        var c: UInt32

        init(length: Int) {
            a = 0x9e37_79b9 &+ UInt32(truncatingIfNeeded: length) &+ 3_923_095
            b = a
            c = a
        }

        mutating func mix() {
            a = (a &- c) ^ rotated(c, 4)
            c &+= b
            b = (b &- a) ^ rotated(a, 6)
            a &+= c
            c = (c &- b) ^ rotated(b, 8)
            b &+= a
            a = (a &- c) ^ rotated(c, 16)
            c &+= b
            b = (b &- a) ^ rotated(a, 19)
            a &+= c
            c = (c &- b) ^ rotated(b, 4)
            b &+= a
        }

        consuming func finished() -> UInt32 {
            c = (c ^ b) &- rotated(b, 14)
            a = (a ^ c) &- rotated(c, 11)
            b = (b ^ a) &- rotated(a, 25)
            c = (c ^ b) &- rotated(b, 16)
            a = (a ^ c) &- rotated(c, 4)
            b = (b ^ a) &- rotated(a, 14)
            return (c ^ b) &- rotated(b, 24)
        }

        private func rotated(_ word: UInt32, _ bits: UInt32) -> UInt32 { word << bits | word >> (32 - bits) }
    }
}
