import HACore
import Testing

@testable import Simulation

/// The lease, in every order of events that a small world has (design/lock.md 2; the world: `LeaseModel`).
@Suite("Exhaustive search: the lease", .timeLimit(.minutes(5)))
struct LeaseSearchTests {
    @Test(
        "Formulas that look right are violated",
        arguments: [
            LeaseSetting("counted from the acknowledgement") { $0.rule = .fromAcknowledgement },
            LeaseSetting("counted from the sending") { $0.rule = .fromSending },
            LeaseSetting("from the sending less a ping and a pause, T 6") {
                $0.rule = .fromSendingLessPing
                $0.timeout = 6
            },
            LeaseSetting("from the sending less a ping and a pause, T 6, two in flight") {
                $0.rule = .fromSendingLessPing
                $0.timeout = 6
                $0.inFlight = 2
            },
            LeaseSetting("anchored without k") { $0.rule = .withoutThirdLeg },
            LeaseSetting("anchored without the gap") { $0.rule = .withoutGap },
            LeaseSetting("anchored, two in flight, after by equal clock values") { $0.inFlight = 2 },
            LeaseSetting("anchored, drift without a margin") { $0.drifts = true },
        ])
    func violated(setting: LeaseSetting) {
        let result = search(setting)
        print(result)
        #expect(result.isViolated, "the search does not show what is wrong: \(result)")
    }

    @Test(
        "The anchored lease holds",
        arguments: [
            LeaseSetting("anchored, T 5"),
            LeaseSetting("anchored, T 6") { $0.timeout = 6 },
            LeaseSetting("anchored, T 7") { $0.timeout = 7 },
            LeaseSetting("anchored, T 5, gap 2") { $0.gap = 2 },
            LeaseSetting("anchored, T 5, pause 2") { $0.pause = 2 },
            LeaseSetting("anchored, T 5, two in flight, strictly after") {
                $0.rule = .anchoredStrictly
                $0.inFlight = 2
            },
            LeaseSetting("anchored, T 5, one change of the ZooKeeper leader") { $0.leaderChanges = 1 },
            LeaseSetting("anchored, T 5, one reconnect") { $0.reconnects = 1 },
            LeaseSetting("anchored, drift, margin of one unit") {
                $0.drifts = true
                $0.margin = 1
            },
        ])
    func holds(setting: LeaseSetting) {
        let result = search(setting)
        print(result)
        #expect(!result.isViolated, "\(result.explanation)")
        #expect(result.exhausted)
    }

    @Test("On random ways through its world the model's lease is the product's, renewal by renewal")
    func agrees() {
        let setting = LeaseSetting("random") {
            $0.timeout = 8
            $0.reconnects = 3
            $0.shorterTimeout = 5
            $0.leaderChanges = 1
        }
        let model = LeaseModel(setting)
        var proofs = 0
        for seed in 0..<4000 as Range<UInt64> {
            let dice = Dice(seed: seed)
            var product = ProductLease(setting)
            var state = model.initial[0]
            for _ in 0..<120 {
                var steps: [SearchStep] = []
                model.addSteps(from: state, to: &steps)
                guard !steps.isEmpty else { break }
                let step = dice.pick(steps)
                guard let label = LeaseModel.Label(rawValue: step.label), label != .expire else { break }
                // Time and breaks come seldom enough that renewals prove something.
                let isCalm = [.followerReads, .leaderReads, .request, .look, .send].contains(label)
                if !isCalm, dice.chance(70) { continue }
                product.follow(label)
                if label == .look, LeaseState(step.state).leaseLeft > LeaseState(state).leaseLeft { proofs += 1 }
                state = step.state
                #expect(LeaseState(state).leaseLeft == product.left, "seed \(seed), \(label)")
            }
        }
        #expect(proofs > 100, "the ways prove too little: \(proofs)")
    }

    @Test("A shorter timeout on reconnect (T 5, then 3): safe from the moment that the agent knows of it")
    func shorter() {
        let safe = search(
            LeaseSetting("T 5, a reconnect with T' 3") {
                $0.reconnects = 1
                $0.shorterTimeout = 3
            })
        print(safe)
        #expect(!safe.isViolated, "\(safe.explanation)")
        #expect(safe.exhausted)
        let window = search(
            LeaseSetting("T 5, a reconnect with T' 3, before the agent knows") {
                $0.reconnects = 1
                $0.shorterTimeout = 3
                $0.countsUnknownShorter = true
            })
        print(window.explanation)
        #expect(window.isViolated, "no window is left: say so where lock.md 2.4 says that one remains")
    }
}

/// The product's lease, from the beginning of a way to its end, at whole seconds.
private struct ProductLease {
    private let setting: LeaseSetting
    private var lease: AnchoredLease
    private var now = Instant(nanoseconds: 1_000_000_000_000)
    private var sent: [Instant] = []
    private var lastAcknowledged: Instant
    private var asksShorter = false
    private var generation: UInt64 = 1

    init(_ setting: LeaseSetting) {
        self.setting = setting
        lastAcknowledged = now
        lease = AnchoredLease(
            session: 1, terms: LeaseChain.terms(timeout: setting.timeout, margin: 0, gap: setting.gap), generation: 1,
            handshake: now)
    }

    var left: UInt8 {
        lease.provenUntil <= now ? 0 : UInt8(((lease.provenUntil - now).nanoseconds + 999_999_999) / 1_000_000_000)
    }

    mutating func follow(_ label: LeaseModel.Label) {
        switch label {
        case .tick: now = now + .seconds(1)
        case .send: sent.append(now)
        case .look:
            lastAcknowledged = sent.removeFirst()
            lease.acknowledged(sentAt: lastAcknowledged, acknowledgedAt: now, generation: generation)
        case .disconnect, .disconnectElsewhere, .shorter, .leaderChange:
            sent = []
            asksShorter = label == .shorter
        case .connected:
            let timeout = asksShorter ? setting.shorterTimeout : setting.timeout
            reconnect(timeout: .seconds(Int64(timeout)), handshake: lastAcknowledged)
        default: break
        }
    }

    private mutating func reconnect(timeout: Duration, handshake: Instant) {
        generation += 1
        let units = UInt8(timeout.nanoseconds / 1_000_000_000)
        lease.reconnected(
            generation: generation, terms: LeaseChain.terms(timeout: units, margin: 0, gap: setting.gap),
            handshake: handshake)
    }
}
