import AdminModel
import Testing

@Suite("Command lines")
struct ShellWordsTests {
    @Test(
        "are split as Python's shlex does",
        arguments: [
            ("", []), ("  ", []), ("a", ["a"]), (" a  b\tc\n", ["a", "b", "c"]),
            ("sh -c 'echo \"$1\"' x", ["sh", "-c", "echo \"$1\"", "x"]), ("''", [""]), ("a'b c'd", ["ab cd"]),
            (#""a \" b \\ c \n""#, [#"a " b \ c \n"#]), (#"a\ b \' \\"#, ["a b", "'", #"\"#]), ("# x", ["#", "x"]),
            (#"'a\b'"#, [#"a\b"#]), ("--x=\"y z\"", ["--x=y z"]),
        ] as [(String, [String])])
    func split(line: String, words: [String]) { #expect(ShellWords.split(line) == words) }

    @Test("that end too early are none", arguments: ["'a", "\"a", "a\\", "\"a\\"])
    func unfinished(line: String) { #expect(ShellWords.split(line) == nil) }
}
