public import HACore

/// What a world of zones is made of, and what goes wrong in it.
public struct MeshOptions: Sendable {
    public enum Fault: String, Sendable, CaseIterable {
        case failOver, handOver, doubleFailOver, restart, newTimeline, leadAgain, agentCrash, agentAway, standbyDown,
            lag, cut, cutAndFailOver, late, kick, vacuum
    }

    /// Kinds of worlds, each with the faults that belong together.
    public enum Kind: String, Sendable, CaseIterable {
        case mixed, failOvers, agentsDie, silent, both, gentle, noHold, noSlots, heavy, budgets, sockets
    }

    public var zones = 3
    public var faults = 8
    public var kinds = Fault.allCases
    /// Of a hundred actions.
    public var failingActions = 2
    public var unreadable = 1
    public var holdSlots = true
    public var onGap = MeshSettings.GapPolicy.rewindOrHold
    /// Bytes of WAL.
    public var rowSize: UInt64 = 100
    public var holdMaxWAL: UInt64 = 4 << 30
    public var slotMaxWAL: UInt64?
    /// Standbys never get copies of slots.
    public var losesSlots = false
    public var weakness: MeshWeakness?

    public init() {}

    public init(_ kind: Kind) {
        switch kind {
        case .mixed: break
        case .failOvers:
            faults = 10
            kinds = [.failOver, .failOver, .lag, .vacuum, .agentCrash, .standbyDown]
        case .agentsDie:
            faults = 14
            kinds = [.failOver, .handOver, .agentCrash, .agentCrash, .restart, .newTimeline, .leadAgain, .kick]
            failingActions = 10
        case .silent:
            faults = 10
            kinds = [.failOver, .agentAway, .agentAway, .late, .lag, .failOver]
        case .both:
            kinds = [.doubleFailOver, .lag, .vacuum, .agentCrash]
            faults = 6
        case .gentle:
            kinds = [.handOver, .restart, .leadAgain, .kick, .cut]
            failingActions = 0
        case .noHold:
            kinds = [.failOver, .handOver, .lag, .agentCrash]
            holdSlots = false
            onGap = .continue
        case .heavy:
            // More WAL than the margin allows for a peer that is silent.
            rowSize = 3 << 20
            faults = 10
            kinds = [.failOver, .agentAway, .agentAway, .late, .lag, .failOver]
        case .budgets:
            rowSize = 1 << 20
            holdMaxWAL = 150 << 20
            slotMaxWAL = 200 << 20
            kinds = [.failOver, .handOver, .cut, .standbyDown, .lag, .agentAway, .agentCrash]
        case .sockets:
            kinds = [.cutAndFailOver, .lag, .standbyDown, .agentCrash]
            faults = 12
            failingActions = 0
        case .noSlots:
            kinds = [.failOver, .agentCrash, .lag]
            faults = 3
            losesSlots = true
        }
    }
}

/// A guard left out: some seed has to miss it.
public enum MeshWeakness: String, Sendable, CaseIterable {
    /// WAL is taken to be beyond whatever the peers have.
    case noBurn
    /// A gated cluster takes what peers last said for their answer.
    case noWaiting
    /// A peer answers while its worker runs.
    case workerStays
    /// A worker goes on whatever the peer's slot has confirmed.
    case noRewind
    /// The hold slot follows the real one.
    case holdUnproved
    /// Clients write before the tree says so.
    case openEarly
    /// A kick is not on record.
    case kickUnrecorded
    /// A late answer is not compared with where the peer opened.
    case noSettingBack
    /// The slot's former user is left alone when it goes back.
    case senderStays
    /// A promoted standby takes its copy of a slot for one that went back.
    case copyTrusted
    /// Of several promotions of a peer only the last counts.
    case forksForgotten
}
