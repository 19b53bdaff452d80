import Support
import Testing
import ZooKeeper

@Suite(.serialized, .timeLimit(.minutes(1)), .enabled(if: ZooKeeperServer.isInstalled, "Debian's ZooKeeper jars"))
struct TransactionTests {
    @Test func allHappensOrNothing() async throws {
        try await withSession(Shared.standalone().host) { witness in
            let session = witness.session
            try await session.create("/all", deadline: patience)
            let results = try await session.multi(
                [
                    .check("/all", .initial), .set("/all", [1], .exactly(.initial)),
                    .create("/all/a", [2], .persistent),
                    .create("/all/b", [], .ephemeral), .delete("/all/a", .any),
                ], deadline: patience)
            let stat = try #require(results[1].stat)
            #expect(results == [.checked, .set(stat), .created, .created, .deleted])
            #expect(stat.version == Version.initial.next && stat.dataLength == 1)
            #expect(try await session.children("/all", deadline: patience) == ["b"])
            #expect(try await session.multi([], deadline: patience) == [])
        }
    }

    @Test func theFailingOperationIsNamed() async throws {
        try await withSession(Shared.standalone().host) { witness in
            let session = witness.session
            try await session.create("/fail", deadline: patience)
            let wrong = ExpectedVersion.exactly(try #require(Version(rawValue: 7)))
            let cases: [(Operation, ZooKeeperError.Code)] = [
                (.set("/fail", [9], wrong), .badVersion), (.check("/fail/none", .initial), .noNode),
                (.create("/fail", [], .persistent), .nodeExists), (.delete("/fail", .any), .notEmpty),
            ]
            for (operation, code) in cases {
                for position in 0..<3 {
                    var operations = [Operation.set("/fail", [1], .any), .create("/fail/child", [], .persistent)]
                    if code == .notEmpty, position < 2 { continue }  // there is no child yet
                    operations.insert(operation, at: position)
                    let error = await failure { try await session.multi(operations, deadline: patience) }
                    #expect(error?.code == code && error?.outcome == .didNotHappen)
                    #expect(error?.failedOperation == position && error?.path == operation.path)
                }
            }
            let stat = try #require(try await session.exists("/fail", deadline: patience))
            #expect(stat.version == .initial && stat.numChildren == 0)
            let single = await failure { try await session.multi([.check("/none", .initial)], deadline: patience) }
            #expect(single?.failedOperation == 0 && single?.code == .noNode)
        }
    }

    /// The mark of the leader lock: a znode that was created and set in one transaction cannot be taken for one that
    /// another client created.
    @Test func aSetAfterACreateInOneTransactionLeavesAMark() async throws {
        let host = try await Shared.standalone().host
        try await withSession(host) { leader in
            try await withSession(host) { other in
                try await leader.session.createParents("/mark", deadline: patience)
                let results = try await leader.session.multi(
                    [.create("/mark/leader", [1], .ephemeral), .set("/mark/leader", [1], .exactly(.initial))],
                    deadline: patience)
                let mark = try #require(results[1].stat)
                #expect(mark.version == Version.initial.next)
                #expect(mark.ephemeralOwner == leader.session.connection?.session)
                let got = try await other.session.exists("/mark/leader", deadline: patience)
                #expect(got == mark && got?.czxid == got?.mzxid)

                let renewal = [Operation.check("/mark/leader", mark.version), .set("/mark", [2], .any)]
                try await leader.session.multi(renewal, deadline: patience)

                try await other.session.delete("/mark/leader", expecting: .any, deadline: patience)
                try await other.session.create("/mark/leader", [1], mode: .ephemeral, deadline: patience)
                let error = await failure { try await leader.session.multi(renewal, deadline: patience) }
                #expect(error?.code == .badVersion && error?.failedOperation == 0)
                // Without the mark the new znode would pass for the old one.
                try await leader.session.multi([.check("/mark/leader", .initial)], deadline: patience)
            }
        }
    }

    @Test func aTransactionWithoutAnAnswerIsUnknown() async throws {
        let server = try await ZooKeeperServer.standalone()
        try await withSession(server.host, timeout: .milliseconds(600)) { witness in
            server.freeze()
            let error = await failure {
                try await witness.session.multi(
                    [.create("/a", [], .persistent), .check("/", .initial)], deadline: patience)
            }
            #expect(error?.code == .operationTimeout || error?.code == .connectionLoss)
            #expect(error?.outcome == .unknown && error?.failedOperation == nil)
            server.thaw()
        }
        try await server.stop()
    }
}
