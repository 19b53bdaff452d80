import LibPQ
import Testing

struct ConnectionInfoTests {
    @Test(arguments: [
        ("plain", "k=plain"),
        ("", "k=''"),
        ("a b", "k=a\\ b"),
        ("it's", "k=it\\'s"),
        ("back\\slash", "k=back\\\\slash"),
        ("tab\there", "k=tab\\\there"),
        ("a=b", "k=a=b"),
        ("ünïcode", "k=ünïcode"),
    ])
    func quotesAsLibpqReads(value: String, text: String) {
        #expect(ConnectionInfo([("k", value)]).conninfo(includingPassword: true) == text)
    }

    @Test func keepsTheOrderAndReplacesInPlace() {
        var info = ConnectionInfo([("dbname", "postgres"), ("user", "u"), ("password", "p"), ("host", "h")])
        info["user"] = "other"
        info["host"] = nil
        info["port"] = "1"
        #expect(info.conninfo(includingPassword: true) == "dbname=postgres user=other password=p port=1")
        #expect(info.conninfo(includingPassword: false) == "dbname=postgres user=other port=1")
    }

    @Test func settingsOfASessionAreAppended() {
        let info = ConnectionInfo([("user", "u")]).withSetting("jit", "off").withSetting("a.b", "x y\\")
        #expect(info["options"] == #"-c jit=off -c a.b=x\ y\\"#)
        #expect(ConnectionInfo([("options", "")]).withSetting("jit", "off")["options"] == "-c jit=off")
    }

    @Test func aPasswordNeverPrints() {
        let info = ConnectionInfo([("user", "u"), ("password", "hush"), ("sslpassword", "hush2")])
        var dumped = ""
        dump(info, to: &dumped)
        dump(Secret("hush"), to: &dumped)
        let texts = [
            "\(info)", String(reflecting: info), String(describing: Optional(info)), dumped, "\(Secret("hush"))",
            String(reflecting: [Secret("hush")]), "\(info.password as Any)", "\(info["password"] as Any)",
        ]
        for text in texts { #expect(!text.contains("hush"), "\(text)") }
        #expect(info.password?.reveal() == "hush")
        #expect(info.sslPassword?.reveal() == "hush2")
    }
}
