import HACore
import LibPQ
import Testing

@testable import PostgresControl

struct SpockStepTests {
    @Test(arguments: [
        ("4.0.11", ""), ("5.0.0", ", true"), ("5.0.1", ", true"), ("5.0.2", ", true, '{}'::text[]"),
        ("5.0.11", ", true, '{}'::text[]"), ("6.0.0-devel", ", true, '{}'::text[]"), ("6", ", true, '{}'::text[]"),
    ])
    func subscribesWithEveryArgumentOfItsVersion(version: String, more: String) {
        let step = SpockStep.subscribe(
            "s", "service=b", sets: ["default", "a\"b"], structure: true, data: false, forwardOrigins: [],
            SpockVersion(version))
        #expect(
            step.act.sql
                == "SELECT spock.sub_create($1, $2, $3::text[], $4, $5, $6::text[], '0'::interval, false\(more))")
        #expect(step.act.parameters == ["s", "service=b", #"{"default","a\"b"}"#, "true", "false", "{}"])
    }

    @Test func versionsAreComparedByNumber() {
        #expect(SpockVersion("5.0.9") < SpockVersion("5.0.10") && SpockVersion("4.0.12") < SpockVersion("5.0.0"))
        #expect(!SpockVersion("4.0.11").tellsWorkers && SpockVersion("5.0.0").tellsWorkers)
    }

    @Test(arguments: [
        ("service=b dbname=app", "service=b dbname=app"),
        ("host=h  password=x user=u", "host=h user=u"),
        ("host=h password='it\\'s a' sslpassword=k", "host=h"),
        ("postgresql://u:pw@h/app", "user=u host=h dbname=app"),
        ("host", "(not a connection string)"),
    ])
    func connectionStringsAreShownWithoutSecrets(dsn: String, shown: String) {
        let parts = { (text: String) in Set(text.split(separator: " ")) }
        let result = DSNText.withoutSecrets(dsn)
        #expect(dsn == shown ? result == dsn : parts(result) == parts(shown))
    }

    @Test(arguments: [
        ("dsn \"host=h password=x\" differs", "dsn \"host=h password=***\" differs"),
        ("password = 'a \\' b' user=u", "password = *** user=u"),
        ("at postgresql://u:p@h/d and sslpassword=k.", "at postgresql://u:***@h/d and sslpassword=***"),
        ("no password given", "no password given"),
    ])
    func messagesAreShownWithoutSecrets(message: String, shown: String) {
        #expect(DSNText.redacted(message) == shown)
    }
}
