// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Works on several inputs at once, on several threads. Output stays in order: each input has a
/// turn to write.
///
/// Inputs are started in order. So the input whose turn it is has always been started, and a thread
/// that waits, waits for one that runs. The first failure ends the work at its turn, as if the
/// inputs had been processed one after another. After a failure the process has to exit: other
/// threads may still be running.
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

    /// Calls `body` for 0 ..< `count`. Throws the error of the first input that fails. `body`
    /// receives a function that waits for its turn, and must call it before it uses shared state.
    package static func run(
        _ count: Int, threads: Int, _ body: @escaping (_ index: Int, _ awaitTurn: @escaping () -> Void) throws -> Void
    ) throws {
        guard threads > 1 else {
            for index in 0..<count { try body(index) {} }
            return
        }
        var awaitTurn: (Int) -> Void = { _ in }
        let work = OrderedWork(count) { index in try body(index) { awaitTurn(index) } }
        awaitTurn = { [unowned work] in work.awaitTurn($0) }
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
                    Unmanaged<OrderedWork>.fromOpaque(raw!).takeRetainedValue().processAll()
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

    private func processAll() {
        while let index = nextIndex() {
            var thrown: (any Error)?
            do { try body(index) } catch { thrown = error }
            awaitTurn(index)
            pthread_mutex_lock(lock)
            if let thrown { failure = thrown } else { turn += 1 }
            pthread_cond_broadcast(changed)
            pthread_mutex_unlock(lock)
        }
    }

    private func nextIndex() -> Int? {
        pthread_mutex_lock(lock)
        defer { pthread_mutex_unlock(lock) }
        guard next < count, failure == nil else { return nil }
        defer { next += 1 }
        return next
    }

    /// Returns when all inputs before `index` are done. Never returns after a failure.
    private func awaitTurn(_ index: Int) {
        pthread_mutex_lock(lock)
        while turn != index || failure != nil { pthread_cond_wait(changed, lock) }
        pthread_mutex_unlock(lock)
    }
}
