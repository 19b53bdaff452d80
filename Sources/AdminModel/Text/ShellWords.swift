/// The words of a command line as a POSIX shell would split it, without expanding anything: quotes group, a backslash
/// escapes, and inside double quotes it does so before `"` and `\` alone. What Patroni does with commands of the user's.
public enum ShellWords {
    /// Nil for a line that a shell would wait to be finished: an open quote, a backslash at the end.
    public static func split(_ line: String) -> [String]? {
        var words: [String] = []
        var word: String?
        var quote: Character?
        var characters = line.makeIterator()
        while let character = characters.next() {
            switch (quote, character) {
            case (nil, "'"), (nil, "\""):
                quote = character
                word = word ?? ""
            case (nil, "\\"):
                guard let next = characters.next() else { return nil }
                word = (word ?? "") + String(next)
            case (nil, _) where character.isWhitespace:
                if let finished = word { words.append(finished) }
                word = nil
            case (let open?, _) where character == open: quote = nil
            case ("\""?, "\\"):
                guard let next = characters.next() else { return nil }
                word = (word ?? "") + (next == "\"" || next == "\\" ? "" : "\\") + String(next)
            default: word = (word ?? "") + String(character)
            }
        }
        guard quote == nil else { return nil }
        if let word { words.append(word) }
        return words
    }
}
