// SPDX-License-Identifier: Apache-2.0
/// The digits of the size that was written last: mappings are made and removed in runs of one size,
/// and a line has it up to twice.
struct SizeText: Sendable {
    /// Decimal digits, 20 at most.
    struct Digits: Sendable {
        fileprivate(set) var words: InlineArray<3, UInt64> = [UInt64(UInt8(ascii: "0")), 0, 0]
        fileprivate(set) var count = 1
    }

    private var size: UInt64 = 0
    private var digits = Digits()

    @inline(__always)
    mutating func text(_ size: UInt64) -> Digits {
        if _slowPath(size != self.size) { remember(size) }
        return digits
    }

    @inline(never)
    private mutating func remember(_ size: UInt64) {
        self.size = size
        withUnsafeTemporaryAllocation(byteCount: ByteCursor.overhang, alignment: 8) { room in
            room.initializeMemory(as: UInt8.self, repeating: 0)
            var cursor = ByteCursor(room.baseAddress!)
            cursor.put(size)
            digits.count = cursor.place - room.baseAddress!
            for index in 0..<3 { digits.words[index] = room.load(fromByteOffset: 8 * index, as: UInt64.self) }
        }
    }
}

extension ByteCursor {
    @inline(__always)
    mutating func put(_ digits: SizeText.Digits) {
        for index in 0..<3 { place.storeBytes(of: digits.words[index], toByteOffset: 8 * index, as: UInt64.self) }
        place += digits.count
    }
}
