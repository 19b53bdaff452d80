import Glibc

/// Where lines end: stderr, or `<log.dir>/patroni.log` with its former files beside it, `patroni.log.1` the youngest.
/// Used by one thread.
struct LogOutput {
    /// What is opened when there is no `log.dir`.
    let descriptor: Int32
    private var file: (path: String, descriptor: Int32, size: Int)?
    private var isBroken = false

    init(descriptor: Int32) { self.descriptor = descriptor }

    /// - Returns: how many of the lines were not written; stderr says so when it begins.
    mutating func write(_ lines: [String], _ config: LogConfig) -> Int {
        guard let dir = config.dir else {
            close()
            return lines.isEmpty || Self.write(lines.joined(), to: descriptor) ? 0 : lines.count
        }
        let path = "\(dir)/patroni.log"
        if file?.path != path { close() }
        let written = lines.firstIndex { !append($0, path, config) } ?? lines.count
        let wasBroken = isBroken
        isBroken = written < lines.count
        if isBroken, !wasBroken {
            let reason = String(cString: strerror(errno))
            _ = Self.write("log.dir: cannot write \(path): \(reason)\n", to: descriptor)
        }
        return lines.count - written
    }

    private mutating func append(_ line: String, _ path: String, _ config: LogConfig) -> Bool {
        if file == nil, !open(path, config) { return false }
        guard var opened = file else { return false }
        if config.fileSize > 0, config.fileNumber > 0, opened.size > 0, opened.size + line.utf8.count > config.fileSize
        {
            close()
            Self.rotate(path, keep: config.fileNumber)
            guard open(path, config), let new = file else { return false }
            opened = new
        }
        guard Self.write(line, to: opened.descriptor) else { return false }
        opened.size += line.utf8.count
        file = opened
        return true
    }

    private mutating func open(_ path: String, _ config: LogConfig) -> Bool {
        let descriptor = Glibc.open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0o666)
        guard descriptor >= 0 else { return false }
        if let mode = config.mode { fchmod(descriptor, mode) }
        var status = stat()
        fstat(descriptor, &status)
        file = (path, descriptor, Int(status.st_size))
        return true
    }

    private mutating func close() {
        if let file { _ = Glibc.close(file.descriptor) }
        file = nil
    }

    private static func rotate(_ path: String, keep: Int) {
        for number in stride(from: keep - 1, through: 1, by: -1) {
            rename("\(path).\(number)", "\(path).\(number + 1)")
        }
        rename(path, "\(path).1")
    }

    private static func write(_ text: String, to descriptor: Int32) -> Bool {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EAGAIN {
                // Whoever shares the terminal or pipe with us may have made it non-blocking.
                var full = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                poll(&full, 1, 1000)
            } else if count < 0, errno != EINTR {
                return false
            }
            bytes = bytes.dropFirst(max(0, count))
        }
        return true
    }
}
