import HACore
import Testing

@testable import PostgresControl

struct ControlDataTests {
    static let output = """
        pg_control version number:            1300
        Database system identifier:           7710572744438671512
        Database cluster state:               in archive recovery
        pg_control last modified:             Sat Nov 21 10:40:15 2026
        Latest checkpoint location:           0/1511A88
        Latest checkpoint's REDO location:    0/1511A50
        Latest checkpoint's TimeLineID:       2
        Minimum recovery ending location:     0/1600000
        Min recovery ending loc's timeline:   3
        wal_log_hints setting:                off
        max_connections setting:              120
        max_worker_processes setting:         8
        max_wal_senders setting:              10
        max_prepared_xacts setting:           1
        max_locks_per_xact setting:           64
        Data page checksum version:           0
        """

    @Test func readsTheFields() throws {
        let data = try #require(ControlData(output: Self.output))
        #expect(data.control.systemIdentifier.rawValue == "7710572744438671512")
        #expect(data.control.state == .inArchiveRecovery)
        #expect(data.control.timeline == Timeline(2))
        #expect(data.control.checkpoint == LSN("0/1511A88"))
        #expect(data.control.redo == LSN("0/1511A50"))
        #expect(data.control.minRecoveryPoint == LSN("0/1600000"))
        #expect(data.control.minRecoveryTimeline == Timeline(3))
        #expect(!data.control.allowsRewind)
        #expect(
            data.standbyFloor == [
                "max_connections": 120, "max_worker_processes": 8, "max_wal_senders": 10,
                "max_prepared_transactions": 1, "max_locks_per_transaction": 64,
            ])
        #expect(data.checksumMatches)
    }

    @Test func aMissingFieldIsNoControlFile() {
        for line in Self.output.split(separator: "\n") where line.contains("checkpoint") || line.contains("state") {
            let rest = Self.output.split(separator: "\n").filter { $0 != line }.joined(separator: "\n")
            #expect(ControlData(output: rest) == nil, "\(line)")
        }
    }

    @Test func aChecksumWarningAndChecksumsAreSeen() throws {
        let torn = "WARNING: Calculated CRC checksum does not match value stored in file.\n" + Self.output
        #expect(try #require(ControlData(output: torn)).checksumMatches == false)
        let newer = "pg_controldata: warning: calculated CRC checksum does not match value stored in control file"
        #expect(try #require(ControlData(output: Self.output, warnings: newer)).checksumMatches == false)
        let checksums = Self.output.replacing("checksum version:           0", with: "checksum version:           1")
        #expect(try #require(ControlData(output: checksums)).control.allowsRewind)
    }

    @Test func toolOutputIsUnderstood() {
        #expect(Installation.majorVersion(in: "postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)") == 15)
        #expect(Installation.majorVersion(in: "postgres (PostgreSQL) 18beta1") == 18)
        #expect(Installation.majorVersion(in: "nonsense") == nil)
        let dump = "pg_waldump: error: error in WAL record at 0/1511A88: invalid record length at 0/1511B00: wanted 24"
        #expect(Installation.endOfWAL(in: dump) == LSN("0/1511B00"))
        let rewind = "pg_rewind: servers diverged at WAL location 0/3000148 on timeline 1\npg_rewind: x"
        let (lsn, timeline) = Rewinder.divergence(in: rewind)
        #expect(lsn == LSN("0/3000148") && timeline == Timeline(1))
    }

    @Test(arguments: [
        (Int32(0), "pg_rewind: no rewind required", Rewinder.Outcome.notNeeded),
        (0, "pg_rewind: Done!", .rewound),
        (256, "pg_rewind: error: could not connect", .refused("f")),
        (256, "pg_rewind: rewinding from last common checkpoint at 0/1", .unfinished("f")),
        (9, "", .unfinished("f")),
    ])
    func aRewindsOutcomeComesFromWhatItPrinted(status: Int32, output: String, outcome: Rewinder.Outcome) {
        #expect(Rewinder.outcome(.init(status: status, output: output), "f") == outcome)
    }
}
