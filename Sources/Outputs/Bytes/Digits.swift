// SPDX-License-Identifier: Apache-2.0
/// Eight digits at a time, in one word whose lowest byte is the first of them: each step splits
/// every lane of the word in two.

/// `0` in every byte.
let asciiZeros: UInt64 = 0x3030_3030_3030_3030

/// The values of the eight decimal digits of a number below 10⁸. Quotients are by multiplication
/// with a rounded-up reciprocal, exact for what a lane holds.
@inline(__always)
func decimalDigits(_ value: UInt64) -> UInt64 {
    let fourth = UInt64(UInt32(truncatingIfNeeded: value) / 10_000)
    let fours = (value &<< 32) &- fourth &* (10_000 &<< 32 &- 1)
    let hundreds = (fours &* 10_486) &>> 20 & 0x0000_007f_0000_007f
    let twos = (fours &<< 16) &- hundreds &* (100 &<< 16 &- 1)
    let tens = (twos &* 103) &>> 10 & 0x000f_000f_000f_000f
    return (twos &<< 8) &- tens &* (10 &<< 8 &- 1)
}

/// Eight decimal digits of a number below 10⁸, zeros in front.
@inline(__always)
func decimalText(_ value: UInt64) -> UInt64 { decimalDigits(value) | asciiZeros }

/// Eight lower-case hex digits of a number below 2³², zeros in front.
@inline(__always)
func hexText(_ value: UInt64) -> UInt64 {
    var nibbles = (value | value &<< 16) & 0x0000_ffff_0000_ffff
    nibbles = (nibbles | nibbles &<< 8) & 0x00ff_00ff_00ff_00ff
    nibbles = ((nibbles | nibbles &<< 4) & 0x0f0f_0f0f_0f0f_0f0f).byteSwapped
    let letters = (nibbles &+ 0x0606_0606_0606_0606) &>> 4 & 0x0101_0101_0101_0101
    // From behind `9` to `a` it is 39.
    return nibbles &+ asciiZeros &+ letters &* 39
}
