// SPDX-License-Identifier: Apache-2.0
import Glibc
import Testing

@testable import Commands

/// Tests that work on several threads keeps its order and stops at the first failure.
@Suite("Ordered work")
struct OrderedWorkTests {
    private final class Log: @unchecked Sendable {
        private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
        private var entries: [Int] = []

        init() { pthread_mutex_init(lock, nil) }

        func append(_ entry: Int) {
            pthread_mutex_lock(lock)
            entries.append(entry)
            pthread_mutex_unlock(lock)
        }

        var all: [Int] {
            pthread_mutex_lock(lock)
            defer { pthread_mutex_unlock(lock) }
            return entries
        }
    }

    @Test(arguments: [1, 2, 8])
    func outputStaysInOrder(_ threads: Int) throws {
        let log = Log()
        try OrderedWork.run(40, threads: threads) { index, awaitTurn in
            // The first inputs take longest.
            usleep(UInt32(40 - index) * 50)
            awaitTurn()
            log.append(index)
        }
        #expect(log.all == Array(0..<40))
    }

    @Test(arguments: [1, 4])
    func theFirstFailureEndsEverythingAtItsTurn(_ threads: Int) {
        let log = Log()
        #expect {
            try OrderedWork.run(20, threads: threads) { index, awaitTurn in
                if index == 5 || index == 7 { throw Failure(.cannot, "\(index)") }
                awaitTurn()
                log.append(index)
            }
        } throws: { ($0 as? Failure)?.message == "5" }
        #expect(log.all == Array(0..<5))
    }

    @Test func noInputsEndAtOnce() throws {
        try OrderedWork.run(0, threads: 4) { _, _ in Issue.record("called") }
    }
}
