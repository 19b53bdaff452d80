/// Which runs of lines two texts share, found as Python's difflib finds them, so that a diff shows the same lines as
/// `patronictl` does: the longest run first, of several the earliest, then the same on both sides of it.
struct LineMatcher {
    /// A run that both have.
    struct Block: Hashable {
        var old, new, count: Int
    }

    private let old: [String]
    private let new: [String]
    private let places: [String: [Int]]

    init(_ old: [String], _ new: [String]) {
        self.old = old
        self.new = new
        var places: [String: [Int]] = [:]
        for (index, line) in new.enumerated() { places[line, default: []].append(index) }
        // In long texts a line that is everywhere says nothing about what belongs together.
        if new.count >= 200 { places = places.filter { $0.value.count <= new.count / 100 + 1 } }
        self.places = places
    }

    /// In order, runs that touch joined, and an empty one at the end.
    var blocks: [Block] {
        var found: [Block] = []
        var regions = [(0..<old.count, 0..<new.count)]
        while let (left, right) = regions.popLast() {
            let block = longest(left, right)
            guard block.count > 0 else { continue }
            found.append(block)
            regions.append((left.lowerBound..<block.old, right.lowerBound..<block.new))
            regions.append((block.old + block.count..<left.upperBound, block.new + block.count..<right.upperBound))
        }
        var joined: [Block] = []
        for block in found.sorted(by: { ($0.old, $0.new) < ($1.old, $1.new) }) {
            if let last = joined.last, last.old + last.count == block.old, last.new + last.count == block.new {
                joined[joined.count - 1].count += block.count
            } else {
                joined.append(block)
            }
        }
        return joined + [Block(old: old.count, new: new.count, count: 0)]
    }

    private func longest(_ left: Range<Int>, _ right: Range<Int>) -> Block {
        var best = Block(old: left.lowerBound, new: right.lowerBound, count: 0)
        var lengths: [Int: Int] = [:]
        for i in left {
            var next: [Int: Int] = [:]
            for j in places[old[i]] ?? [] where right.contains(j) {
                let length = (lengths[j - 1] ?? 0) + 1
                next[j] = length
                if length > best.count { best = Block(old: i - length + 1, new: j - length + 1, count: length) }
            }
            lengths = next
        }
        // Lines that are everywhere count where they continue a run.
        while best.old > left.lowerBound, best.new > right.lowerBound, old[best.old - 1] == new[best.new - 1] {
            best = Block(old: best.old - 1, new: best.new - 1, count: best.count + 1)
        }
        while best.old + best.count < left.upperBound, best.new + best.count < right.upperBound,
            old[best.old + best.count] == new[best.new + best.count]
        {
            best.count += 1
        }
        return best
    }
}
