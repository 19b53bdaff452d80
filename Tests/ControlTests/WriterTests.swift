import AdminModel
import LocalConfiguration
import Testing

@testable import Control

/// What PyYAML, difflib and prettytable printed of the same values.
@Suite("Texts as patronictl writes them")
struct WriterTests {
    @Test func yaml() throws {
        let json =
            ##"{"z":null,"a":[],"m":{},"n":{"t":"on","d":"2026-01-02","f":1e-05,"g":1.5,"i":"12","h":"0x1f","s":"a: b","q":"it's","e":"","l":["x",{"k":"v","a":1},["y"]],"long":"word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word ","ml":"a\nb\n","sp":" x","hash":"a #b","u":"Gr\u00fc\u00dfe","colon":"a:","dash":"- a","eq":"=","neg":-3,"big":99999999999999999999,"b":false,"tilde":"~","pct":"%p","at":"@x","star":"*","excl":"!x","tab":"a\tb","ts":"2026-01-02 03:04:05+01","sixty":"1:30","comma":"a, b","br":"[a]","infs":".inf","qm":"? a"}}"##
        let expected = #"""
            a: []
            m: {}
            n:
              at: '@x'
              b: false
              big: 99999999999999999999
              br: '[a]'
              colon: 'a:'
              comma: a, b
              d: '2026-01-02'
              dash: '- a'
              e: ''
              eq: '='
              excl: '!x'
              f: 1.0e-05
              g: 1.5
              h: '0x1f'
              hash: 'a #b'
              i: '12'
              infs: '.inf'
              l:
              - x
              - a: 1
                k: v
              - - y
              long: 'word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word
                word word word word word word word word word word word word word word word word word word word word word '
              ml: 'a

                b

                '
              neg: -3
              pct: '%p'
              q: it's
              qm: '? a'
              s: 'a: b'
              sixty: '1:30'
              sp: ' x'
              star: '*'
              t: 'on'
              tab: "a\tb"
              tilde: '~'
              ts: '2026-01-02 03:04:05+01'
              u: Grüße
            z: null
            """#
        #expect(YAMLWriter.text(try JSONParser.parse(json)) == expected + "\n")
    }

    @Test func yamlOnOneLine() throws {
        let value: JSONValue = ["custom": "x0", "zone": "on", "n": 1, "l": [1, "a"], "e": ""]
        #expect(YAMLWriter.text(value, flow: true) == "{custom: x0, e: '', l: [1, a], n: 1, zone: 'on'}\n")
    }

    @Test func differences() {
        let before = (1...39).map { "line\($0)" }.joined(separator: "\n") + "\n"
        let after = before.replacing("line5\n", with: "line5\nnew\n").replacing("line20\n", with: "")
            .replacing("line39", with: "last")
        let expected = #"""
            --- 
            +++ 
            @@ -3,6 +3,7 @@
             line3
             line4
             line5
            +new
             line6
             line7
             line8
            @@ -17,7 +18,6 @@
             line17
             line18
             line19
            -line20
             line21
             line22
             line23
            @@ -36,4 +36,4 @@
             line36
             line37
             line38
            -line39
            +last
            """#
        #expect(UnifiedDiff(before, after).lines.joined(separator: "\n") == expected)
        #expect(UnifiedDiff(before, before).lines.isEmpty)
    }

    @Test func boxes() {
        let expected = #"""
            +------+------------+
            | a    | b          |
            +------+------------+
            | 1    | x          |
            +------+------------+
            | None | Grüße 日本 |
            +------+------------+
            | True | two        |
            |      | lines      |
            +------+------------+
            +---------+---------+
            | Field 1 | Field 2 |
            +---------+---------+
            | 2026    | ERROR   |
            +---------+---------+
            +---+
            | a |
            +---+
            +---+
            """#
        let rows: [[JSONValue]] = [[1, "x"], [nil, "Grüße 日本"], [true, "two\nlines"]]
        let failure = Listing(nil, [["2026", "ERROR"]])
        let shown = [Listing(["a", "b"], rows), failure, Listing(["a"], [])].map { $0.text(.pretty) }
        #expect(shown.joined(separator: "\n") == expected)
        #expect(failure.text(.json) == "[{}]")
        #expect(failure.text(.tsv) == "2026\tERROR")
    }
}
