import Foundation

/// A copy of the system's PostgreSQL 15 with Debian's pglogical in it, made once for a machine: tests of slots that a mesh
/// uses need its output plugin, and nothing may be put into the system's own folder.
public enum PglogicalInstallation {
    /// The folders of programs, libraries and shared files below the copy's root. PostgreSQL finds its files relative to
    /// its program only where they lie to one another as in the system.
    static let (programs, libraries, shared) = (
        "lib/postgresql/15/bin", "lib/postgresql/15/lib", "share/postgresql/15"
    )

    /// The folder of the programs; fetched when it is missing.
    /// - Throws: `SupportError` with the last words of apt-get.
    public static func binaries() async throws -> String { try await root() + "/" + programs }

    /// The root of the copy.
    static func root() async throws -> String {
        // The programs are copied: a linked one finds its way back to the system.
        let script = """
            rm -rf root package; mkdir -p root/\(programs) root/\(libraries) root/\(shared)/extension package
            cp /usr/\(programs)/* root/\(programs)
            ln -s /usr/\(libraries)/* root/\(libraries)
            ln -s /usr/\(shared)/extension/* root/\(shared)/extension
            for file in /usr/\(shared)/*; do [ -e root/\(shared)/"${file##*/}" ] || ln -s "$file" root/\(shared); done
            cd package; apt-get download -qq postgresql-15-pglogical; dpkg -x postgresql-15-pglogical_*.deb .; cd ..
            cp --remove-destination package/usr/\(libraries)/*.so root/\(libraries)
            cp --remove-destination package/usr/\(shared)/extension/* root/\(shared)/extension
            """
        return try await InstalledFolder.make("pglogical-15-\(systemVersion())", within: .seconds(120), script)
            + "/root"
    }

    /// Changes when the system's PostgreSQL does: programs copied from one minor version and libraries linked to another
    /// do not belong together.
    static func systemVersion() throws -> String {
        let attributes = try FileManager.default.attributesOfItem(atPath: "/usr/\(programs)/postgres")
        guard let size = attributes[.size] as? Int, let date = attributes[.modificationDate] as? Date else {
            throw SupportError("no size or date of /usr/\(programs)/postgres")
        }
        return "\(size)-\(Int(date.timeIntervalSince1970))"
    }
}
