import HACore

/// What the agent asks a simulated server for, and how it shows itself.
extension MeshServer {
    /// - Returns: whether the statement succeeded.
    func run(_ statement: MeshStatement, _ world: MeshWorld, enables: Bool = true) -> Bool {
        let now = world.now
        switch statement {
        case .createExtension, .createSet, .alterSet, .addTable, .dropNode: return true
        case .createNode(let name, _, _, _, _):
            guard contents.node == nil else { return false }
            write(.node(name), at: now)
            return true
        case .subscribe(let name, let dsn, _, _, _, _): return subscribe(name, dsn, world)
        case .kick(let names): return names.allSatisfy { run(.enable(subscription: $0), world, enables: enables) }
        case .enable(let name):
            guard var subscription = contents.subscriptions[name] else { return false }
            subscription.isEnabled = enables
            write(.subscription(subscription), at: now)
            if enables { world.startWorker(name, on: self) } else { workers[name]?.end() }
            return true
        case .dropSubscription: return false
        case .setOrigin(let name, let position):
            guard !workers.values.contains(where: { $0.holds(name) }) else { return false }
            write(.origin(slot: name, position.rawValue), at: now)
            return true
        case .copySlot, .advanceSlot, .dropSlot, .endSender, .keepOnStandbys: return runOnSlot(statement)
        }
    }

    private func runOnSlot(_ statement: MeshStatement) -> Bool {
        switch statement {
        case .copySlot(let from, let to):
            guard let slot = slots[from], slots[to] == nil else { return false }
            slots[to] = Slot(confirmed: slot.confirmed)
            return true
        case .advanceSlot(let name, let position):
            guard let slot = slots[name], slot.session == nil, position.rawValue <= self.position else { return false }
            slots[name]?.confirmed = max(slot.confirmed, position.rawValue)
            return true
        case .dropSlot(let name):
            slots[name] = nil
            return true
        case .endSender(let name):
            slots[name]?.session = nil
            return true
        default: return false
        }
    }

    /// The provider has to answer; the slot is made later, by the worker.
    private func subscribe(_ name: String, _ dsn: String, _ world: MeshWorld) -> Bool {
        let words = dsn.split(separator: " ").first?.split(separator: "=")
        guard let provider = words?.last.map(String.init), contents.subscriptions[name] == nil,
            case .open(let address) = routes[provider] ?? .shut, world.server(at: address)?.serves == true
        else { return false }
        let slot = "spk_\(MeshWorld.database)_\(provider)_\(name)"
        write(.origin(slot: slot, 0), at: world.now)
        write(.subscription(Subscription(name: name, provider: provider, dsn: dsn, slot: slot)), at: world.now)
        world.startWorker(name, on: self)
        return true
    }
}

extension MeshDatabase {
    /// What an agent reads in the database.
    init(_ server: MeshServer) {
        self.init()
        spockVersion = "5.0.9"
        protocols = 3...4
        localNode = server.contents.node
        for subscription in server.contents.subscriptions.values.sorted(by: { $0.name < $1.name }) {
            let worker = server.workers[subscription.name]
            let status = worker == nil ? "down" : subscription.isReady ? "replicating" : "initializing"
            subscriptions.append(
                Subscription(
                    name: subscription.name, provider: subscription.provider, dsn: subscription.dsn,
                    isEnabled: subscription.isEnabled, slot: subscription.slot,
                    status: subscription.isEnabled ? status : "disabled", hasWorker: worker != nil))
        }
        for (name, position) in server.contents.origins where position > 0 { origins[name] = LSN(position) }
        for (name, slot) in server.slots {
            slots[name] = Slot(
                confirmed: LSN(slot.confirmed), restart: LSN(slot.confirmed), activePID: slot.session.map(Int32.init))
        }
    }
}
