import Dispatch
import Glibc
import Logging
import NIOConcurrencyHelpers
import SystemPackage

/// A pipe whose lines go to the log: so many, the rest is read and dropped. It is read to its end even when the command
/// has left a daemon behind, which would otherwise be stopped by a full or a broken pipe.
final class OutputLog: Sendable {
    private static let linesMax = 100
    private static let lineBytesMax = 1000

    private let writingEnd: NIOLockedValueBox<FileDescriptor?>

    /// - Throws: `Errno` when there are no descriptors left.
    init(_ logger: Logger) throws {
        let (reading, writing) = try FileDescriptor.pipe()
        for end in [reading, writing] { _ = fcntl(end.rawValue, F_SETFD, FD_CLOEXEC) }
        _ = fcntl(reading.rawValue, F_SETFL, O_NONBLOCK)
        writingEnd = NIOLockedValueBox(writing)
        Self.drain(reading, logger)
    }

    deinit { try? takeWritingEnd().close() }

    /// For the command, which closes it. To be called once.
    func takeWritingEnd() -> FileDescriptor {
        writingEnd.withLockedValue { end in
            defer { end = nil }
            return end ?? FileDescriptor(rawValue: -1)
        }
    }

    private static func drain(_ end: FileDescriptor, _ logger: Logger) {
        let queue = DispatchQueue(label: "matriarch.command-output")
        let source = DispatchSource.makeReadSource(fileDescriptor: end.rawValue, queue: queue)
        var lines = Lines(logger: logger)
        source.setEventHandler {
            var buffer = [UInt8](repeating: 0, count: 4096)
            let count = Glibc.read(end.rawValue, &buffer, buffer.count)
            if count > 0 { return lines.take(buffer[..<count]) }
            if count < 0, errno == EAGAIN || errno == EINTR { return }
            lines.end()
            source.cancel()
        }
        source.setCancelHandler { try? end.close() }
        source.resume()
    }

    /// Cuts bytes into lines of the log.
    private struct Lines {
        let logger: Logger
        private var rest: [UInt8] = []
        private var left = OutputLog.linesMax

        init(logger: Logger) { self.logger = logger }

        mutating func take(_ bytes: ArraySlice<UInt8>) {
            for byte in bytes {
                if byte == UInt8(ascii: "\n") {
                    end()
                } else if rest.count < OutputLog.lineBytesMax {
                    rest.append(byte)
                }
            }
        }

        mutating func end() {
            defer { rest = [] }
            guard !rest.isEmpty, left > 0 else { return }
            left -= 1
            logger.info("\(String(decoding: rest, as: UTF8.self))")
            if left == 0 { logger.warning("it says more, which is dropped") }
        }
    }
}
