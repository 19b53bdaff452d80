/// Rules about data directories that cannot simply be started.
let directoryRules: [Rule] = [
    Rule(
        "directory.release", "The lock is ours and the directory cannot be used: somebody else has to lead.",
        inPause: .always
    ) { s in
        guard let leadership = s.leadership, s.local.process == .absent, s.memory.bootstrap == nil else { return nil }
        switch s.local.directory {
        case .ready: return nil
        case .empty, .unfinished, .unusable:
            return Conclusion(
                "released leader key voluntarily as data dir empty/not accessible and currently leader",
                .release(leadership.term))
        }
    },
    Rule(
        "directory.unusable", "What is in the data directory cannot be used: say why and touch nothing.",
        inPause: .always
    ) { s in
        guard case .unusable(let reason) = s.local.directory, s.local.process == .absent else { return nil }
        return Conclusion("cannot use the data directory: " + reason, recheckAfter: .seconds(5))
    },
    Rule("directory.claim", "Existing data and no `initialize`: this is the cluster (contract 4.1 row 12).") { s in
        guard case .nobody = s.holder, let store = s.store, store.initialize == .absent, s.memory.bootstrap == nil,
            let control = s.local.control, s.ready("claim-initialize")
        else { return nil }
        return Conclusion(
            "writing the system identifier of the existing data directory",
            .claimInitialize(control.systemIdentifier), recheckAfter: .milliseconds(500))
    },
]
