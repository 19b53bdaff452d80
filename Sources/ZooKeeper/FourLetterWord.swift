import Dispatch
import Glibc
import Waiting

/// A question to one server outside of any session: four letters in, text out, then the server closes.
///
/// Servers answer only the words of their `4lw.commands.whitelist`, by default `srvr` alone.
public enum FourLetterWord {
    private static let queue = DispatchQueue(label: "zookeeper.words", attributes: .concurrent)
    private static let longest = 64 * 1024

    /// The server's answer, whatever it says; nil when there is none in time.
    /// - Parameter deadline: the caller leaves then; a name service that hangs does not hold it up.
    public static func ask(_ word: String, of host: ZooKeeperHosts.Host, deadline: Duration) async -> String? {
        let result = OneShot<String?>()
        queue.async { result.settle(exchange(word, host, deadline)) }
        return await result.value(within: deadline) { _ in nil }
    }

    /// Blocks.
    private static func exchange(_ word: String, _ host: ZooKeeperHosts.Host, _ deadline: Duration) -> String? {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host.name, String(host.port), &hints, &found) == 0 else { return nil }
        defer { freeaddrinfo(found) }
        var next = found
        while let address = next?.pointee {
            if let answer = exchange(word, address, deadline) { return answer }
            next = address.ai_next
        }
        return nil
    }

    private static func exchange(_ word: String, _ address: addrinfo, _ deadline: Duration) -> String? {
        let descriptor = socket(address.ai_family, address.ai_socktype | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        let (seconds, attoseconds) = deadline.components
        var patience = timeval(tv_sec: Int(seconds), tv_usec: Int(attoseconds / 1_000_000_000_000))
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(descriptor, SOL_SOCKET, option, &patience, socklen_t(MemoryLayout<timeval>.size))
        }
        guard connect(descriptor, address.ai_addr, address.ai_addrlen) == 0,
            send(descriptor, word, word.utf8.count, Int32(MSG_NOSIGNAL)) == word.utf8.count
        else { return nil }
        var answer: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while answer.count < longest {
            let count = recv(descriptor, &chunk, chunk.count, 0)
            if count < 0 { return nil }
            if count == 0 { break }
            answer += chunk[..<count]
        }
        return String(decoding: answer, as: UTF8.self)
    }
}
