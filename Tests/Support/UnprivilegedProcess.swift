public import Foundation

/// A program that runs as the unprivileged user `postgres` (or as ourselves when the tests do not run as root).
///
/// `setpriv` replaces itself by the program, so that `pid` is the program's own. The kernel kills it when the test
/// process ends for whatever reason. Its output goes to a file; it gets no descriptor of ours and a small environment.
public final class UnprivilegedProcess: Sendable {
    public enum ExitStatus: Equatable, Sendable {
        case exited(Int32)
        case signalled(Int32)
    }

    /// The user for whom programs run and to whom temporary folders belong; nil when we are not root.
    public static let user: (uid: uid_t, gid: gid_t)? = {
        guard geteuid() == 0, let entry = getpwnam("postgres") else { return nil }
        return (entry.pointee.pw_uid, entry.pointee.pw_gid)
    }()

    /// The program's process id.
    public let pid: pid_t
    private let status = Locked<ExitStatus?>(nil)

    private init(pid: pid_t) { self.pid = pid }

    /// Starts a program.
    /// - Parameters:
    ///   - executable: an absolute path that the unprivileged user can reach.
    ///   - environment: added to PATH and LC_ALL=C.
    ///   - folder: the working directory.
    ///   - output: the file to which standard output and standard error are appended.
    public static func start(
        _ executable: String, _ arguments: [String] = [], environment: [String: String] = [:], folder: String = "/tmp",
        output: String
    ) throws -> UnprivilegedProcess {
        var command = ["/usr/bin/env", "-C", folder, "/usr/bin/setpriv", "--pdeathsig", "KILL"]
        if user != nil { command += ["--reuid=postgres", "--regid=postgres", "--init-groups"] }
        command += [executable] + arguments
        let variables = ["PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C"]
            .merging(environment) { $1 }
        let line = command
        return UnprivilegedProcess(
            pid: try Spawner.shared.run {
                try spawn(line, variables.map { "\($0)=\($1)" }, output: output)
            })
    }

    /// SIGKILL.
    public func kill() { signal(SIGKILL) }
    /// SIGSTOP: the program stands still with its connections open. Returns when all its threads stand (or have for a
    /// second refused to): a thread that still ran could answer.
    public func freeze() {
        signal(SIGSTOP)
        let tasks = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/task")) ?? []
        let end = ContinuousClock.now + .seconds(1)
        for task in tasks {
            while !isStopped(task), ContinuousClock.now < end { usleep(200) }
        }
    }
    /// SIGCONT.
    public func thaw() { signal(SIGCONT) }

    /// Sends a signal; nothing when the program has ended.
    public func signal(_ signal: Int32) {
        status.withLock { if reap(&$0) == nil { _ = Glibc.kill(pid, signal) } }
    }

    /// The way the program ended; nil while it runs.
    public var exitStatus: ExitStatus? { status.withLock { reap(&$0) } }
    public var isRunning: Bool { exitStatus == nil }

    /// Waits for the program's end.
    /// - Throws: `EventuallyTimedOut`.
    @discardableResult
    public func wait(within deadline: Duration = .seconds(10)) async throws -> ExitStatus {
        try await eventually("process \(pid) ends", within: deadline) { self.exitStatus }
    }

    /// SIGKILL, and waits for the end.
    public func end() async throws {
        kill()
        try await wait()
    }

    /// True also for a thread that has ended.
    private func isStopped(_ task: String) -> Bool {
        let file = open("/proc/\(pid)/task/\(task)/stat", O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return true }
        defer { close(file) }
        var text = [UInt8](repeating: 0, count: 256)
        let count = read(file, &text, text.count)
        // "PID (NAME) STATE ...": the name may contain anything.
        guard count > 0, let name = text[..<count].lastIndex(of: UInt8(ascii: ")")), name + 2 < count else {
            return true
        }
        return text[name + 2] == UInt8(ascii: "T")
    }

    /// The pid stays ours until we have reaped it: only then may the kernel give it to another process.
    private func reap(_ status: inout ExitStatus?) -> ExitStatus? {
        if status != nil { return status }
        var word: Int32 = 0
        let reaped = waitpid(pid, &word, WNOHANG)
        if reaped == pid {
            let signal = word & 0x7f
            status = signal == 0 ? .exited((word >> 8) & 0xff) : .signalled(signal)
        } else if reaped < 0, errno == ECHILD {
            status = .exited(-1)
        }
        return status
    }

    /// Sockets of C libraries are not close-on-exec: a child that kept one would hold a connection open for us.
    private static var highestDescriptor: Int32 {
        let entries = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? []
        return entries.compactMap { Int32($0) }.max() ?? 3
    }

    private static func spawn(
        _ command: [String], _ environment: [String], output: String
    ) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_APPEND, 0o644)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        for descriptor in 3..<(highestDescriptor + 64) { posix_spawn_file_actions_addclose(&actions, descriptor) }
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        var all = sigset_t()
        sigemptyset(&none)
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        let flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP
        posix_spawnattr_setflags(&attributes, Int16(flags))
        var words = command.map { strdup($0) } + [nil]
        var variables = environment.map { strdup($0) } + [nil]
        defer { (words + variables).forEach { free($0) } }
        var pid: pid_t = 0
        let code = posix_spawn(&pid, command[0], &actions, &attributes, &words, &variables)
        guard code == 0 else { throw SupportError("\(command[0]): \(String(cString: strerror(code)))") }
        return pid
    }
}

/// The thread that starts the programs. It never ends: a parent-death signal is sent when the *thread* that forked
/// ends, and threads of a pool come and go.
private final class Spawner: Sendable {
    static let shared = Spawner()
    private let jobs = Locked<[@Sendable () -> Void]>([])
    private let waiting = DispatchSemaphore(value: 0)

    private init() {
        let thread = Thread { [jobs, waiting] in
            while true {
                waiting.wait()
                jobs.withLock { $0.removeFirst() }()
            }
        }
        thread.name = "spawner"
        thread.start()
    }

    func run(_ job: @escaping @Sendable () throws -> pid_t) throws -> pid_t {
        let result = Locked<Result<pid_t, any Error>?>(nil)
        let done = DispatchSemaphore(value: 0)
        jobs.withLock {
            $0.append {
                result.withLock { $0 = Result { try job() } }
                done.signal()
            }
        }
        waiting.signal()
        done.wait()
        guard let outcome = result.withLock({ $0 }) else { throw SupportError("the spawner gave no answer") }
        return try outcome.get()
    }
}
