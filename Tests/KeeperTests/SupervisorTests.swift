import Foundation
import PostgresControl
import Support
import Testing

extension KeeperTests {
    /// rulings, "Processes": the process that the user sees.
    @Suite(.timeLimit(.minutes(2)))
    struct SupervisorTests {
        /// A supervisor of a shell script; `$DIR` in the script is the member's folder.
        private func supervisor(
            _ member: KeeperProgram, _ script: String, options: [String] = []
        ) throws -> UnprivilegedProcess {
            let file = try member.folder.write("agent.sh", "DIR=\(member.folder.path)\n" + script)
            return try UnprivilegedProcess.start(
                member.binary,
                ["supervise", "--runtime", member.runtimePath] + options + ["--", "/bin/sh", file],
                output: member.folder.path("supervisor.log"))
        }

        /// The pids that scripts have written, one each start.
        private func agents(_ member: KeeperProgram) -> [pid_t] {
            (member.folder.read("pids") ?? "").split(separator: "\n").compactMap { pid_t($0) }
        }

        private let loop = "echo $$ >> $DIR/pids; while :; do sleep 0.05; done"

        @Test(arguments: [Int32(0), 1, 5]) func `these exit codes are passed on`(code: Int32) async throws {
            let member = try KeeperProgram()
            #expect(try await supervisor(member, "exit \(code)").wait() == .exited(code))
            try await member.end()
        }

        @Test func `another exit code means again`() async throws {
            let member = try KeeperProgram()
            let script = "echo $$ >> $DIR/pids; test -e $DIR/second && exit 5; touch $DIR/second; exit 75"
            #expect(try await supervisor(member, script).wait() == .exited(5))
            #expect(agents(member).count == 2)
            try await member.end()
        }

        @Test func `a killed agent is started again, the sixth time in ten seconds not`() async throws {
            let member = try KeeperProgram()
            let supervisor = try supervisor(member, loop)
            for round in 1...6 {
                let agent = try await eventually("agent \(round) runs") {
                    agents(member).count == round ? agents(member).last : nil
                }
                #expect(supervisor.isRunning)
                kill(agent, SIGKILL)
            }
            #expect(try await supervisor.wait() == .exited(1))
            #expect(agents(member).count == 6)
            try await member.end()
        }

        @Test func `a killed supervisor takes its agent with it`() async throws {
            let member = try KeeperProgram()
            let supervisor = try supervisor(member, loop)
            let agent = try await eventually("the agent runs") { agents(member).first }
            try await supervisor.end()
            try await eventually("the agent is gone") { !isAlive(agent) }
            try await member.end()
        }

        @Test func `signals are forwarded, a repeated stop is not`() async throws {
            let member = try KeeperProgram()
            let script = """
                for s in HUP INT TERM QUIT USR1 ABRT; do trap "echo $s >> $DIR/signals" $s; done
                echo $$ >> $DIR/pids
                until test -e $DIR/end; do sleep 0.02; done
                exit 5
                """
            let supervisor = try supervisor(member, script)
            let agent = try await eventually("the agent runs") { agents(member).first }
            #expect(getpgid(agent) == agent && getpgid(supervisor.pid) != agent)
            func heard() -> [Substring] { (member.folder.read("signals") ?? "").split(separator: "\n") }
            var expected: [Substring] = []
            for (number, name) in [
                (SIGHUP, "HUP"), (SIGUSR1, "USR1"), (SIGQUIT, "QUIT"), (SIGABRT, "ABRT"), (SIGTERM, "TERM"),
            ] {
                supervisor.signal(number)
                expected.append(Substring(name))
                try await eventually("\(name) is heard") { heard() == expected }
            }
            supervisor.signal(SIGTERM)
            supervisor.signal(SIGINT)
            supervisor.signal(SIGHUP)
            try await eventually("HUP is heard, the stops before it not") { heard() == expected + ["HUP"] }
            try member.folder.write("end", "")
            #expect(try await supervisor.wait() == .exited(5))
            try await member.end()
        }

