extension JSONObject {
    /// Lays `patch` over this by the rule of PATCH (contract/patroni.md 2.6): null removes a key, two objects are
    /// merged, anything else replaces what has another printed form, new keys go to the end as they are.
    /// Returns whether anything changed.
    @discardableResult
    public mutating func merge(_ patch: JSONObject) -> Bool {
        var changed = false
        var removed: Set<String> = []
        for member in patch {
            let old = self[member.key]
            switch (old, member.value) {
            case (_, .null):
                if old != nil { removed.insert(member.key) }
            case (.object(var inner), .object(let innerPatch)):
                guard inner.merge(innerPatch) else { continue }
                self[member.key] = .object(inner)
                changed = true
            case (let old?, let new):
                guard !old.deepEquals(new) else { continue }
                self[member.key] = new
                changed = true
            case (nil, let new):
                self[member.key] = new
                changed = true
            }
        }
        guard !removed.isEmpty else { return changed }
        removeAll(removed)
        return true
    }

    /// The result of `merge`.
    public func merging(_ patch: JSONObject) -> JSONObject {
        var merged = self
        merged.merge(patch)
        return merged
    }
}
