import AdminModel
import Agent
internal import LocalConfiguration
import Logging
import ZooKeeper

/// Carries out `PATCH /config` and `PUT /config` (contract/patroni.md 2.6): writes the cluster's document, which every
/// member follows as soon as its watch says so.
struct ConfigChange: Sendable {
    let trees: TreeReads
    let actions: ClusterActions
    let logger: Logger

    /// Merges into what is there, and writes the result only over that.
    func patch(_ patch: JSONObject) async -> Answer {
        await trees.answer { tree in
            guard let old = tree.config, let version = tree.configVersion else {
                return .page(503, "No dynamic configuration in the cluster")
            }
            var document = old
            guard document.merge(patch) else { return .json(200, .object(old)) }
            if let refusal = Self.refusal(document, after: old) { return refusal }
            do { try await actions.configure(document, .exactly(version)) } catch let error as ZooKeeperError
                where [.badVersion, .noNode].contains(error.code)
            {
                return .page(409, "The configuration was changed by somebody else meanwhile")
            } catch {
                return .failure(503, "cannot write the configuration to ZooKeeper: \(error)")
            }
            note(patch)
            return .json(200, .object(document))
        }
    }

    /// Takes the place of whatever is there.
    func put(_ document: JSONObject) async -> Answer {
        await trees.answer { tree in
            // What cannot be read is no document that the new one could be equal to.
            let old = tree.configVersion == nil ? nil : tree.config
            if let old, old.deepEquals(document) { return .json(200, .object(document)) }
            if let refusal = Self.refusal(document, after: old ?? [:]) { return refusal }
            do { try await actions.configure(document, .any) } catch {
                return .page(502, "The configuration cannot be written to ZooKeeper: \(error)")
            }
            note(document)
            return .json(200, .object(document))
        }
    }

    /// Names what this agent would refuse to follow; what was there before is not this request's matter.
    private static func refusal(_ document: JSONObject, after old: JSONObject) -> Answer? {
        let known = DynamicConfig.unsupported(in: old)
        let problems = DynamicConfig.unsupported(in: document).filter { !known.contains($0) }
        return problems.isEmpty ? nil : .page(400, problems.map(\.description).joined(separator: "; "))
    }

    /// Only keys: values may be secrets.
    private func note(_ change: JSONObject) {
        let keys = JSONValue.array(change.keys.prefix(20).map { .string($0) })
        logger.notice("the dynamic configuration was changed by a request: \(keys.text(.spaced))")
    }
}
