/// The difference of two texts as `diff -u` shows it, with three lines around each change and without file names.
package struct UnifiedDiff: Sendable {
    /// Each without a line break; empty when the texts are equal.
    package let lines: [String]

    package init(_ old: String, _ new: String) {
        let (old, new) = (Self.lines(of: old), Self.lines(of: new))
        let hunks = Self.hunks(LineMatcher(old, new).blocks, old.count, new.count)
        var lines = hunks.isEmpty ? [] : ["--- ", "+++ "]
        for hunk in hunks {
            guard let first = hunk.first, let last = hunk.last else { continue }
            let range = (
                old: Self.range(first.old.lowerBound..<last.old.upperBound),
                new: Self.range(first.new.lowerBound..<last.new.upperBound)
            )
            lines.append("@@ -\(range.old) +\(range.new) @@")
            for part in hunk {
                if part.isEqual {
                    lines += old[part.old].map { " " + $0 }
                } else {
                    lines += old[part.old].map { "-" + $0 } + new[part.new].map { "+" + $0 }
                }
            }
        }
        self.lines = lines
    }

    private struct Part {
        var isEqual: Bool
        var old, new: Range<Int>
    }

    private static let context = 3

    private static func lines(of text: String) -> [String] {
        var text = text[...]
        while text.last == "\n" { text.removeLast() }
        return text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    }

    /// Changes that lie close share a hunk.
    private static func hunks(_ blocks: [LineMatcher.Block], _ oldCount: Int, _ newCount: Int) -> [[Part]] {
        var parts: [Part] = []
        var (old, new) = (0, 0)
        for block in blocks {
            if old < block.old || new < block.new {
                parts.append(Part(isEqual: false, old: old..<block.old, new: new..<block.new))
            }
            (old, new) = (block.old + block.count, block.new + block.count)
            if block.count > 0 { parts.append(Part(isEqual: true, old: block.old..<old, new: block.new..<new)) }
        }
        guard parts.contains(where: { !$0.isEqual }) else { return [] }
        if let first = parts.first, first.isEqual { parts[0] = suffix(first) }
        if let last = parts.last, last.isEqual { parts[parts.count - 1] = prefix(last) }
        var hunks: [[Part]] = [[]]
        for part in parts {
            if part.isEqual, part.old.count > 2 * context {
                hunks[hunks.count - 1].append(prefix(part))
                hunks.append([suffix(part)])
            } else {
                hunks[hunks.count - 1].append(part)
            }
        }
        return hunks
    }

    private static func prefix(_ part: Part) -> Part {
        let count = min(context, part.old.count)
        return Part(
            isEqual: true, old: part.old.lowerBound..<part.old.lowerBound + count,
            new: part.new.lowerBound..<part.new.lowerBound + count)
    }

    private static func suffix(_ part: Part) -> Part {
        let count = min(context, part.old.count)
        return Part(
            isEqual: true, old: part.old.upperBound - count..<part.old.upperBound,
            new: part.new.upperBound - count..<part.new.upperBound)
    }

    /// First line and number of lines, counted from 1; an empty range names the line before it.
    private static func range(_ range: Range<Int>) -> String {
        switch range.count {
        case 0: "\(range.lowerBound),0"
        case 1: "\(range.lowerBound + 1)"
        default: "\(range.lowerBound + 1),\(range.count)"
        }
    }
}
