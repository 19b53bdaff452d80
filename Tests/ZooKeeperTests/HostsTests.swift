import Testing
import ZooKeeper

struct HostsTests {
    @Test(arguments: [
        ("zk1", "zk1:2181"),
        ("zk1:2182, zk2:2183 ,10.0.0.3", "zk1:2182,zk2:2183,10.0.0.3:2181"),
        ("[::1]:2182,[fe80::1%eth0]", "[::1]:2182,[fe80::1%eth0]:2181"),
        ("2001:db8::7", "[2001:db8::7]:2181"),
        ("zk1:02181/a/b", "zk1:2181/a/b"),
        ("zk1/", "zk1:2181"),
    ])
    func listsAreRead(_ text: String, _ meaning: String) throws {
        #expect(try ZooKeeperHosts(text).description == meaning)
    }

    @Test(arguments: [
        "", " ", "zk1,,zk2", "zk1:", "zk1:0", "zk1:65536", "zk1:port", "zk1:-1", ":2181", "[::1", "[::1]2181",
        "[zk1]:2181",
        "zk1 zk2", "zk1;2181", "zk1:2181,",
    ])
    func wrongListsAreRefused(_ text: String) {
        #expect { try ZooKeeperHosts(text) } throws: { ($0 as? ZooKeeperError)?.code == .invalidHosts }
    }

    @Test(arguments: ["zk1//a", "zk1/a/", "zk1/../a"])
    func wrongChrootsAreRefused(_ text: String) {
        #expect { try ZooKeeperHosts(text) } throws: { ($0 as? ZooKeeperError)?.code == .invalidPath }
    }

    @Test(arguments: ["/", "/a", "/service/batman/leader", "/a.b/..c", "/ä/x y"])
    func pathsAreAccepted(_ text: String) throws {
        #expect(try ZNodePath(text).description == text)
    }

    @Test(arguments: [
        "", "a", "/a/", "//a", "/a//b", "/.", "/a/../b", "/a/./b", "/a\u{0}", "/a\n", "/\u{7f}", "/\u{fff0}",
    ])
    func wrongPathsAreRefused(_ text: String) {
        #expect { try ZNodePath(text) } throws: { ($0 as? ZooKeeperError)?.code == .invalidPath }
    }

    @Test func pathsHaveParentsAndChildren() throws {
        let path: ZNodePath = "/a/b"
        #expect(path.parent == "/a")
        #expect(path.parent?.parent == .root)
        #expect(ZNodePath.root.parent == nil)
        #expect(try ZNodePath.root.child("a").child("b") == path)
        #expect(path.name == "b")
        #expect(throws: ZooKeeperError.self) { try path.child("c/d") }
        #expect(throws: ZooKeeperError.self) { try path.child("") }
    }

    @Test func aVersionIsNeverAny() {
        #expect(Version(rawValue: -1) == nil)
        #expect(Version(rawValue: 3)?.next == Version(rawValue: 4))
    }

    @Test func secretsStayOutOfDescriptions() throws {
        let password = Array("sixteen-secrets!".utf8)
        let credentials = try #require(
            SessionCredentials(session: SessionID(rawValue: 0xab), password: password, requestedTimeout: .seconds(4)))
        var dumped = ""
        dump(credentials, to: &dumped)
        let shown = "\(credentials) \(String(reflecting: credentials)) \(dumped)"
        #expect(shown.contains("0xab"))
        #expect(!shown.contains("secret") && !shown.contains("\(password[0])"))

        let authentication = ZooKeeperConfiguration.Authentication(
            scheme: "digest", credential: Array("me:secret".utf8))
        dumped = ""
        dump(authentication, to: &dumped)
        #expect(!"\(authentication) \(dumped)".contains("secret") && !dumped.contains("109"))
        #expect(
            SessionCredentials(session: SessionID(rawValue: 1), password: [1], requestedTimeout: .seconds(1)) == nil)
    }
}