        @Test func `a second supervisor names the first`() async throws {
            let member = try KeeperProgram()
            let first = try supervisor(member, loop)
            let agent = try await eventually("the agent runs") { agents(member).first }
            let second = try UnprivilegedProcess.start(
                member.binary, ["supervise", "--runtime", member.runtimePath, "--", "/bin/true"],
                output: member.folder.path("second.log"))
            #expect(try await second.wait() == .exited(1))
            #expect(member.folder.read("second.log")?.contains("pid \(first.pid) ") == true)
            // The agent does not hold the lock: a supervisor's end frees it.
            try await first.end()
            try await eventually("the agent is gone") { !isAlive(agent) }
            let third = try UnprivilegedProcess.start(
                member.binary, ["supervise", "--runtime", member.runtimePath, "--", "/bin/true"],
                output: member.folder.path("third.log"))
            #expect(try await third.wait() == .exited(0))
            try await member.end()
        }

        @Test func `as process 1 it reaps what nobody else does`() async throws {
            let member = try KeeperProgram()
            // The shell in between ends at once: who reaps its child then?
            let script = """
                echo $PPID > $DIR/parent
                sh -c "sleep 0.3 & echo \\$! > $DIR/orphan"
                cut -d ' ' -f 4 /proc/$(cat $DIR/orphan)/stat > $DIR/adopted
                sleep 1
                cat /proc/[0-9]*/stat | grep -c '(sleep) Z' > $DIR/zombies
                exit 5
                """
            let file = try member.folder.write("agent.sh", "DIR=\(member.folder.path)\n" + script)
            let supervisor = try UnprivilegedProcess.start(
                ProcessNamespace.launcher[0],
                ProcessNamespace.launcher.dropFirst() + [
                    member.binary, "supervise", "--runtime", member.runtimePath, "--", "/bin/sh", file,
                ],
                output: member.folder.path("supervisor.log"))
            #expect(try await supervisor.wait() == .exited(5))
            #expect(member.folder.read("parent") == "1\n")
            #expect(member.folder.read("adopted") == "1\n")
            #expect(member.folder.read("zombies") == "0\n")
            try await member.end()
        }

        @Test func `an upgrade keeps the pid, the lock and the secrets`() async throws {
            let member = try KeeperProgram()
            try member.folder.write("secret", "word\n", mode: 0o600)
            // The shell opens descriptor 9, as the starter of the supervisor does with a sealed memory file.
            let agent = try member.folder.write(
                "agent.sh",
                """
                cat /proc/self/fd/$MATRIARCH_SECRETS_FD >> \(member.folder.path("read"))
                ls /proc/self/fd | tr '\\n' ' ' >> \(member.folder.path("fds"))
                echo $$ >> \(member.folder.path("pids")); while :; do sleep 0.05; done
                """)
            let line =
                "exec 9< \(member.folder.path("secret")); exec \(member.binary) supervise --runtime \(member.runtimePath) "
                + "--secrets-fd 9 -- /bin/sh \(agent)"
            let supervisor = try UnprivilegedProcess.start(
                "/bin/sh", ["-c", line], output: member.folder.path("supervisor.log"))
            let first = try await eventually("the agent runs") { agents(member).first }
            // Another file in the old one's place: what an upgrade of the package does.
            try await member.run("/bin/cp", [member.binary, member.folder.path("new")])
            try await member.run("/bin/mv", [member.folder.path("new"), member.binary])
            supervisor.signal(SIGUSR2)
            try await eventually("the next agent runs") { agents(member).count == 2 }
            #expect(!isAlive(first))
            #expect(supervisor.isRunning)
            let executed = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(supervisor.pid)/exe")
            #expect(executed == member.binary, "not the deleted one")
            #expect(member.folder.read("read") == "word\nword\n")
            let second = try UnprivilegedProcess.start(
                member.binary, ["supervise", "--runtime", member.runtimePath, "--", "/bin/true"],
                output: member.folder.path("second.log"))
            #expect(try await second.wait() == .exited(1))
            try await supervisor.end()
            try await member.end()
        }
    }
}
