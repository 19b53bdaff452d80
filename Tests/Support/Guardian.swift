import Foundation

/// Ends the processes of test clusters when the test process is gone, however it went.
///
/// A keeper and its PostgreSQL outlive their agent on purpose, and a replica's keeper has no lease that would end it: a
/// test run that is interrupted would leave them for ever. A small shell reads the folders of the clusters from a pipe;
/// at the pipe's end, which no kill can prevent, it kills what works in them or runs from them.
final class Guardian: Sendable {
    static let shared = Result<Guardian, any Error> { try Guardian() }

    private let folders: FileHandle

    private init() throws {
        let pipe = Pipe()
        folders = pipe.fileHandleForWriting
        // A child that inherited this end would keep the pipe open after our death.
        guard fcntl(folders.fileDescriptor, F_SETFD, FD_CLOEXEC) == 0 else { throw SupportError("fcntl of a pipe") }
        let shell = Process()
        shell.executableURL = URL(filePath: "/usr/bin/setsid")
        shell.arguments = ["/bin/sh", "-c", Self.script]
        shell.currentDirectoryURL = URL(filePath: "/")
        shell.standardInput = pipe.fileHandleForReading
        shell.standardOutput = FileHandle.nullDevice
        shell.standardError = FileHandle.nullDevice
        try shell.run()
    }

    /// From now on `folder` is ended and removed with us. It must hold no white space.
    func watch(_ folder: String) throws { try folders.write(contentsOf: Data("\(folder)\n".utf8)) }

    private static let script = """
        trap '' HUP INT QUIT TERM
        folders=
        while read -r folder; do folders="$folders $folder"; done
        for round in 1 2 3; do
            for process in /proc/[0-9]*; do
                place="$(readlink "$process/cwd") $(readlink "$process/exe")"
                for folder in $folders; do
                    case "$place" in *"$folder/"*) kill -KILL "${process#/proc/}" ;; esac
                done
            done
        done
        [ -n "$MATRIARCH_TEST_KEEP" ] || rm -rf $folders
        """
}
