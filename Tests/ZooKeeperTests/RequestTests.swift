import Support
import Testing
import ZooKeeper

@Suite(.serialized, .timeLimit(.minutes(1)), .enabled(if: ZooKeeperServer.isInstalled, "Debian's ZooKeeper jars"))
struct RequestTests {
    @Test func aZNodeLives() async throws {
        try await withSession(Shared.standalone().host) { witness in
            let session = witness.session
            let created = try await session.create("/life", [1, 2], deadline: patience)
            #expect(created.version == .initial && created.dataLength == 2 && created.ephemeralOwner == nil)
            #expect(created.czxid > 0 && created.czxid == created.mzxid)
            let set = try await session.set("/life", [3], expecting: .exactly(.initial), deadline: patience)
            #expect(set.version == created.version.next && set.czxid == created.czxid && set.mzxid > set.czxid)
            let got = try #require(try await session.get("/life", deadline: patience))
            #expect(got.data == [3] && got.stat == set)
            try await session.create("/life/b", deadline: patience)
            try await session.create("/life/a", deadline: patience)
            #expect(try await session.children("/life", deadline: patience) == ["a", "b"])
            let parent = try #require(try await session.exists("/life", deadline: patience))
            #expect(parent.numChildren == 2 && parent.cversion == 2 && parent.pzxid > set.mzxid)
            #expect(parent.mtime >= parent.ctime)
            for path: ZNodePath in ["/life/a", "/life/b"] {
                try await session.delete(path, expecting: .any, deadline: patience)
            }
            try await session.delete("/life", expecting: .exactly(set.version), deadline: patience)
            #expect(try await session.exists("/life", deadline: patience) == nil)
        }
    }

    @Test func whatIsMissingIsNil() async throws {
        try await withSession(Shared.standalone().host) { witness in
            #expect(try await witness.session.get("/missing", deadline: patience) == nil)
            #expect(try await witness.session.exists("/missing", deadline: patience) == nil)
            #expect(try await witness.session.children("/missing", deadline: patience) == nil)
            try await witness.session.sync("/", deadline: patience)
        }
    }

    @Test func refusalsDidNotHappen() async throws {
        try await withSession(Shared.standalone().host) { witness in
            let session = witness.session
            try await session.create("/refuse", deadline: patience)
            try await session.create("/refuse/child", mode: .ephemeral, deadline: patience)
            let wrong = ExpectedVersion.exactly(try #require(Version(rawValue: 7)))
            let errors = [
                await failure { try await session.create("/refuse", deadline: patience) },
                await failure { try await session.create("/nowhere/x", deadline: patience) },
                await failure { try await session.create("/refuse/child/x", deadline: patience) },
                await failure { try await session.set("/refuse", [], expecting: wrong, deadline: patience) },
                await failure { try await session.set("/nowhere", [], expecting: .any, deadline: patience) },
                await failure { try await session.delete("/refuse", expecting: wrong, deadline: patience) },
                await failure { try await session.delete("/refuse", expecting: .any, deadline: patience) },
            ]
            #expect(
                errors.map(\.?.code) == [
                    .nodeExists, .noNode, .noChildrenForEphemerals, .badVersion, .noNode, .badVersion, .notEmpty,
                ])
            #expect(errors.allSatisfy { $0?.outcome == .didNotHappen })
            #expect(errors[0]?.path == "/refuse")
            #expect(errors[0]?.description == "ZooKeeper: the znode exists: /refuse")
        }
    }

