import AdminModel
import HACore
import LocalConfiguration
import Testing
import ZooKeeper

@testable import Agent

@Suite("What the tree's values say")
struct StoreRecordTests {
    @Test(
        "an epoch record is read as it was written",
        arguments: [
            StoreView.Epoch.Holder.nobody, .released, .taken(by: "node-0", session: 0x1000_2f3c_0001, nonce: "ab12"),
            .taken(by: "knödel \"0\"", session: -1, nonce: ""), .taken(by: "n", session: .min, nonce: "n"),
        ])
    func epoch(holder: StoreView.Epoch.Holder) {
        #expect(EpochRecord(znode: EpochRecord(holder).znode).holder == holder)
    }

    @Test("a session stands in an epoch record as ZooKeeper's tools show it")
    func epochText() {
        let record = EpochRecord(.taken(by: "node-0", session: 0x1000_2f3c_0001, nonce: "n"))
        #expect(
            String(decoding: record.znode, as: UTF8.self)
                == #"{"member":"node-0","session":"10002f3c0001","nonce":"n"}"#)
    }

    @Test(
        "an epoch that cannot be read names nobody",
        arguments: [
            "", "{", "[]", "null", "\u{0}\u{1}", #"{"released":false}"#, #"{"released":"true"}"#, #"{"member":"a"}"#,
            #"{"member":"a","session":"xyz"}"#, #"{"member":1,"session":"1"}"#, #"{"member":"a","session":1}"#,
            #"{"member":"a","session":"11112222333344445"}"#,
        ])
    func epochTolerance(text: String) {
        #expect(EpochRecord(znode: Array(text.utf8)).holder == .nobody)
    }

    @Test("an epoch record of a later version is read as far as it is known")
    func epochMore() {
        let text = #"{"member":"a","session":"1f","since":{"at":1}}"#
        #expect(EpochRecord(znode: Array(text.utf8)).holder == .taken(by: "a", session: 31, nonce: ""))
    }

    @Test(
        "namespaces as people write them make one path",
        arguments: [
            ("service", "gold", "/service/gold"), ("/service/", "gold", "/service/gold"),
            ("//db//pg/", "gold", "/db/pg/gold"), ("", "gold", "/gold"), ("/", "/gold/", "/gold"),
            ("dienst", "größe", "/dienst/größe"), ("a", "b/c", "/a/b/c"),
        ])
    func layout(namespace: String, scope: String, base: String) throws {
        let layout = try ZNodeLayout(namespace: namespace, scope: scope)
        #expect(layout.base.description == base)
        #expect(layout.leader.description == base + "/leader")
        #expect(layout.epochKeep.description == base + "/epoch/keep")
        #expect(try layout.member("node-0").description == base + "/members/node-0")
        #expect(try layout.lease("node-0").description == base + "/lease/node-0")
    }

    @Test(
        "what is no path is refused",
        arguments: [("service", ".."), ("ser\u{1}vice", "gold"), (".", "gold"), ("a/../b", "gold")])
    func noLayout(namespace: String, scope: String) {
        #expect(throws: ZooKeeperError.self) { try ZNodeLayout(namespace: namespace, scope: scope) }
    }

    @Test("a name with a slash is no member", arguments: ["a/b", "", "..", "a\n"])
    func noMember(name: String) throws {
        let layout = try ZNodeLayout(namespace: "service", scope: "gold")
        #expect(throws: ZooKeeperError.self) { try layout.member(MemberID(name)) }
    }

    @Test(
        "the address of a connection URL",
        arguments: [
            ("postgres://127.0.0.1:25430/postgres", "127.0.0.1", 25430), ("postgresql://db/postgres", "db", 5432),
            ("postgres://[2001:db8::1]:6000/x?sslmode=require", "2001:db8::1", 6000),
            ("postgres://user:p%40ss@db.example:5433/x", "db.example", 5433), ("postgres://u@v@db:1", "db", 1),
            ("postgres://db?application_name=http://a:8008/patroni", "db", 5432), ("postgres://[::1]/x", "::1", 5432),
        ])
    func connectionURL(text: String, host: String, port: Int) throws {
        let url = try #require(ConnectionURL(text))
        #expect(url.host == host)
        #expect(url.port == port)
    }

    @Test(
        "what names no server is no connection URL",
        arguments: [
            "", "db:5432", "postgres://", "postgres:///postgres", "postgres://:5432/x", "postgres://db:0/x",
            "postgres://db:99999/x", "postgres://db:port/x", "postgres://d b/x",
        ])
    func noConnectionURL(text: String) {
        #expect(ConnectionURL(text) == nil)
    }

    private func view(_ text: String) throws -> MemberView {
        MemberView(try MemberRecord(znode: Array(text.utf8)), session: 7)
    }

    @Test("a primary as its record describes it")
    func primary() throws {
        let view = try view(
            #"{"conn_url":"postgres://127.0.0.1:25430/postgres","api_url":"http://127.0.0.1:28000/patroni","state":"running","role":"primary","version":"4.1.4","tags":{"custom":"x0"},"xlog_location":67406848,"timeline":1}"#
        )
        #expect(
            view
                == MemberView(
                    session: 7, isPrimary: true, timeline: Timeline(1), position: LSN(67_406_848), kept: false))
    }

    @Test("a standby of ours with tags and a keeper")
    func standby() throws {
        let view = try view(
            #"{"api_url":"http://h/patroni","state":"running","role":"replica","tags":{"nofailover":true,"clonefrom":true},"xlog_location":9,"timeline":3,"matriarch":{"version":"0.1.0","keeper":"attached","epoch":4}}"#
        )
        #expect(
            view
                == MemberView(
                    session: 7, nofailover: true, clonefrom: true, failoverPriority: 0, timeline: Timeline(3),
                    position: LSN(9), kept: true))
    }

    @Test("a former primary, one that stops, and one that has not checkpointed")
    func others() throws {
        let stopping = try view(#"{"state":"stopping","role":"primary","checkpoint_after_promote":false}"#)
        #expect(!stopping.isPrimary && !stopping.isRunning && stopping.checkpointPending && !stopping.reachable)
        #expect(try view(#"{"state":"running","role":"master"}"#).isPrimary)
        #expect(try !view(#"{"state":"stopped","role":"demoted"}"#).isRunning)
        #expect(try !view(#"{"matriarch":{"keeper":"paused"}}"#).kept)
        #expect(try !view("{}").isRunning)
    }
}
