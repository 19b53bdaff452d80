import AdminModel
import HACore
import Testing

@testable import Agent

@Suite("The member's record")
struct MemberRecordTests {
    private static let head =
        #"{"conn_url":"postgres://10.0.0.1:5432/postgres","api_url":"http://10.0.0.1:8008/patroni","#
    private static let tags = #""version":"4.1.5","tags":{"failover_priority":"1","nofailover":true,"az":"b"}"#
    private static let leadership = Leadership(
        term: Term(77), epochVersion: 4, epochZxid: 78, provedAt: Instant(nanoseconds: 1))

    private func record(
        _ state: MemberState, _ role: MemberRole, _ sql: SQLStatus?, controlTimeline: UInt32 = 1,
        leadership: Leadership? = nil
    ) throws -> String {
        let control = ControlFile(
            systemIdentifier: SystemIdentifier(rawValue: "7710451765082907510"), state: .inProduction,
            timeline: Timeline(controlTimeline), checkpoint: LSN(1), redo: LSN(1))
        var local = LocalPostgres(directory: .ready(control), process: sql == nil ? .absent : .running(as: .standby))
        local.sql = sql
        var description = LocalDescription(local, running: nil, memory: DecisionMemory(), wasPrimary: false)
        (description.state, description.role) = (state, role)
        let settings = ClusterSettings(local: try ConfigFixture.load(ConfigFixture.yaml).config)
        return MemberRecordBuilder(settings: settings).record(
            description, local, server: nil, leadership: leadership, epochVersion: 4, sessionTimeout: 2000
        ).json.text(.compact)
    }

    private func sql(_ inRecovery: Bool, timeline: UInt32 = 1, received: UInt64 = 0, replayed: UInt64 = 0) -> SQLStatus
    {
        SQLStatus(
            at: Instant(nanoseconds: 1), inRecovery: inRecovery, timeline: Timeline(timeline),
            written: inRecovery ? nil : LSN(67_406_848), received: LSN(received), replayed: LSN(replayed))
    }

    private static let tail =
        #""matriarch":{"version":"0.1.0","keeper":"attached","epoch":4,"session_timeout_ms":2000}}"#

    @Test("a primary's, in the order that peers are used to")
    func primary() throws {
        #expect(
            try record(.running, .primary, sql(false), leadership: Self.leadership)
                == Self.head + #""state":"running","role":"primary","# + Self.tags
                + #","xlog_location":67406848,"timeline":1,"# + Self.tail)
    }

    @Test("a standby's, with the greater of received and replayed")
    func standby() throws {
        #expect(
            try record(.running, .replica, sql(true, received: 600, replayed: 500))
                == Self.head + #""state":"running","role":"replica","# + Self.tags
                + #","xlog_location":600,"replay_lsn":500,"receive_lsn":600,"timeline":1,"# + Self.tail)
        let archive = try record(.running, .replica, sql(true, replayed: 500))
        #expect(archive.contains(#""xlog_location":500,"replay_lsn":500,"timeline""#), "zero is not known")
    }

    @Test("a leader that has not checkpointed since its promotion says so")
    func checkpoint() throws {
        let pending = #""checkpoint_after_promote":false"#
        #expect(
            try record(.running, .primary, sql(false, timeline: 2), leadership: Self.leadership).contains(pending))
        #expect(
            try !record(.running, .primary, sql(false, timeline: 2), controlTimeline: 2, leadership: Self.leadership)
                .contains(pending))
        #expect(try !record(.running, .primary, sql(false, timeline: 2)).contains(pending), "no leader")
    }

    @Test("what is stopped or being stopped has no position", arguments: [MemberState.stopping, .stopped, .crashed])
    func noPosition(state: MemberState) throws {
        let text = try record(state, .primary, sql(false))
        #expect(!text.contains("xlog_location") && !text.contains("timeline"))
    }
}