    @Test func dataOfAnySizeUpToTheLimitSurvive() async throws {
        try await withSession(Shared.standalone().host) { witness in
            for size in [0, 1, 1_000_000] {
                let data = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31) }
                let path = try ZNodePath("/size-\(size)")
                try await witness.session.create(path, data, deadline: patience)
                let got = try #require(try await witness.session.get(path, deadline: patience))
                #expect(got.data == data && got.stat.dataLength == size)
                try await witness.session.delete(path, expecting: .any, deadline: patience)
            }
        }
    }

    @Test func anEphemeralBelongsToItsSessionAndEndsWithIt() async throws {
        let host = try await Shared.standalone().host
        try await withSession(host) { other in
            try await withSession(host) { witness in
                let stat = try await witness.session.create("/mine", mode: .ephemeral, deadline: patience)
                #expect(stat.ephemeralOwner == witness.session.connection?.session)
                #expect(stat.ephemeralOwner == witness.session.credentials?.session)
                let seen = try await other.session.exists("/mine", watch: true, deadline: patience)
                #expect(seen?.ephemeralOwner == stat.ephemeralOwner)
            }
            try await other.saw(.node(.deleted, "/mine"), within: .seconds(3))
        }
    }

    @Test func parentsAreCreatedOnce() async throws {
        let host = try await Shared.standalone().host
        try await withSession(host) { witness in
            async let first: Void = witness.session.createParents("/p/q/r", deadline: patience)
            async let second: Void = witness.session.createParents("/p/q/r/s", deadline: patience)
            _ = try await (first, second)
            #expect(try await witness.session.children("/p/q/r", deadline: patience) == ["s"])
            try await witness.session.createParents("/p/q/r/s", deadline: patience)
            try await witness.session.createParents("/", deadline: patience)
        }
    }

    @Test func aChrootIsTheRoot() async throws {
        let host = try await Shared.standalone().host
        try await withSession(host) { outside in
            try await outside.session.createParents("/jail/inner", deadline: patience)
            try await withSession("\(host)/jail/inner") { inside in
                #expect(try await inside.session.exists("/note", watch: true, deadline: patience) == nil)
                let set = Operation.set("/note", [2], .exactly(.initial))
                try await inside.session.multi([.create("/note", [1], .persistent), set], deadline: patience)
                try await inside.saw(.node(.created, "/note"))
            }
            let got = try #require(try await outside.session.get("/jail/inner/note", deadline: patience))
            #expect(got.data == [2])
        }
    }

    @Test func digestsGuardWhatTheyCreate() async throws {
        let host = try await Shared.standalone().host
        let me = ZooKeeperConfiguration.Authentication(scheme: "digest", credential: Array("me:word".utf8))
        try await withSession(host) { stranger in
            try await withSession(host, authentication: [me], access: .creatorAll) { owner in
                try await owner.session.create("/guarded", [7], deadline: patience)
                let denied = await failure { _ = try await stranger.session.get("/guarded", deadline: patience) }
                #expect(denied?.code == .noAuth && denied?.outcome == .didNotHappen)
                try await stranger.session.addAuthentication(
                    scheme: "digest", credential: me.credential, deadline: patience)
                #expect(try await stranger.session.get("/guarded", deadline: patience)?.data == [7])
            }
        }
    }

    @Test func aListGivesEachWhatItSays() async throws {
        let list = AccessControl.list([ACLEntry([.read, .delete], scheme: "world", id: "anyone")])
        try await withSession(Shared.standalone().host) { witness in
            try await witness.session.create("/listed", [1], access: list, deadline: patience)
            #expect(try await witness.session.get("/listed", deadline: patience)?.data == [1])
            let denied = await failure {
                try await witness.session.set("/listed", [2], expecting: .any, deadline: patience)
            }
            #expect(denied?.code == .noAuth)
            let empty = await failure {
                try await witness.session.create("/none", access: .list([]), deadline: patience)
            }
            #expect(empty?.code == .invalidACL)
        }
    }

    @Test func aRefusedAuthenticationEndsTheSession() async throws {
        try await withSession(Shared.standalone().host) { witness in
            let refused = await failure {
                try await witness.session.addAuthentication(scheme: "no-such", credential: [1], deadline: patience)
            }
            #expect(refused?.code == .authFailed)
            try await witness.saw(.authenticationFailed)
            let after = await failure { _ = try await witness.session.get("/", deadline: patience) }
            #expect(after?.code == .invalidState && after?.outcome == .didNotHappen)
        }
    }

    @Test func aCancelledCallerLeaves() async throws {
        let server = try await ZooKeeperServer.standalone()
        try await withSession(server.host) { witness in
            server.freeze()
            let call = Task { try await witness.session.create("/late", deadline: .seconds(60)) }
            try await eventually("the request is with the client") { witness.session.pendingRequests == 1 }
            call.cancel()
            let error = await failure { _ = try await call.value }
            #expect(error?.code == .cancelled && error?.outcome == .unknown)
            server.thaw()
            // The write was on its way: "unknown" was the truth.
            try await eventually("the write happens") {
                try await witness.session.exists("/late", deadline: patience) != nil
            }
        }
        try await server.stop()
    }
}
