/// One direction of a connection: first in, first out, with any latency. A blocked pipe holds what arrives, as TCP does.
final class SimPipe {
    private unowned let world: SimWorld
    private var held: [() -> Void] = []
    private var blocks = 0
    private var lastArrival: Nanoseconds = 0
    private var generation = 0

    init(_ world: SimWorld) { self.world = world }

    func send(latency: Nanoseconds, _ action: @escaping () -> Void) {
        let arrival = max(world.now + latency, lastArrival)
        lastArrival = arrival
        let generation = self.generation
        world.at(arrival) { [self] in
            guard generation == self.generation else { return }
            if blocks > 0 { held.append(action) } else { action() }
        }
    }

    func block() { blocks += 1 }

    func unblock() {
        blocks -= 1
        while blocks == 0, !held.isEmpty { held.removeFirst()() }
    }

    /// The connection broke: what has not arrived never does.
    func reset() {
        generation += 1
        held = []
    }
}
