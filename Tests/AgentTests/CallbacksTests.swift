import AdminModel
import Foundation
import HACore
import Support
import Testing

@testable import Agent

/// Real commands, which write to a file what they were told.
@Suite("Callbacks", .timeLimit(.minutes(1)))
struct CallbacksTests {
    private let folder: TemporaryFolder
    private let log = LogCollector()

    init() throws { folder = try TemporaryFolder("callbacks") }

    private func callbacks(_ lines: [String: String]) throws -> Callbacks {
        let commands = lines.map { "    \($0.key): '\($0.value.replacing("'", with: "''"))'\n" }.joined()
        let yaml = """
            scope: gold
            name: node-0
            restapi: {listen: "10.0.0.1:8008", connect_address: "10.0.0.1:8008"}
            zookeeper: {hosts: ["10.0.0.1:2181"]}
            postgresql:
              listen: 10.0.0.1:5432
              data_dir: /nonexistent
              authentication: {superuser: {username: postgres}, replication: {username: replicator}}
              callbacks:
            \(commands)
            """
        return Callbacks(
            settings: Agent.ClusterSettings(local: try ConfigFixture.load(yaml).config), logger: log.logger)
    }

    private func view(inRecovery: Bool) -> ClusterView {
        var local = LocalPostgres(directory: .empty, process: .running(as: .standby))
        local.startedAt = Instant(nanoseconds: 1)
        local.sql = SQLStatus(at: .now, inRecovery: inRecovery, timeline: Timeline(1))
        return ClusterView(now: .now, me: "node-0", local: local)
    }

    private func told(_ text: String) async throws {
        do {
            try await eventually("the command says so", within: .seconds(20)) {
                folder.read("told")?.contains(text) == true
            }
        } catch {
            Issue.record("not \(text) but \(folder.read("told") ?? "nothing"); log: \(log.lines.withLock { $0 })")
        }
    }

    @Test("the command gets action, role and scope, no descriptor of ours, and a clean environment")
    func arguments() async throws {
        setenv("PATRONI_CALLBACK_TEST", "secret", 1)
        defer { unsetenv("PATRONI_CALLBACK_TEST") }
        let script = """
            cd \(folder.path); echo "$1 $2 $3" "$(env | grep -c PATRONI_)" \
            "$(ls /proc/$$/fd | tr '\\n' ' ')" >told; echo spoken; echo aside >&2
            """
        let callbacks = try callbacks(["on_start": "/bin/sh -c '\(script.replacing("'", with: "'\\''"))' x"])
        callbacks.look(view(inRecovery: true), DecisionMemory())
        // 3 is the shell's own, in which it collects this list.
        try await told("on_start replica gold 0 0 1 2 3 \n")
        await callbacks.end(within: .seconds(20))
        try await eventually("its output is in the log", within: .seconds(20)) {
            log.count("spoken") == 1 && log.count("aside") == 1
        }
    }

    @Test("the next one ends the one before and its children; on_reload ends nobody")
    func oneAtATime() async throws {
        let slow = "sh -c 'sleep 1000 & echo $! >\(folder.path)/child; echo slow >\(folder.path)/told; wait'"
        let callbacks = try callbacks([
            "on_start": slow, "on_role_change": "sh -c 'echo changed >>\(folder.path)/told'",
            "on_reload": "sh -c 'echo reloaded >>\(folder.path)/told'",
        ])
        callbacks.look(view(inRecovery: true), DecisionMemory())
        try await told("slow")
        let child = try #require(folder.read("child").flatMap { Int32($0.trimmingCharacters(in: .newlines)) })
        callbacks.reloaded()
        try await told("reloaded")
        #expect(kill(child, 0) == 0)
        callbacks.look(view(inRecovery: false), DecisionMemory())
        try await told("changed")
        // A zombie until somebody reaps it is dead, too.
        #expect(kill(child, 0) != 0 || ProcessTable.entry(child)?.state == "Z")
        await callbacks.end(within: .seconds(20))
    }

    @Test("a command that says much fills the log no more than so far, and one that fails is named")
    func output() async throws {
        let callbacks = try callbacks(["on_start": "sh -c 'yes | head -c 1000000; exit 3'"])
        callbacks.look(view(inRecovery: true), DecisionMemory())
        await callbacks.end(within: .seconds(20))
        try await eventually("the rest is dropped", within: .seconds(20)) { log.count("dropped") == 1 }
        #expect(log.count(": y") == 100)
        #expect(log.count("exit code 3") == 1)
    }

    @Test("a command that is not there is said so, and at the agent's end none outlasts the patience")
    func ends() async throws {
        let callbacks = try callbacks(["on_start": "/nonexistent/command", "on_role_change": "sh -c 'sleep 1000'"])
        callbacks.look(view(inRecovery: true), DecisionMemory())
        await callbacks.end(within: .seconds(20))
        #expect(log.count("/nonexistent/command") == 1)
        callbacks.look(view(inRecovery: false), DecisionMemory())
        await callbacks.end(within: .milliseconds(200))
        #expect(log.count("was ended") == 1, "\(log.lines.withLock { $0 })")
    }
}
