import Foundation

/// A certificate authority of a test, made by `openssl`, and what it signs: PEM files in the test's folder.
public struct Certificates: Sendable {
    public struct Files: Sendable {
        public let certificate: String
        public let key: String
    }

    /// The authority's own certificate.
    public let authority: String
    private let folder: TemporaryFolder
    private let name: String

    /// - Parameter name: of the authority; its files begin with it.
    public init(_ name: String, in folder: TemporaryFolder) throws {
        self.name = name
        self.folder = folder
        authority = folder.path("\(name).pem")
        try make("\(name)", subject: "/CN=\(name) authority", [])
    }

    /// A certificate of this authority for `127.0.0.1` and `localhost`, for servers and clients alike; an existing one of
    /// the name is replaced.
    /// - Parameter password: encrypts the key.
    public func issue(_ holder: String, password: String? = nil) throws -> Files {
        let entry = "\(name)-\(holder)"
        try make(
            entry, subject: "/CN=\(holder)",
            ["-CA", authority, "-CAkey", folder.path("\(name).key")]
                + ["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-addext", "basicConstraints=CA:FALSE"],
            password: password)
        return Files(certificate: folder.path("\(entry).pem"), key: folder.path("\(entry).key"))
    }

    private func make(_ entry: String, subject: String, _ more: [String], password: String? = nil) throws {
        // Written elsewhere first: openssl makes the key readable for its own user alone.
        let (certificate, key) = (folder.path("\(entry).pem.new"), folder.path("\(entry).key.new"))
        let openssl = Process()
        openssl.executableURL = URL(filePath: "/usr/bin/openssl")
        openssl.arguments =
            ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-days", "7"]
            + ["-subj", subject, "-keyout", key, "-out", certificate]
            + (password.map { ["-passout", "pass:\($0)"] } ?? ["-nodes"]) + more
        let output = Pipe()
        openssl.standardInput = FileHandle.nullDevice
        openssl.standardError = output
        try openssl.run()
        let words = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        openssl.waitUntilExit()
        guard openssl.terminationStatus == 0 else { throw SupportError("openssl req: \(words)") }
        for (file, mode) in [("\(entry).pem", mode_t(0o644)), ("\(entry).key", 0o600)] {
            try folder.write(file, try String(contentsOfFile: folder.path("\(file).new"), encoding: .utf8), mode: mode)
            try FileManager.default.removeItem(atPath: folder.path("\(file).new"))
        }
    }
}
