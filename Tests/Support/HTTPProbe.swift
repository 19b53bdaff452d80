import Foundation

/// One HTTP request on a connection of its own, with what came back as it came.
public struct HTTPAnswer: Sendable {
    public let status: Int
    /// Lower-case names.
    public let headers: [String: String]
    public let body: String
}

public enum HTTPProbe {
    /// Asks a server on 127.0.0.1 and reads until it closes the connection, as `Connection: close` asks it to.
    /// - Throws: `SupportError` when there is no connection, no answer, or no close within the deadline.
    public static func send(
        _ method: String, _ target: String, port: UInt16, body: String? = nil, headers: [String: String] = [:],
        within deadline: Duration = .seconds(5)
    ) async throws -> HTTPAnswer {
        var lines = ["\(method) \(target) HTTP/1.1", "Host: 127.0.0.1:\(port)", "Connection: close"]
        if let body { lines += ["Content-Type: application/json", "Content-Length: \(body.utf8.count)"] }
        lines += headers.sorted { $0.key < $1.key }.map { "\($0): \($1)" }
        let request = lines.joined(separator: "\r\n") + "\r\n\r\n" + (body ?? "")
        let bytes = try await withCheckedThrowingContinuation {
            (continuation: CheckedContinuation<[UInt8], any Error>) in
            DispatchQueue.global().async {
                continuation.resume(with: Result { try exchange(Array(request.utf8), port, deadline) })
            }
        }
        return try parse(bytes, "\(method) \(target)")
    }

    /// The status alone; nil when nothing answers.
    public static func status(_ method: String = "GET", _ target: String, port: UInt16) async -> Int? {
        try? await send(method, target, port: port).status
    }

    /// The same over TLS, by `curl`, which trusts every server.
    /// - Parameter identity: shown to the server.
    public static func secure(
        _ method: String, _ target: String, port: UInt16, identity: Certificates.Files? = nil, body: String? = nil,
        headers: [String: String] = [:]
    ) async throws -> HTTPAnswer {
        var arguments = ["--silent", "--show-error", "--include", "--insecure", "--http1.1", "--max-time", "5"]
        arguments += method == "HEAD" ? ["--head"] : ["--request", method]
        if let identity { arguments += ["--cert", identity.certificate, "--key", identity.key] }
        if let body { arguments += ["--data-binary", body] }
        for (name, value) in headers { arguments += ["--header", "\(name): \(value)"] }
        let command = arguments + ["https://127.0.0.1:\(port)\(target)"]
        let bytes = try await withCheckedThrowingContinuation {
            (continuation: CheckedContinuation<[UInt8], any Error>) in
            DispatchQueue.global().async { continuation.resume(with: Result { try curl(command) }) }
        }
        return try parse(bytes, "\(method) \(target)")
    }

    private static func curl(_ arguments: [String]) throws -> [UInt8] {
        let curl = Process()
        let (output, errors) = (Pipe(), Pipe())
        curl.executableURL = URL(filePath: "/usr/bin/curl")
        curl.arguments = arguments
        (curl.standardOutput, curl.standardError) = (output, errors)
        try curl.run()
        let bytes = output.fileHandleForReading.readDataToEndOfFile()
        curl.waitUntilExit()
        guard curl.terminationStatus == 0 else {
            let words = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
            throw SupportError(words.isEmpty ? "curl ended with \(curl.terminationStatus)" : words)
        }
        return Array(bytes)
    }

    private static func exchange(_ request: [UInt8], _ port: UInt16, _ deadline: Duration) throws -> [UInt8] {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { throw SupportError("socket: \(String(cString: strerror(errno)))") }
        defer { close(descriptor) }
        let due = ContinuousClock.now + deadline
        var limit = timeval(tv_sec: max(1, Int(deadline.components.seconds)), tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        let connected = FreePort.withLoopback(port) { connect(descriptor, $0, $1) } == 0
        guard connected else { throw SupportError("port \(port): \(String(cString: strerror(errno)))") }
        guard Glibc.send(descriptor, request, request.count, Int32(MSG_NOSIGNAL)) == request.count else {
            throw SupportError("port \(port): the request was not taken")
        }
        var answer: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = recv(descriptor, &chunk, chunk.count, 0)
            if count == 0 { return answer }
            guard count > 0, ContinuousClock.now < due else {
                throw SupportError("port \(port): not closed within \(deadline), \(answer.count) bytes came")
            }
            answer += chunk[..<count]
        }
    }

    private static func parse(_ bytes: [UInt8], _ request: String) throws -> HTTPAnswer {
        let text = String(decoding: bytes, as: UTF8.self)
        let parts = text.split(separator: "\r\n\r\n", maxSplits: 1, omittingEmptySubsequences: false)
        let lines = (parts.first ?? "").split(separator: "\r\n")
        let words = (lines.first ?? "").split(separator: " ")
        guard words.count >= 2, words[0].hasPrefix("HTTP/1."), let status = Int(words[1]) else {
            throw SupportError("\(request): no HTTP answer but \(text.prefix(200))")
        }
        let headers = lines.dropFirst().compactMap { line -> (String, String)? in
            guard let colon = line.firstIndex(of: ":") else { return nil }
            let value = line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
            return (line[..<colon].lowercased(), value)
        }
        let body = parts.count > 1 ? String(parts[1]) : ""
        return HTTPAnswer(status: status, headers: Dictionary(headers) { $1 }, body: body)
    }
}
