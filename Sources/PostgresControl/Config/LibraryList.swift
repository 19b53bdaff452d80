/// The value of a parameter that lists libraries, in a configuration file: `a, b`, elements perhaps in double quotes.
struct LibraryList {
    private let text: String
    private let elements: [String]

    init(_ text: String) {
        self.text = text.trimmed
        var elements: [String] = []
        var element = ""
        var isQuoted = false
        for character in text {
            if character == "\"" { isQuoted.toggle() }
            if character == ",", !isQuoted {
                elements.append(element)
                element = ""
            } else if character != "\"" {
                element.append(character)
            }
        }
        self.elements = (elements + [element]).map(\.trimmed).filter { !$0.isEmpty }
    }

    /// Whatever folder and ending it is written with.
    func contains(_ library: String) -> Bool {
        elements.contains { element in
            let name = element.split(separator: "/").last.map { String($0) } ?? element
            return name == library || name == "\(library).so"
        }
    }

    /// The list as it was written, with the library at its end unless it is there.
    func with(_ library: String) -> String {
        if contains(library) { return text }
        return elements.isEmpty ? library : "\(text), \(library)"
    }
}
