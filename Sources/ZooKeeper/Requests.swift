import CZooKeeper

/// The requests. Each ends at its deadline at the latest: the library itself waits for a server for as long as the
/// session may live. A request that reached its deadline may still be sent, so a write is then `unknown`.
///
/// All throw ``ZooKeeperError``: what its `Code` names, with `outcome` saying whether a write may have happened.
extension ZooKeeperSession {
    /// Creates a znode with the configuration's access control; its Stat has the czxid.
    /// - Throws: `.nodeExists`, `.noNode` (no parent), `.noChildrenForEphemerals`.
    @discardableResult
    public func create(
        _ path: ZNodePath, _ data: [UInt8] = [], mode: CreateMode = .persistent, access: AccessControl? = nil,
        deadline: Duration
    ) async throws(ZooKeeperError) -> ZNodeStat {
        let control = access ?? accessControl
        let reply = try await perform(path, changes: true, deadline: deadline) { handle, context in
            data.withCharacters { characters, count in
                control.withVector {
                    zoo_acreate2(
                        handle, path.description, characters, count, $0, mode.flags, Completions.created, context)
                }
            }
        }
        return try stat(reply, path)
    }

    /// Replaces the data.
    /// - Throws: `.noNode`, `.badVersion`.
    @discardableResult
    public func set(
        _ path: ZNodePath, _ data: [UInt8], expecting: ExpectedVersion, deadline: Duration
    ) async throws(ZooKeeperError) -> ZNodeStat {
        let reply = try await perform(path, changes: true, deadline: deadline) { handle, context in
            data.withCharacters { characters, count in
                zoo_aset(handle, path.description, characters, count, expecting.raw, Completions.stat, context)
            }
        }
        return try stat(reply, path)
    }

    /// Deletes a znode without children.
    /// - Throws: `.noNode`, `.badVersion`, `.notEmpty`.
    public func delete(
        _ path: ZNodePath, expecting: ExpectedVersion, deadline: Duration
    ) async throws(ZooKeeperError) {
        _ = try await perform(path, changes: true, deadline: deadline) { handle, context in
            zoo_adelete(handle, path.description, expecting.raw, Completions.void, context)
        }
    }

    /// Carries out all operations or none, in their order. An empty list gives an empty result.
    /// - Throws: the error of the first operation that failed, with its index in `failedOperation` and its path.
    @discardableResult
    public func multi(
        _ operations: [Operation], deadline: Duration
    ) async throws(ZooKeeperError) -> [OperationResult] {
        guard !operations.isEmpty else { return [] }
        let results = TransactionResults(operations)
        let control = accessControl
        _ = try await perform(nil, changes: true, results: results, deadline: deadline) { handle, context in
            results.submit(to: handle, control, context)
        }
        return results.successes()
    }

    /// Lets the server that serves us catch up with the ZooKeeper leader: what is read after it is at least as new as
    /// its sending.
    public func sync(_ path: ZNodePath, deadline: Duration) async throws(ZooKeeperError) {
        _ = try await perform(path, changes: false, deadline: deadline) { handle, context in
            zoo_async(handle, path.description, Completions.string, context)
        }
    }

    /// Creates what is missing of the path above and the path itself: persistent and empty. One deadline for each step.
    public func createParents(_ path: ZNodePath, deadline: Duration) async throws(ZooKeeperError) {
        var missing: [ZNodePath] = []
        var next: ZNodePath? = path
        while let node = next, node != .root, try await exists(node, deadline: deadline) == nil {
            missing.append(node)
            next = node.parent
        }
        for node in missing.reversed() {
            do throws(ZooKeeperError) {
                try await create(node, deadline: deadline)
            } catch  where error.code == .nodeExists {
                continue  // somebody else wanted the same
            }
        }
    }

    private func stat(_ reply: Reply, _ path: ZNodePath) throws(ZooKeeperError) -> ZNodeStat {
        guard case .stat(let stat) = reply.body else {
            throw ZooKeeperError(.marshalling, path: path, outcome: .unknown)
        }
        return stat
    }
}

extension [UInt8] {
    /// Lends the bytes as C's characters. An empty array must not become a null pointer: that would be "no data".
    fileprivate func withCharacters(_ body: (UnsafePointer<CChar>?, Int32) -> Int32) -> Int32 {
        guard !isEmpty else { return withUnsafePointer(to: CChar(0)) { body($0, 0) } }
        return withUnsafeBytes { body($0.baseAddress?.assumingMemoryBound(to: CChar.self), Int32(clamping: count)) }
    }
}
