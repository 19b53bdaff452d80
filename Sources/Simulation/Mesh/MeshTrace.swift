import HACore

/// Decisions in a line, for traces.
enum MeshTrace {
    static func line(_ decision: MeshDecision) -> String { decision.actions.map(line).joined(separator: ", ") }

    static func line(_ action: MeshAction) -> String {
        switch action {
        case .route(let routes):
            "route " + routes.sorted { $0.key < $1.key }.map { "\($0.key)=\(line($0.value))" }.joined(separator: " ")
        case .publish(let record): "publish \(line(record))"
        case .openClients: "open to clients"
        case .burn(let past): "burn past \(past.rawValue)"
        case .run(_, let statement): "\(statement)"
        case .copy(let copy): "copy \(copy.step)"
        case .amend(let change): "amend \(change)"
        }
    }

    private static func line(_ route: MeshRoute) -> String {
        switch route {
        case .shut: "shut"
        case .open(let address): "\(address.host):\(address.port)"
        }
    }

    private static func line(_ record: MeshRecord) -> String {
        var words = ["\(record.state)", "tl \(record.timeline)"]
        if let fork = record.fork { words.append("fork \(fork.term)@\(fork.position.rawValue)") }
        if let at = record.fork?.openedAt { words.append("opened \(at.rawValue)") }
        for (link, word) in record.links.sorted(by: { $0.key < $1.key }) {
            var text = "[\(link.peer): origin \(word.origin?.rawValue ?? 0)"
            if let answered = word.answered { text += " answered \(answered)" }
            if let safe = word.safe { text += " safe \(safe.confirmed.rawValue)@\(safe.position.rawValue)" }
            if let confirmed = word.confirmed { text += " slot \(confirmed.rawValue)" }
            if let rewind = word.rewind {
                text += " rewind \(rewind.term) \(rewind.isDone ? "done" : "begun")"
                if let gap = rewind.gap { text += " gap \(gap.from.rawValue)-\(gap.to.rawValue)" }
            }
            if word.kick { text += " kick" }
            words.append(text + "]")
        }
        if !record.findings.isEmpty { words.append("findings \(record.findings.map { "\($0.kind) \($0.link.peer)" })") }
        return words.joined(separator: " ")
    }
}
