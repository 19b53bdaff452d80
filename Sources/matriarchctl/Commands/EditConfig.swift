import AdminModel
import ArgumentParser
import Control
import Foundation

struct EditConfig: ClusterCommand {
    static let configuration = configure("edit-config", "Edit the configuration of the cluster")

    @OptionGroup var cluster: ClusterArgument

    @Flag(name: .shortAndLong, help: "Do not show changes")
    var quiet = false

    @Option(
        name: [.customShort("s", allowingJoined: true), .long],
        help: "Set a value: key.below=value, repeatable; null removes the key")
    var set: [String] = []

    @Option(
        name: [.customShort("p", allowingJoined: true), .long],
        help: "Set a parameter of PostgreSQL, repeatable: short for -s postgresql.parameters.")
    var pg: [String] = []

    @Option(help: "Lay this file over the configuration; - for stdin", completion: .file())
    var apply: String?

    @Option(help: "Replace the configuration by this file; - for stdin", completion: .file())
    var replace: String?

    @OptionGroup var force: ForceOption

    func run(_ context: Context) async throws {
        let scope = try context.scope(cluster.clusterName)
        try await context.store(scope) { store in
            let tree = try await store.read()
            guard let config = tree.config, let version = tree.configVersion else {
                throw ControlError("The config key does not exist in the cluster \(scope)")
            }
            let before = ConfigEdit.text(config)
            let (changed, after) = try changes(config) ?? Editor.edit(before, scope: scope)
            guard !ConfigEdit.isSame(.object(config), .object(changed)) else {
                if !quiet { Console.out("Not changed") }
                return
            }
            if !quiet { show(UnifiedDiff(before, after)) }
            if [apply, replace].contains("-"), !force.force {
                return Console.out("Use --force option to apply changes")
            }
            guard try force.force || Console.confirm("Apply these changes?") else { return }
            guard try await store.setConfig(changed, expecting: version) else {
                throw ControlError("Config modification aborted due to concurrent changes")
            }
            Console.out("Configuration changed")
        }
    }

    /// What the options make of it; nil without any.
    private func changes(_ config: JSONObject) throws -> (JSONObject, String)? {
        guard replace != nil || apply != nil || !set.isEmpty || !pg.isEmpty else { return nil }
        var changed = config
        if let replace { changed = try ConfigEdit.apply(InputFile.text(replace), source: replace, to: [:]) }
        if let apply { changed = try ConfigEdit.apply(InputFile.text(apply), source: apply, to: changed) }
        let parameters = pg.map { "postgresql.parameters." + $0.drop(while: \.isWhitespace) }
        changed = try ConfigEdit.set(set + parameters, in: changed)
        return (changed, ConfigEdit.text(changed))
    }

    private func show(_ diff: UnifiedDiff) {
        for line in diff.lines { Console.out(Console.isTerminal ? Self.coloured(line) : line) }
    }

    private static func coloured(_ line: String) -> String {
        let colour =
            switch line.first {
            case "+": 32
            case "-": 31
            case "@": 36
            default: 0
            }
        return colour == 0 ? line : "\u{1B}[\(colour)m\(line)\u{1B}[0m"
    }
}

/// The user's own program for texts: `$EDITOR`, or else `editor` or `vi`.
enum Editor {
    static func edit(_ text: String, scope: String) throws -> (JSONObject, String) {
        let name = scope.replacing("/", with: "_") + "-config-XXXXXX.yaml"
        var template = Array((NSTemporaryDirectory() + name).utf8CString)
        let descriptor = mkstemps(&template, 5)
        let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        guard descriptor >= 0 else { throw ControlError("cannot write \(path): \(String(cString: strerror(errno)))") }
        defer { unlink(path) }
        let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        try file.write(contentsOf: Data(text.utf8))
        try file.close()
        // By the shell, so that EDITOR may have arguments.
        let editor = Process()
        editor.executableURL = URL(filePath: "/bin/sh")
        let found = "for name in editor vi; do command -v $name >/dev/null && exec $name \"$1\"; done; exit 127"
        editor.arguments = ["-c", environment()["EDITOR"].map { "\($0) \"$1\"" } ?? found, "sh", path]
        try editor.run()
        editor.waitUntilExit()
        switch editor.terminationStatus {
        case 0: break
        case 127: throw ControlError("EDITOR environment variable is not set. editor or vi are not available")
        case let code: throw ControlError("Editor exited with return code \(code)")
        }
        let after = try InputFile.text(path)
        return (try ConfigEdit.map(after, source: "the edited configuration"), after)
    }
}
