import AdminModel
import ArgumentParser
import Control
import HACore

struct Version: ClusterCommand {
    static let configuration = configure("version", "Print the versions of the members and of their PostgreSQL")

    @Argument(help: "The cluster; none: only the version whose output this program has")
    var clusterName: String?

    @Argument(help: "The members; all unless given")
    var memberNames: [String] = []

    @OptionGroup var group: GroupOption

    func run(_ context: Context) async throws {
        Console.out("patronictl version \(MatriarchVersion.patroni)")
        guard let clusterName else { return }
        Console.out("")
        let tree = try await context.store(clusterName) { try await $0.read() }
        try await context.rest { rest in
            for member in tree.members where member.record.apiURL != nil {
                guard memberNames.isEmpty || memberNames.contains(member.name.rawValue) else { continue }
                do {
                    let answer = try JSONParser.parse(try await rest.send("GET", to: member).body)
                    let version = answer["patroni"]?["version"] ?? .null
                    let postgres = answer["server_version"]?.asInt.map { " PostgreSQL \(Self.text($0))" } ?? ""
                    Console.out("\(member.name): Patroni \(version.pythonText)\(postgres)")
                } catch {
                    Console.out("\(member.name): failed to get version: \(error)")
                }
            }
        }
    }

    /// 150020 is 15.20.
    private static func text(_ number: Int64) -> String { "\(number / 10_000).\(number % 10_000)" }
}
