import AdminModel
import Hummingbird

/// What a request is answered with, before it is put into HTTP.
struct Answer: Sendable {
    var code: Int
    var body = ""
    var contentType: String?
    /// The headers of `restapi.http_extra_headers` go with documents, not with error pages and bare codes.
    var takesExtraHeaders = false
    var closesConnection = false
    var isChallenge = false

    /// A status and nothing else: probes, `HEAD` and `OPTIONS`.
    static func bare(_ code: Int) -> Answer { Answer(code: code) }

    static func json(_ code: Int, _ value: JSONValue) -> Answer { json(code, text: value.text(.spaced)) }

    static func json(_ code: Int, text: String) -> Answer {
        Answer(code: code, body: text, contentType: "application/json", takesExtraHeaders: true)
    }

    /// A JSON error for what cannot be answered now.
    static func failure(_ code: Int, _ message: String) -> Answer { .json(code, ["error": .string(message)]) }

    /// A sentence for people, as the endpoints that change something answer.
    static func text(_ code: Int, _ message: String) -> Answer {
        Answer(code: code, body: message, contentType: "text/html", takesExtraHeaders: true)
    }

    static func plain(_ code: Int, _ text: String) -> Answer {
        Answer(code: code, body: text, contentType: "text/plain", takesExtraHeaders: true)
    }

    /// Asks for a name and a password.
    static func challenge(_ message: String) -> Answer {
        var answer = text(401, message)
        answer.isChallenge = true
        return answer
    }

    static func page(_ code: Int, _ message: String) -> Answer {
        Answer(
            code: code, body: ErrorPage.html(code, message), contentType: "text/html;charset=utf-8",
            closesConnection: true)
    }

    func response(_ common: CommonHeaders.Values) -> Response {
        var headers = HTTPFields()
        headers[.server] = common.server
        headers[.date] = common.date
        headers[.contentType] = contentType
        if isChallenge { headers[.wwwAuthenticate] = "Basic realm=\"Patroni\"" }
        if closesConnection { headers[.connection] = "close" }
        if takesExtraHeaders { for field in common.extra { headers[field.name] = field.value } }
        return Response(
            status: HTTPResponse.Status(code: code), headers: headers,
            body: body.isEmpty ? ResponseBody() : ResponseBody(byteBuffer: ByteBuffer(string: body)))
    }
}
