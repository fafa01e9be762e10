// SPDX-License-Identifier: Apache-2.0
import Glibc

/// For each byte value, whether a wanted name begins with it. This cheap test avoids making a
/// string of each of the kernel's 60,000 names or so.
func firstLetters(of names: Set<String>) -> [Bool] {
    var isFirst = [Bool](repeating: false, count: 256)
    for letter in names.compactMap(\.utf8.first) { isFirst[Int(letter)] = true }
    return isFirst
}

/// Reads the addresses of kernel functions, including those of modules, from /proc/kallsyms. Each
/// of its lines is `address type name [module]`.
enum KernelSymbols {
    /// The addresses of those `wanted` functions that exist. Of several with the same name it is
    /// the first, as the kernel chooses; 0 stands for an address that the kernel hides.
    static func addresses(of wanted: Set<String>) -> [String: UInt64] {
        guard let text = Files.read("/proc/kallsyms") else { return [:] }
        return addresses(of: wanted, in: text)
    }

    static func addresses(of wanted: Set<String>, in text: [UInt8]) -> [String: UInt64] {
        let isFirstLetter = firstLetters(of: wanted)
        var found: [String: UInt64] = [:]
        text.withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress else { return }
            var line = 0
            while line < bytes.count {
                let end =
                    memchr(base + line, 10, bytes.count - line).map { base.distance(to: UnsafeRawPointer($0)) }
                    ?? bytes.count
                // 16 hex digits, a blank, the type, a blank.
                let name = line + 19
                if name < end, isFirstLetter[Int(bytes[name])], bytes[line + 17] | 0x20 == UInt8(ascii: "t") {
                    let stop = bytes[name..<end].firstIndex { $0 == UInt8(ascii: "\t") } ?? end
                    let symbol = String(decoding: bytes[name..<stop], as: UTF8.self)
                    if wanted.contains(symbol), found[symbol] == nil {
                        found[symbol] = UInt64(String(decoding: bytes[line..<line + 16], as: UTF8.self), radix: 16) ?? 0
                    }
                }
                line = end + 1
            }
        }
        return found
    }
}
