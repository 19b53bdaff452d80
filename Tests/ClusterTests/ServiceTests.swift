import AdminModel
import Foundation
import LibPQ
import Support
import Testing

extension ClusterTests {
    /// The agent as a service of systemd's, and as process 1 of a container.
    @Suite(.serialized, .timeLimit(.minutes(4)), .enabled(if: !AgentCommand.isForeign)) struct Service {
        private static func single(_ scope: String) -> ClusterSettings {
            var settings = ClusterSettings()
            settings.scope = scope
            settings.members = ["member-a"]
            return settings
        }

        /// It starts PostgreSQL, outlives a kill of the agent, and ends in order with the code of a clean shutdown.
        @Test func runsAsProcessOne() async throws {
            var settings = Self.single("init")
            settings.launcher = ProcessNamespace.launcher
            try await TestCluster.with(settings) { cluster in
                try cluster.start()
                let node = try await cluster.whole("in a namespace", within: AgentCommand.deadline(40)).leader
                let supervisor = try #require(node.supervisor)
                let status = try String(contentsOfFile: "/proc/\(supervisor.pid)/status", encoding: .utf8)
                #expect(status.contains("\nNSpid:\t\(supervisor.pid)\t1\n"), "\(status)")
                let start = "SELECT pg_postmaster_start_time()::text AS start"
                let (agent, postmaster) = (node.agent, try await node.query(start).first().text("start"))
                try node.kill(\.agent, "agent")
                try await eventually("there is a new agent", within: AgentCommand.deadline()) {
                    node.agent.map { $0 != agent } ?? false
                }
                try await cluster.whole("with a new agent")
                #expect(try await node.query(start).first().text("start") == postmaster)
                ProcessTable.signal(SIGTERM, supervisor)
                #expect(try await node.end() == .exited(0))
                #expect(node.everything().isEmpty)
                #expect(node.logText.contains("database system is shut down"), "\(node.logTail())")
            }
        }

        /// What a unit of `Type=notify` hears, and that a loop that stands still is not said to be alive.
        @Test func tellsSystemd() async throws {
            let name = "@matriarch-unit-\(getpid())"
            let socket = try NotifySocket(name)
            var settings = Self.single("systemd")
            settings.environment = ["NOTIFY_SOCKET": name, "WATCHDOG_USEC": "900000"]
            try await TestCluster.with(settings) { cluster in
                try cluster.start()
                let node = try await cluster.whole("as a service", within: AgentCommand.deadline(40)).leader
                try await eventually("it feeds the watchdog") { socket.heard.filter { $0 == "WATCHDOG=1" }.count > 3 }
                #expect(socket.heard.first == "READY=1")
                try await eventually("it says what it is", within: AgentCommand.deadline()) {
                    socket.heard.contains("STATUS=no action. I am (member-a), the leader with the lock")
                }
                let environment = try #require(
                    node.postmaster.flatMap {
                        try? String(contentsOfFile: "/proc/\($0.pid)/environ", encoding: .utf8)
                    })
                #expect(!environment.contains("NOTIFY_SOCKET") && !environment.contains("WATCHDOG_USEC"))

                let before = socket.heard.count
                ProcessTable.signal(SIGHUP, try #require(node.supervisor))
                try await eventually("it says that it reads its file again") {
                    let later = socket.heard.dropFirst(before).filter { !$0.hasPrefix("WATCHDOG") }
                    return later.count > 1 && later.first?.hasPrefix("RELOADING=1\nMONOTONIC_USEC=") == true
                        && later.dropFirst().first == "READY=1"
                }
                // Everything of the agent stands still: systemd must not hear from it.
                let agent = try #require(node.agent)
                ProcessTable.signal(SIGSTOP, agent)
                try await Task.sleep(for: .milliseconds(300))
                let still = socket.heard.count
                try await Task.sleep(for: .milliseconds(1500))
                #expect(socket.heard.count == still)
                ProcessTable.signal(SIGCONT, agent)
                try await cluster.whole("again")
                #expect(try await node.stop() == .exited(0))
                #expect(socket.heard.contains("STOPPING=1"))
            }
        }
    }
}
