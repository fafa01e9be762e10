// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import MappingGraph

/// Tests that a `Few` behaves like an array.
@Suite struct FewTests {
    @Test(arguments: 0..<5) func holdsWhatAnArrayHolds(count: Int) {
        let array = Array(0..<count)
        var few = Few<Int>()
        for number in array { few.append(number) }
        #expect(Array(few) == array && few.count == count && few.isEmpty == array.isEmpty && few == Few(array))
        #expect(few.indices.map { few[$0] } == array && few.last == array.last)
        for taken in 0...count + 1 { #expect(Array(few.suffix(taken)) == array.suffix(taken)) }
        for index in array.indices {
            var changed = array, other = few
            changed[index] = 7
            other[index] = 7
            #expect(Array(other) == changed)
            #expect(other.remove(at: index) == changed.remove(at: index) && Array(other) == changed)
        }
        #expect(count == 0 || few != Few(array.dropLast()))
    }
}
