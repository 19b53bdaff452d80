/// The HTML page of an error that has no document of its own (contract/patroni.md 2.1): clients read the code and, of
/// 501, one phrase in it.
enum ErrorPage {
    static func html(_ code: Int, _ message: String) -> String {
        """
        <!DOCTYPE html>
        <html lang="en">
        <head><meta charset="utf-8"><title>\(code) \(reason(code))</title></head>
        <body>
        <h1>\(code) \(reason(code))</h1>
        <p>\(escaped(message))</p>
        </body>
        </html>

        """
    }

    static func reason(_ code: Int) -> String {
        switch code {
        case 400: "Bad Request"
        case 409: "Conflict"
        case 411: "Length Required"
        case 413: "Content Too Large"
        case 501: "Not Implemented"
        case 502: "Bad Gateway"
        case 503: "Service Unavailable"
        default: "Error"
        }
    }

    private static func escaped(_ text: String) -> String {
        var result = ""
        for character in text {
            switch character {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            default: result.append(character)
            }
        }
        return result
    }
}
