import Glibc

/// Work on several inputs at once, on as many threads as there are CPUs, with one voice: each input
/// has its turn to write, in order.
///
/// Inputs are taken up in order, so the one whose turn it is is always being worked on, and whoever
/// waits, waits for a thread that runs. The first failure ends everything at its turn, as if the
/// inputs had been worked on one after another. Not for work that is left alone: `run` returns or
/// throws once, and after a failure the process has to end.
package final class OrderedWork: @unchecked Sendable {
    private let count: Int
    private let body: (Int) throws -> Void
    private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    // Under the lock:
    private var next = 0
    private var turn = 0
    private var failure: (any Error)?

    private init(_ count: Int, _ body: @escaping (Int) throws -> Void) {
        self.count = count
        self.body = body
        pthread_mutex_init(lock, nil)
        pthread_cond_init(changed, nil)
    }

    /// Calls `body` for 0 ..< `count`, and throws what the first to fail throws. `body` gets a way
    /// to wait for its turn, and must have used it before it touches what others touch.
    package static func run(
        _ count: Int, threads: Int, _ body: @escaping (_ index: Int, _ awaitTurn: @escaping () -> Void) throws -> Void
    ) throws {
        guard threads > 1 else {
            for index in 0..<count { try body(index) {} }
            return
        }
        var reach: (Int) -> Void = { _ in }
        let work = OrderedWork(count) { index in try body(index) { reach(index) } }
        reach = { [unowned work] in work.awaitTurn($0) }
        try work.run(threads)
    }

    /// CPUs that this process may use.
    package static var processors: Int { max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))) }

    private func run(_ threads: Int) throws {
        for _ in 1...threads {
            var thread = pthread_t()
            let itself = Unmanaged.passRetained(self)
            let code = pthread_create(
                &thread, nil,
                { raw in
                    Unmanaged<OrderedWork>.fromOpaque(raw!).takeRetainedValue().workOff()
                    return nil
                }, itself.toOpaque())
            guard code == 0 else {
                itself.release()
                throw Failure(.cannot, "cannot start a thread: \(describe(code))")
            }
            pthread_detach(thread)
        }
        pthread_mutex_lock(lock)
        while turn < count, failure == nil { pthread_cond_wait(changed, lock) }
        let failure = failure
        pthread_mutex_unlock(lock)
        if let failure { throw failure }
    }

    private func workOff() {
        while let index = take() {
            var thrown: (any Error)?
            do { try body(index) } catch { thrown = error }
            awaitTurn(index)
            pthread_mutex_lock(lock)
            if let thrown { failure = thrown } else { turn += 1 }
            pthread_cond_broadcast(changed)
            pthread_mutex_unlock(lock)
        }
    }

    private func take() -> Int? {
        pthread_mutex_lock(lock)
        defer { pthread_mutex_unlock(lock) }
        guard next < count, failure == nil else { return nil }
        defer { next += 1 }
        return next
    }

    /// Returns when all before `index` are done; never after a failure.
    private func awaitTurn(_ index: Int) {
        pthread_mutex_lock(lock)
        while turn != index || failure != nil { pthread_cond_wait(changed, lock) }
        pthread_mutex_unlock(lock)
    }
}
