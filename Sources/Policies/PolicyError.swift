// SPDX-License-Identifier: Apache-2.0
/// One error of a policy, and its place.
public struct PolicyError: Error, Sendable, Hashable, CustomStringConvertible {
    public var place: SourcePlace
    public var message: String

    public init(_ place: SourcePlace, _ message: String) {
        self.place = place
        self.message = message
    }

    /// `7:12: message`; the caller puts the file's name in front.
    public var description: String { "\(place.line):\(place.column): \(message)" }
}

/// All errors of a policy, in the order of the file.
public struct PolicyErrors: Error, Sendable {
    public var errors: [PolicyError]
}

/// The known word that an unknown one was probably meant to be.
enum Suggestion {
    /// `; did you mean 'severity'?`, or nothing when no candidate is near. O(candidates · length²).
    static func text(for word: String, among candidates: some Sequence<String>) -> String {
        guard let best = nearest(to: word, among: candidates) else { return "" }
        return "; did you mean '\(best)'?"
    }

    /// The candidate with the fewest edits, if these are at most a third of the word's length.
    static func nearest(to word: String, among candidates: some Sequence<String>) -> String? {
        // A file can contain a word of any length; a long one is near no candidate.
        guard word.utf8.count <= 64 else { return nil }
        let best = candidates.map { (distance: distance(Array(word.lowercased().utf8), Array($0.utf8)), text: $0) }.min
        { $0.distance < $1.distance }
        guard let best, best.distance <= max(1, word.utf8.count / 3) else { return nil }
        return best.text
    }

    /// Insertions, deletions, replacements and swaps of neighbours (optimal string alignment).
    private static func distance(_ a: [UInt8], _ b: [UInt8]) -> Int {
        var beforeLast: [Int] = []
        var last = Array(0...b.count)
        for i in a.indices {
            var row = [i + 1]
            for j in b.indices {
                var cost = min(last[j + 1] + 1, row[j] + 1, last[j] + (a[i] == b[j] ? 0 : 1))
                if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { cost = min(cost, beforeLast[j - 1] + 1) }
                row.append(cost)
            }
            beforeLast = last
            last = row
        }
        return last[b.count]
    }
}
