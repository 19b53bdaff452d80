import Support
import SystemPackage

enum FileName {
    static func promote(in member: KeeperProgram) -> FilePath { FilePath("\(member.data)/promote") }
    static func missing(in member: KeeperProgram) -> String { member.folder.path("no-such-program") }
}

extension KeeperProgram {
    var dataPath: FilePath { FilePath(data) }
}
