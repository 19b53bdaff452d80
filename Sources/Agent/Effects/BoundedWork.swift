/// Carries out `work` for as long as `holds`, then cancels it; what comes of it is returned in any case.
func outcome<Value: Sendable>(
    while holds: @escaping @Sendable () -> Bool, of work: @escaping @Sendable () async throws -> Value
) async -> Result<Value, any Error> {
    let work = Task { try await work() }
    let watch = Task {
        while !Task.isCancelled, holds() { try? await Task.sleep(for: .milliseconds(100), clock: .continuous) }
        work.cancel()
    }
    defer { watch.cancel() }
    return await withTaskCancellationHandler {
        await work.result
    } onCancel: {
        work.cancel()
    }
}
