import Foundation
import Support
import Testing

@testable import Agent

@Suite("What systemd is told")
struct ServiceManagerTests {
    @Test("readiness, state and end, to a socket with a path and to an abstract one", arguments: [false, true])
    func messages(isAbstract: Bool) throws {
        let folder = try TemporaryFolder("notify")
        defer { folder.remove() }
        let name = isAbstract ? "@matriarch-test-\(getpid())" : folder.path("socket")
        let socket = try NotifySocket(name)
        let manager = try #require(ServiceManager(environment: ["NOTIFY_SOCKET": name]))
        #expect(manager.longestPause == nil)
        manager.tell(.alive)
        manager.tell(.alive)
        manager.tell(.status("no action,\nI am the leader"))
        manager.tell(.status("no action,\nI am the leader"))
        #expect(socket.messages() == ["READY=1", "STATUS=no action,I am the leader"])
        manager.tell(.reloading)
        manager.tell(.ready)
        manager.tell(.stopping)
        let rest = socket.messages()
        #expect(rest.first?.wholeMatch(of: /RELOADING=1\nMONOTONIC_USEC=\d+/) != nil, "\(rest)")
        #expect(rest.dropFirst() == ["READY=1", "STOPPING=1"])
    }

    @Test("the watchdog hears of looks, not of time, and only when it is ours")
    func watchdog() async throws {
        let name = "@matriarch-watchdog-\(getpid())"
        let socket = try NotifySocket(name)
        var environment = ["NOTIFY_SOCKET": name, "WATCHDOG_USEC": "600000", "WATCHDOG_PID": "\(getppid())"]
        let manager = try #require(ServiceManager(environment: environment))
        #expect(manager.longestPause == .milliseconds(200))
        for _ in 0..<5 { manager.tell(.alive) }
        #expect(socket.messages() == ["READY=1", "WATCHDOG=1"], "one is enough")
        try await Task.sleep(for: .milliseconds(400))
        #expect(socket.messages().isEmpty, "nothing without a look")
        manager.tell(.alive)
        #expect(socket.messages() == ["WATCHDOG=1"])
        environment["WATCHDOG_PID"] = "1"
        #expect(ServiceManager(environment: environment)?.longestPause == nil)
    }

    @Test("a socket that nobody reads holds up nobody; without one nothing is told")
    func absent() throws {
        for name in ["", "x", "vsock:2:1234", "/" + String(repeating: "a", count: 200)] {
            #expect(ServiceManager(environment: ["NOTIFY_SOCKET": name]) == nil, "\(name)")
        }
        #expect(ServiceManager(environment: [:]) == nil)
        let name = "@matriarch-full-\(getpid())"
        let socket = try NotifySocket(name)
        let manager = try #require(ServiceManager(environment: ["NOTIFY_SOCKET": name]))
        let began = ContinuousClock.now
        for _ in 0..<5000 { manager.tell(.ready) }
        #expect(ContinuousClock.now - began < .seconds(5))
        #expect(socket.messages().count < 5000)
    }
}
