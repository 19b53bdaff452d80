import SystemPackage

/// Why a keeper gave no answer in time.
public enum KeeperSilence: Equatable, Sendable, CustomStringConvertible {
    /// It hangs, loops or was stopped: it enforces nothing, and is killed (rulings, Lock 9).
    case isItsOwn
    /// In the kernel, mostly for a disk. Like `noProcessor` it would not even die before it can answer again.
    case inKernel
    /// It wants to run and is not let: the machine is full.
    case noProcessor

    /// - Parameters:
    ///   - state: nil when there is no such process.
    ///   - ran: how long it ran while it was silent; nil: not known.
    init(_ state: ProcessState?, ran: Duration?) {
        switch state {
        case .uninterruptible: self = .inKernel
        case .runnable: self = ran.map { $0 < .milliseconds(5) } == true ? .noProcessor : .isItsOwn
        case .stopped, .other, nil: self = .isItsOwn
        }
    }

    public var description: String {
        switch self {
        case .isItsOwn: "it hangs"
        case .inKernel: "the kernel holds it up"
        case .noProcessor: "it gets no processor"
        }
    }

    /// On a processor, since the process began.
    static func runTime(of pid: Int32) -> Duration? {
        // Nanoseconds running, nanoseconds waiting, time slices.
        guard let text = (try? AtomicFile.read(FilePath("/proc/\(pid)/schedstat"))) ?? nil,
            let nanoseconds = text.split(separator: " ").first.flatMap({ Int64($0) })
        else { return nil }
        return .nanoseconds(nanoseconds)
    }
}

extension KeeperConnection {
    /// Nil when the keeper, process `pid`, answers one of the pings within 300 ms; more than one, since this process
    /// itself may have been stopped meanwhile. Throws `closed` when the connection is over.
    func silence(of pid: Int32, pings: Int) async throws(KeeperError) -> KeeperSilence? {
        let before = KeeperSilence.runTime(of: pid)
        for _ in 0..<pings {
            do throws(KeeperError) {
                _ = try await request("ping", [], deadline: Heartbeat.patience)
                return nil
            } catch  where error.code == .timedOut {}
        }
        let after = KeeperSilence.runTime(of: pid)
        return KeeperSilence(ProcessState(of: pid), ran: before.flatMap { before in after.map { $0 - before } })
    }
}
