import HACore

/// What an agent writes for others to read.
extension SimAgent {
    /// The leader keeps `history` up to its timeline.
    private func writeHistory(_ handle: SimHandle, _ timeline: Timeline) {
        guard let store, store.hasConfig, store.historyTimeline.map({ $0 < timeline }) ?? true,
            let leadership = renewals.leadership
        else { return }
        let guards: [SimOperation] = [.check(.epoch, leadership.epochVersion), .check(.leader, 1)]
        let data = SimData.timeline(timeline)
        let write: SimOperation =
            store.historyTimeline == nil
            ? .create(.history, data, ephemeral: false) : .set(.history, data, expected: nil)
        self.store?.historyTimeline = timeline
        handle.multi(guards + [write]) { [self] _ in isDirty = true }
    }

    func writeMember(_ view: ClusterView) {
        guard let handle, handle.isConnected, isPrepared, !isWritingMember else { return }
        let sql = view.local.sql
        let member = MemberView(
            session: handle.session, reachable: true, isPrimary: view.local.isRunning && sql?.inRecovery == false,
            isRunning: view.local.isRunning && sql != nil, nofailover: policy.nofailover,
            clonefrom: node.index == 2 && world.options.offersClones, failoverPriority: policy.failoverPriority,
            timeline: sql?.timeline, position: nil,
            checkpointPending: sql?.inRecovery == false
                && (view.local.control.map { $0.timeline < sql?.timeline ?? Timeline(0) } ?? false),
            kept: node.showsKeeper && view.local.isKept)
        if member.isPrimary, let timeline = sql?.timeline { writeHistory(handle, timeline) }
        let data = SimData.member(member, epochSeen: highestEpochSeen)
        guard data != written else { return }
        isWritingMember = true
        let path = SimPath.member(node.index)
        let done: (Result<SimResult, SimFailure>) -> Void = { [self] result in
            isWritingMember = false
            guard self.handle === handle else { return }
            written = (try? result.get()) == nil ? nil : data
            if written == nil { wake() }
        }
        handle.read(watches: []) { tree in
            guard let tree else { return done(.failure(SimFailure(code: .lost))) }
            switch tree[path]?.owner {
            case nil: handle.multi([.create(path, data, ephemeral: true)], done)
            case handle.session?: handle.multi([.set(path, data, expected: nil)], done)
            default: handle.multi([.delete(path, expected: nil), .create(path, data, ephemeral: true)], done)
            }
        }
    }
}
