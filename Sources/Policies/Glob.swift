// SPDX-License-Identifier: Apache-2.0
/// A pattern: `*` matches any run of characters, even an empty one, `?` exactly one, and every
/// other character itself.
public struct Glob: Sendable, Hashable {
    public let text: String
    private let pattern: [Unicode.Scalar]

    public init(_ text: String) {
        self.text = text
        pattern = Array(text.unicodeScalars)
    }

    /// Whether the whole of `candidate` matches. O(*n* · *m*) at worst, without recursion.
    public func matches(_ candidate: String) -> Bool {
        let subject = Array(candidate.unicodeScalars)
        var at = 0, next = 0
        // After a mismatch the last star matches one character more, and matching resumes behind
        // it.
        var star: Int?
        var resume = 0
        while at < subject.count {
            if next < pattern.count, pattern[next] == "*" {
                star = next
                resume = at
                next += 1
            } else if next < pattern.count, pattern[next] == "?" || pattern[next] == subject[at] {
                at += 1
                next += 1
            } else if let star {
                resume += 1
                at = resume
                next = star + 1
            } else {
                return false
            }
        }
        return pattern[next...].allSatisfy { $0 == "*" }
    }
}
