// SPDX-License-Identifier: Apache-2.0
import Findings
import MappingGraph
import TestSupport
import Testing
@testable import Policies

// What a policy file may contain, and how its faults are reported.

let goodPolicy = #"""
    version = 1
    debounce = "500ms" # the default
    [rules.stale-mapping]
    severity = "critical"
    debounce = "2s"
    [rules.mapping-budget]
    threshold = 90
    [rules.memory-disabled]
    severity = "off"
    [[allow]]
    rules = ["cross-container"]
    devices = ["03:00.0", "0000:04:*"]
    vms = ["storage-*"]
    commands = ["qemu-system-*"]
    containers = ["c1", "c2?"]
    reason = "GPU pool shares BARs on purpose"
    [[suppress]]
    rules = ["stale-mapping"]
    reason = "JIRA-123"
    expires = 2027-01-31
    [[suppress]]
    vms = ["a\u00e9"]
    reason = "JIRA-124"
    expires = "2028-02-29"
    """#

func policy(_ text: String) throws -> Policy { try Policy(toml: text.utf8) }

/// `line:column: message`, all of them.
func policyErrors(_ text: String) -> [String] {
    do throws(PolicyErrors) {
        _ = try Policy(toml: text.utf8)
        return []
    } catch { return error.errors.map(\.description) }
}

@Suite struct PolicyReaderTests {
    @Test func everyKeyIsRead() throws {
        let it = try policy(goodPolicy)
        #expect(
            it.debounce == 500_000_000 && it.durations == ["stale-mapping": 2_000_000_000]
                && it.longestDebounce == 2_000_000_000)
        #expect(it.rules["stale-mapping"]?.severity == .critical && it.rules["mapping-budget"]?.threshold == 90)
        #expect(it.rules["memory-disabled"]?.isOff == true)
        #expect(it.entries.map(\.place.line) == [10, 17, 21])
        #expect(it.entries.map(\.reason) == ["GPU pool shares BARs on purpose", "JIRA-123", "JIRA-124"])
        #expect(
            it.entries.map(\.effect) == [
                .allow, .suppress(expires: PolicyDate(year: 2027, month: 1, day: 31)),
                .suppress(expires: PolicyDate(year: 2028, month: 2, day: 29)),
            ])
        let matcher = it.entries[0].matcher
        #expect(matcher.rules == ["cross-container"] && matcher.devices?.map(\.text) == ["0000:03:00.0", "0000:04:*"])
        #expect(matcher.vms?.map(\.text) == ["storage-*"] && matcher.commands?.map(\.text) == ["qemu-system-*"])
        #expect(matcher.containers?.map(\.text) == ["c1", "c2?"] && it.entries[1].matcher.devices == nil)
        #expect(it.entries[2].matcher.vms?.map(\.text) == ["aé"])
    }

    @Test func whatIsLeftOutIsTheDefault() throws {
        let it = try policy("version = 1")
        #expect(it.debounce == Engine().debounce && it.durations.isEmpty && it.entries.isEmpty)
        #expect(it.configured().map(\.slug) == RuleRegistry.all.map(\.slug))
    }

    @Test func rulesGetTheirSettings() throws {
        let rules = try policy(goodPolicy).configured()
        #expect(!rules.contains { $0.slug == "memory-disabled" } && rules.count == RuleRegistry.all.count - 1)
        #expect(rules.compactMap { $0 as? any RuleWithThreshold }.first?.threshold.value == 90)
    }

    /// All of TOML is read, however it is spelt.
    @Test func otherSpellings() throws {
        let it = try policy(
            """
            version = 0x1
            rules.stale-mapping = { severity = 'low', "debounce" = \"""1m\""" }
            allow = [ { rules = [
                "stale-mapping", # a comment
            ], reason = "x" } ]
            """)
        #expect(it.rules["stale-mapping"]?.severity == .low && it.durations["stale-mapping"] == 60_000_000_000)
        #expect(
            it.entries[0].matcher.rules == ["stale-mapping"] && it.entries[0].place == SourcePlace(line: 3, column: 11))
    }

    @Test(arguments: [
        ("", "1:1: no 'version': write version = 1"),
        ("version = 2", "1:11: 'version' must be 1, not 2"),
        ("version = '1'", "1:11: 'version' takes an integer, not a string"),
        ("version = 1.0", "1:11: 'version' takes an integer, not a float"),
        ("version = true", "1:11: 'version' takes an integer, not a boolean"),
        ("version = 1\ndebonce = 'x'", "2:1: unknown key 'debonce'; did you mean 'debounce'?"),
        ("version = 1\n  zebra = 'x'", "2:3: unknown key 'zebra'"),
        ("version = 1\n'é\\n' = 1\n\"\\u001b\" = 1", "2:1: unknown key 'é\\n'"),
        ("version = 1\ndebounce = 500", "2:12: 'debounce' takes a string, not an integer"),
        ("version = 1\ndebounce = '500'", "2:12: '500' is not a duration such as 500ms, 2s or 1m"),
        ("version = 1\ndebounce = '-1s'", "2:12: '-1s' is not a duration such as 500ms, 2s or 1m"),
        ("version = 1\ndebounce = 's'", "2:12: 's' is not a duration such as 500ms, 2s or 1m"),
        ("version = 1\ndebounce = '3601s'", "2:12: '3601s' is longer than an hour"),
        (
            "version = 1\ndebounce = '99999999999999999999999h'",
            "2:12: '99999999999999999999999h' is longer than an hour"
        ),
        ("version = 1\nrules = 1", "2:9: 'rules' takes tables, as in [rules.stale-mapping], not an integer"),
        ("version = 1\n[[rules]]", "2:1: 'rules' takes tables, as in [rules.stale-mapping], not an array"),
        (
            "version = 1\n[rules]\nstale-mapping = 'off'",
            "3:17: 'stale-mapping' takes a table, as in [rules.stale-mapping], not a string"
        ),
        ("version = 1\n[rules.stale-maping]", "2:8: unknown rule 'stale-maping'; did you mean 'stale-mapping'?"),
        ("version = 1\n[rules.x]", "2:8: unknown rule 'x'"),
        (
            "version = 1\n[rules.stale-mapping]\nsevrity = 'low'",
            "3:1: unknown key 'sevrity' in rule 'stale-mapping'; did you mean 'severity'?"
        ),
        (
            "version = 1\n[rules.stale-mapping]\nseverity = 'hihg'",
            "3:12: 'hihg' is not a severity (info, low, medium, high, critical, off); did you mean 'high'?"
        ),
        ("version = 1\n[rules.stale-mapping]\nseverity = 3", "3:12: 'severity' takes a string, not an integer"),
        ("version = 1\n[rules.stale-mapping]\ndebounce = [1]", "3:12: 'debounce' takes a string, not an array"),
        ("version = 1\n[rules.stale-mapping]\nthreshold = 3", "3:1: rule 'stale-mapping' has no threshold"),
        (
            "version = 1\n[rules.mapping-budget]\nthreshold = 101",
            "3:13: the threshold of 'mapping-budget' is 10 to 100 percent, not 101"
        ),
        ("version = 1\n[rules.mapping-budget]\nthreshold = '9'", "3:13: 'threshold' takes an integer, not a string"),
        ("version = 1\n[allow]\nreason = 'x'", "2:1: 'allow' takes tables, as in [[allow]], not a table"),
        ("version = 1\nallow = [1]", "2:10: 'allow' takes tables, as in [[allow]], not an integer"),
        ("version = 1\n[[allow]]\nvms = ['a']", "2:1: [[allow]] has no 'reason'"),
        (
            "version = 1\n[[allow]]\nreason = 'x'",
            "2:1: [[allow]] would match every finding: it has no 'rules', 'devices', 'vms', 'commands', 'containers', "
                + "'vm_uuids', 'units', 'container_ids' or 'pods'"
        ),
        ("version = 1\n[[allow]]\nvms = ['a']\nreason = ' '", "4:10: 'reason' is empty: state why"),
        (
            "version = 1\n[[allow]]\nvms = ['a']\nreason = \"a\\nb\"",
            "4:10: 'reason' is one line of text, without control characters"
        ),
        ("version = 1\n[[allow]]\nvms = ['a']\nreason = 1", "4:10: 'reason' takes a string, not an integer"),
        (
            "version = 1\n[[allow]]\nvms = ['a']\nreason = 'x'\nexpires = 2027-01-31",
            "5:1: unknown key 'expires' in [[allow]]"
        ),
        (
            "version = 1\n[[allow]]\nvm = ['a']\nrules = ['stale-mapping']\nreason = 'x'",
            "3:1: unknown key 'vm' in [[allow]]; did you mean 'vms'?"
        ),
        ("version = 1\n[[allow]]\nvms = 'a'\nreason = 'x'", "3:7: 'vms' takes an array of strings, not a string"),
        ("version = 1\n[[allow]]\nvms = []\nreason = 'x'", "3:7: 'vms' is empty: it would match nothing"),
        ("version = 1\n[[allow]]\nvms = ['é', 07:00:00]\nreason = 'x'", "3:13: 'vms' takes strings, not a time"),
        (
            "version = 1\n[[allow]]\nvms = ['']\nreason = 'x'",
            "3:8: 'vms' holds an empty string, which would match nothing"
        ),
        (
            "version = 1\n[[allow]]\nrules = ['cross-contaner']\nreason = 'x'",
            "3:10: unknown rule 'cross-contaner'; did you mean 'cross-container'?"
        ),
        (
            "version = 1\n[[allow]]\ndevices = ['0000:03']\nreason = 'x'",
            "3:12: '0000:03' is not a PCI address such as 0000:02:00.0, in which * and ? are wildcards"
        ),
        (
            "version = 1\n[[allow]]\ndevices = ['gpu*']\nreason = 'x'",
            "3:12: 'gpu*' is not a PCI address such as 0000:02:00.0, in which * and ? are wildcards"
        ),
        (
            "version = 1\n[[allow]]\ncontainers = ['1']\nreason = 'x'",
            "3:15: '1' is not a container such as c1, in which * and ? are wildcards"
        ),
        (
            "version = 1\n[[suppress]]\nvms = ['a']\nreason = 'x'",
            "2:1: [[suppress]] has no 'expires': write its last day, as in expires = 2027-01-31"
        ),
        (
            "version = 1\n[[suppress]]\nvms = ['a']\nreason = 'x'\nexpires = '2027-02-29'",
            "5:11: '2027-02-29' is not a date such as 2027-01-31"
        ),
        (
            "version = 1\n[[suppress]]\nvms = ['a']\nreason = 'x'\nexpires = 2027-01-31T00:00:00Z",
            "5:11: 'expires' takes a date such as 2027-01-31, a whole day in UTC, not a date with a time"
        ),
        (
            "version = 1\n[[suppress]]\nvms = ['a']\nreason = 'x'\nexpire = 2027-01-31\nexpires = 2027-01-31",
            "5:1: unknown key 'expire' in [[suppress]]; did you mean 'expires'?"
        ),
    ]) func errorsHaveTheirPlace(text: String, first: String) {
        #expect(policyErrors(text).first == first)
    }

    @Test(arguments: [
        ("version = 1\nx =", 2), ("version = 1\nversion = 1", 2), ("[rules\n", 1), ("a = 2027-02-30", 1),
        ("version = 1\n\n\"", 3),
    ])
    func syntaxErrorsHaveTheirPlace(text: String, line: Int) {
        let errors = policyErrors(text)
        #expect(errors.count == 1 && errors[0].hasPrefix("\(line):") && errors[0].contains(": not valid TOML: "))
    }

    @Test func allErrorsAreReported() {
        let errors = policyErrors(
            """
            debonce = "5s"
            [[suppress]]
            reason = "x"
            [rules.stale-mapping]
            severity = 1
            sevrity = "low"
            [[allow]]
            devices = ["x", 1]
            """)
        #expect(
            errors.map { $0.prefix(4) } == ["1:1:", "1:1:", "2:1:", "2:1:", "5:12", "6:1:", "7:1:", "8:12", "8:17"])
    }

    @Test func someonesTextIsShownWithoutControlCharacters() {
        let errors = policyErrors("version = 1\n\"\\u001b[31m\" = 1\n\"\(String(repeating: "x", count: 1000))\" = 1")
        #expect(errors[0] == "2:1: unknown key '\u{fffd}[31m'")
        #expect(errors[1].count < 100)
    }

    @Test func aPolicyOfNoBytes() { #expect(policyErrors("").count == 1) }

    @Test func depthIsLimited() {
        #expect(
            policyErrors("version = 1\n" + String(repeating: "a.", count: 33) + "a = 1")[0]
                == "2:1: not valid TOML: a key of too many parts")
        #expect(
            policyErrors("a = " + String(repeating: "[", count: 20) + String(repeating: "]", count: 20))[0].hasSuffix(
                "nested too deeply"))
        #expect(policyErrors("a = " + String(repeating: "[", count: 100_000)).count == 1)
        #expect(policyErrors(String(repeating: "a.", count: 10_000) + "a = 1").count > 0)
    }

    /// Bytes replaced, left out, doubled, and parts of the file moved about: an error or a policy,
    /// and each error within the file.
    @Test func mutationsDoNotCrash() {
        var random = Random(seed: 7)
        let words = [
            "[[allow]]\n", "[rules.", "\"", "'''", "= ", "2027-01-31", "[", "]", "{", "}", "\n", ".", "\u{0}", "é", "#",
            "inf", "version", "\"\\ud800\"",
        ]
        var policies = 0
        for _ in 0..<4000 {
            var bytes = Array(goodPolicy.utf8)
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                guard !bytes.isEmpty else { break }
                let at = Int.random(in: 0..<bytes.count, using: &random)
                let end = min(bytes.count, at + Int.random(in: 1...40, using: &random))
                switch Int.random(in: 0..<5, using: &random) {
                case 0: bytes[at] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.removeSubrange(at..<end)
                case 2: bytes.insert(contentsOf: bytes[at..<end], at: Int.random(in: 0...bytes.count, using: &random))
                case 3: bytes.insert(contentsOf: words.randomElement(using: &random)!.utf8, at: at)
                default: bytes.removeSubrange(at...)
                }
            }
            let lines = UInt32(bytes.count { $0 == 10 } + 1)
            do throws(PolicyErrors) {
                _ = try Policy(toml: bytes)
                policies += 1
            } catch {
                #expect(
                    !error.errors.isEmpty
                        && error.errors.allSatisfy { (1...lines).contains($0.place.line) && $0.place.column > 0 })
            }
        }
        #expect(policies > 50)
    }
}

@Suite struct GlobTests {
    @Test(arguments: [
        ("", "", true), ("*", "", true), ("**", "anything", true), ("?", "", false), ("?", "é", true),
        ("a*", "a", true), ("a*", "ba", false),
        ("*a", "aba", true), ("a*b*c", "aXbYbZc", true), ("a*b*c", "aXbYbZ", false),
        ("0000:04:*", "0000:04:00.0", true),
        ("0000:04:*", "0001:04:00.0", false), ("a?c", "abc", true), ("a?c", "ac", false), ("[ab]", "a", false),
        ("[ab]", "[ab]", true),
        ("*.?", "0000:04:00.0", true), ("A", "a", false), ("storage-*", "storage-", true), ("*ab", "aab", true),
    ]) func patterns(pattern: String, text: String, isMatch: Bool) {
        #expect(Glob(pattern).matches(text) == isMatch)
    }

    @Test func manyStarsTakeNoTime() {
        #expect(!Glob(String(repeating: "a*", count: 200) + "b").matches(String(repeating: "a", count: 2000)))
    }
}
