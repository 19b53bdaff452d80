internal import Glibc

/// The files of a configuration.
package enum ConfigFile {
    /// The names of `*.yml` and `*.yaml` in order; nil when the path is no folder.
    package static func yamlFiles(inFolder path: String) -> [String]? {
        guard let folder = opendir(path) else { return nil }
        defer { closedir(folder) }
        var names: [String] = []
        while let entry = readdir(folder) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name.hasSuffix(".yml") || name.hasSuffix(".yaml") { names.append(name) }
        }
        return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    /// The whole text of a regular file. Errors name the file, never its content.
    package static func text(of path: String) throws(ConfigError) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw unreadable(path, "cannot be opened: \(String(cString: strerror(errno)))") }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw unreadable(path, "must be a file or a folder")
        }
        guard status.st_size <= YAMLDocument.maximumBytes else {
            throw unreadable(path, "must not be longer than \(YAMLDocument.maximumBytes) bytes")
        }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65536)
        while bytes.count <= YAMLDocument.maximumBytes {
            let count = chunk.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress, $0.count) }
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw unreadable(path, "cannot be read: \(String(cString: strerror(errno)))") }
            if count == 0 { break }
            bytes += chunk[..<count]
        }
        guard let text = String(validating: bytes, as: UTF8.self) else { throw unreadable(path, "must be UTF-8") }
        return text
    }

    private static func unreadable(_ path: String, _ message: String) -> ConfigError {
        ConfigError([ConfigProblem(.unreadable, source: path, message: message)])
    }
}
