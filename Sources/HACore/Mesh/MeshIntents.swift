/// What operators asked this cluster for (`spock_intents`; design/zones.md 2).
public struct MeshIntents: Hashable, Sendable {
    /// A copy of a peer's rows in the place of ours.
    public struct Resync: Hashable, Sendable, Comparable {
        public var link: MeshLink
        /// `schema.table`; nil: every table that is taken from the peer.
        public var table: String?

        public init(_ link: MeshLink, table: String? = nil) {
            self.link = link
            self.table = table
        }

        public static func < (left: Self, right: Self) -> Bool {
            left.link == right.link ? (left.table ?? "") < (right.table ?? "") : left.link < right.link
        }
    }

    public enum Stage: String, Hashable, Sendable, CaseIterable {
        case requested
        /// Our rows are gone, the peer's are on their way.
        case copying
    }

    /// One change of it, by an operator or by the leader that carries out what was asked for.
    public enum Change: Hashable, Sendable {
        case remove(String)
        /// The node may come back.
        case add(String)
        /// What is missing since this cluster's fork is not waited for any longer.
        case accept(MeshLink, Term)
        /// Also of one that is being carried out: it begins anew.
        case resync(Resync)
        case copies(Resync)
        /// - Parameter accepted: the fork whose gap the copies have filled, if one is still on record.
        case ended(Resync, accepted: Term?)
    }

    /// Nodes that are to be gone from the mesh.
    public var removed: Set<String> = []
    /// Links that go on although something is missing, each with the term of this cluster's fork: of the next fork nobody
    /// has said anything.
    public var accepted: [MeshLink: Term] = [:]
    public var resyncs: [Resync: Stage] = [:]

    public init() {}

    /// The same with a change made; equal when there is nothing to change.
    public func with(_ change: Change) -> MeshIntents {
        var intents = self
        switch change {
        case .remove(let node):
            intents.removed.insert(node)
            intents.accepted = accepted.filter { $0.key.peer != node }
            intents.resyncs = resyncs.filter { $0.key.link.peer != node }
        case .add(let node): intents.removed.remove(node)
        case .accept(let link, let term): intents.accepted[link] = term
        case .resync(let resync): intents.resyncs[resync] = .requested
        case .copies(let resync): if resyncs[resync] != nil { intents.resyncs[resync] = .copying }
        case .ended(let resync, let term):
            // Asked for again meanwhile: it is not over.
            guard resyncs[resync] == .copying else { break }
            intents.resyncs[resync] = nil
            if let term { intents.accepted[resync.link] = term }
        }
        return intents
    }

    /// What stands of copying everything from a peer.
    public func resync(of link: MeshLink) -> Stage? { resyncs[Resync(link)] }
}
