import HACore

extension Measurements {
    /// Decisions of the cluster's table, each with the rule that has to decide: where another one does, something else would
    /// be measured.
    func addDecisions() {
        func scene(_ members: Int = 3, _ changes: (inout ClusterScene) -> Void) -> ClusterView {
            var scene = ClusterScene(members: members)
            changes(&scene)
            return scene.view
        }
        func leader(_ members: Int = 3) -> ClusterView { scene(members) { $0.lead() } }

        decision("leader at rest", of: "leader.lead", leader())
        decision("replica at rest", of: "replica.follow", scene { $0.follow() })
        decision("race: whom to ask", of: "candidate.ask", scene { _ in })
        decision("race: answered", of: "candidate.acquire", scene { $0.answer() })
        var memory = decide(leader(), DecisionMemory()).memory
        let crashed = scene {
            $0.lead()
            $0.crash()
        }
        decision("leader's crash, start in place", of: "leader.crashed", crashed, memory)
        decision("leader at rest, 9 members", of: "leader.lead", leader(9))
        let synchronous = scene(9) {
            $0.lead()
            $0.synchronize()
        }
        memory.synchronousSince = LSN(1000)
        decision("leader at rest, 9 members, synchronous", of: "leader.lead", synchronous, memory)
        decision("race: answered, 9 members", of: "candidate.acquire", scene(9) { $0.answer() })
    }

    private func decision(
        _ name: String, of rule: RuleID, _ view: ClusterView, _ memory: DecisionMemory = DecisionMemory()
    ) {
        // As in the second look and all after it.
        let first = decide(view, memory)
        precondition(first.rule == rule, "\(name): \(first.rule) decides, not \(rule): \(first.reason)")
        let memory = first.memory
        add("decide: " + name) { _ in decide(view, memory) }
    }
}
