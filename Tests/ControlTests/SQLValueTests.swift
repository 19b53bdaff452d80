import AdminModel
import LibPQ
import Testing

@testable import Control

@Suite("Values of a query as Python shows them")
struct SQLValueTests {
    @Test(
        "by the type of the column",
        arguments: [
            ("t", 16, "True"), ("-5", 20, "-5"), ("1.5", 701, "1.5"), ("1", 701, "1.0"), ("NaN", 701, "nan"),
            ("1e+20", 701, "1e+20"), ("1.10", 1700, "1.10"), ("t", 25, "t"),
            ("2026-11-21 02:52:32.7054+00", 1184, "2026-11-21 02:52:32.705400+00:00"),
            ("2026-11-21 02:52:32+05:30", 1184, "2026-11-21 02:52:32+05:30"),
            ("2026-11-21 02:52:32", 1114, "2026-11-21 02:52:32"),
            ("{\"a\": [1, null]}", 3802, "{'a': [1, None]}"), ("{1,NULL,3}", 1007, "[1, None, 3]"), ("{}", 1009, "[]"),
            (#"{a,"b c","q\"x",NULL,"NULL"}"#, 1009, #"['a', 'b c', 'q"x', None, 'NULL']"#),
            ("{{1,2},{3,4}}", 1007, "{{1,2},{3,4}}"),
        ] as [(String, UInt32, String)])
    func shown(text: String, type: UInt32, shown: String) {
        #expect(SQLValue.value(text, type).pythonText == shown)
    }

    @Test func nothingIsNone() {
        #expect(SQLValue.row([nil, ""], [23, 25]) == [.null, ""])
    }
}
