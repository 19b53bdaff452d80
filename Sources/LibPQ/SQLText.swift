/// Quoting for the statements that take no parameters.
public enum SQLText {
    /// `"name"`.
    public static func identifier(_ name: String) -> String {
        "\"" + name.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
    }

    /// `E'text'`: right whatever `standard_conforming_strings` is.
    public static func literal(_ text: String) -> String {
        var quoted = "E'"
        for character in text.unicodeScalars {
            if character == "'" || character == "\\" { quoted.unicodeScalars.append(character) }
            quoted.unicodeScalars.append(character)
        }
        return quoted + "'"
    }

    /// `{"a","b"}`: the text of an array of texts, for a parameter.
    public static func array(_ elements: [String]) -> String {
        let quoted = elements.map { element in
            var text = "\""
            for character in element.unicodeScalars {
                if character == "\"" || character == "\\" { text.unicodeScalars.append("\\") }
                text.unicodeScalars.append(character)
            }
            return text + "\""
        }
        return "{" + quoted.joined(separator: ",") + "}"
    }
}
