import HACore

extension MeshAction {
    /// For the log.
    var sentence: String {
        switch self {
        case .route: "writing the service file"
        case .publish: "writing what the peers read"
        case .openClients: "letting clients write"
        case .burn(let position): "moving WAL past \(position)"
        case .run(let database, let statement): "database \(database): \(statement.sentence)"
        case .copy(let copy): "database \(copy.link.database): \(copy.sentence)"
        case .amend(let change): change.sentence
        }
    }
}

extension MeshCopy {
    /// Again and again while rows come.
    var isRoutine: Bool { step == .wake }

    fileprivate var sentence: String {
        switch step {
        case .leave(let subscription, _): "dropping subscription \(subscription), to copy everything from \(link.peer)"
        case .begin(let subscription, _, _):
            "emptying the tables that \(link.peer) sends, and copying them as subscription \(subscription)"
        case .wake: "having \(link.peer) commit something, for the copy to end"
        case .table(_, let table): "emptying \(table) and copying it from \(link.peer)"
        }
    }
}

extension MeshIntents.Change {
    var sentence: String {
        switch self {
        case .remove(let node): "node \(node) is to be gone from the mesh"
        case .add(let node): "node \(node) may be in the mesh"
        case .accept(let link, _): "what is missing of \(link.peer) in database \(link.database) is accepted"
        case .resync(let resync): "\(resync.sentence) are to be copied anew"
        case .copies(let resync): "\(resync.sentence) are being copied"
        case .ended(let resync, _): "\(resync.sentence) are copied"
        }
    }
}

extension MeshIntents.Resync {
    fileprivate var sentence: String {
        "the rows of \(table ?? "every table") from \(link.peer) in database \(link.database)"
    }
}

extension MeshStatement {
    /// Done all the time while all is well.
    var isRoutine: Bool {
        if case .advanceSlot = self { true } else { false }
    }

    var sentence: String {
        switch self {
        case .createExtension: "creating the extension"
        case .createNode(let name, _, _, _, _): "creating node \(name)"
        case .createSet(let name, _): "creating replication set \(name)"
        case .alterSet(let name, _): "changing replication set \(name)"
        case .addTable(let set, let table): "adding \(table.qualified) to replication set \(set)"
        case .subscribe(let name, let dsn, _, _, _, _): "subscribing as \(name) by \(dsn)"
        case .enable(let name): "enabling subscription \(name), which was disabled on the way"
        case .kick(let names): "having \(names.joined(separator: ", ")) connect at once"
        case .dropSubscription(let name): "dropping subscription \(name)"
        case .dropNode(let name): "dropping node \(name)"
        case .setOrigin(let name, let position): "setting the progress of \(name) to \(position)"
        case .copySlot(let from, let to): "copying slot \(from) to \(to)"
        case .advanceSlot(let name, let position): "advancing slot \(name) to \(position)"
        case .dropSlot(let name): "dropping slot \(name)"
        case .keepOnStandbys(let name): "having PostgreSQL keep slot \(name) on the standbys"
        case .endSender(let name): "ending the walsender of slot \(name)"
        }
    }
}
