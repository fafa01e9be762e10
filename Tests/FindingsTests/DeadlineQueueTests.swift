// SPDX-License-Identifier: Apache-2.0
import MappingGraph
import Testing

@testable import Findings

/// Deadlines leave the queue in order, whatever their durations are.
@Suite struct DeadlineQueueTests {
    @Test func severalDurationsComeInOrderOfDeadline() {
        var queue = DeadlineQueue()
        func add(_ sequence: UInt64, now: UInt64, _ duration: UInt64) {
            queue.append(.peer(0), target: 0, rule: 0, sequence: sequence, now: now, duration: duration)
        }
        add(0, now: 0, 500)
        add(1, now: 0, 60)
        add(2, now: 100, 500)
        add(3, now: 540, 60)
        add(4, now: 550, .max)
        #expect(queue.next == 60)
        #expect(queue.pop(upTo: 59) == nil)
        var order: [UInt64] = []
        while let item = queue.pop(upTo: .max - 1) { order.append(item.sequence) }
        // 2 and 3 are due at once.
        #expect(order == [1, 0, 2, 3])
        #expect(queue.next == .max)
        #expect(queue.pop(upTo: .max)?.sequence == 4)
        #expect(queue.pop(upTo: .max) == nil)
    }

    @Test(arguments: 1...UInt64(8)) func likeASort(seed: UInt64) {
        var state = seed &* 0x9e37_79b9_7f4a_7c15 | 1
        func below(_ bound: UInt64) -> UInt64 {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return state % bound
        }
        var queue = DeadlineQueue()
        var expected: [(deadline: UInt64, sequence: UInt64)] = []
        var now: UInt64 = 0
        for sequence in UInt64(0)..<5000 {
            now += below(3)
            let duration = [0, 7, 500, 3000][Int(below(4))] as UInt64
            queue.append(
                .container(ContainerID(1)), target: 0, rule: 0, sequence: sequence, now: now, duration: duration)
            expected.append((now + duration, sequence))
            guard below(5) == 0 else { continue }
            expected.sort { $0 < $1 }
            while let item = queue.pop(upTo: now) {
                #expect(item.sequence == expected.removeFirst().sequence)
            }
            #expect(queue.next == expected.first?.deadline ?? .max)
        }
    }
}
