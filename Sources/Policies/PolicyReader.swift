// SPDX-License-Identifier: Apache-2.0
import Events
import Findings

/// Reads a policy from TOML: checks every key and every value, and collects all errors.
struct PolicyReader {
    private let rules: [any Rule]
    private var errors: [PolicyError] = []
    private var policy = Policy()

    static func read(_ bytes: some Collection<UInt8>, rules: [any Rule]) throws(PolicyErrors) -> Policy {
        var reader = PolicyReader(rules: rules)
        do throws(PolicyError) {
            reader.readRoot(try TOMLNode.parse(bytes))
        } catch {
            reader.errors.append(error)
        }
        guard reader.errors.isEmpty else { throw PolicyErrors(errors: reader.errors.sorted { $0.place < $1.place }) }
        return reader.policy
    }

    private init(rules: [any Rule]) { self.rules = rules }

    // MARK: Tables

    private mutating func readRoot(_ root: TOMLNode) {
        guard case .table(let members) = root.value else { return }
        if !members.contains(where: { $0.key == "version" }) {
            errors.append(PolicyError(SourcePlace(line: 1, column: 1), "no 'version': write version = 1"))
        }
        for member in members {
            switch member.key {
            case "version": readVersion(member)
            case "debounce": policy.debounce = duration(member) ?? policy.debounce
            case "rules": readRules(member)
            case "allow", "suppress": readEntries(member)
            default: unknown(member, "", among: ["version", "debounce", "rules", "allow", "suppress"])
            }
        }
    }

    private mutating func readVersion(_ member: TOMLNode.Member) {
        guard case .integer(let version) = member.value.value else {
            return mistyped(member.value, "'version'", "an integer")
        }
        if version != 1 { fail(member.value, "'version' must be 1, not \(version)") }
    }

    private mutating func readRules(_ member: TOMLNode.Member) {
        guard case .table(let tables) = member.value.value else {
            return mistyped(member.value, "'rules'", "tables, as in [rules.stale-mapping]")
        }
        for table in tables {
            let rule = rules.first { $0.slug == table.key }
            if rule == nil { unknownRule(table.key, table.keyPlace) }
            guard case .table(let members) = table.value.value else {
                mistyped(table.value, quoted(table.key), "a table, as in [rules.stale-mapping]")
                continue
            }
            policy.rules[table.key] = settings(members, rule, slug: table.key)
        }
    }

    /// If the rule is not known (nil), its keys are checked all the same.
    private mutating func settings(_ members: [TOMLNode.Member], _ rule: (any Rule)?, slug: String)
        -> Policy.RuleSettings
    {
        var settings = Policy.RuleSettings()
        for member in members {
            switch member.key {
            case "severity": readSeverity(member, &settings)
            case "debounce": settings.debounce = duration(member)
            case "threshold": settings.threshold = threshold(member, rule)
            default:
                let keys = ["severity", "debounce"] + (rule is any RuleWithThreshold ? ["threshold"] : [])
                unknown(member, " in rule \(quoted(slug))", among: keys)
            }
        }
        return settings
    }

    private mutating func readEntries(_ member: TOMLNode.Member) {
        let shape = "tables, as in [[\(member.key)]]"
        guard case .array(let tables) = member.value.value else {
            return mistyped(member.value, "'\(member.key)'", shape)
        }
        for table in tables {
            guard case .table(let members) = table.value else {
                mistyped(table, "'\(member.key)'", shape)
                continue
            }
            if let entry = entry(members, table, suppresses: member.key == "suppress") { policy.entries.append(entry) }
        }
        policy.entries.sort { $0.place < $1.place }
    }

    /// nil after an error, which has been added to `errors`.
    private mutating func entry(_ members: [TOMLNode.Member], _ table: TOMLNode, suppresses: Bool) -> Policy.Entry? {
        let before = errors.count
        let name = suppresses ? "[[suppress]]" : "[[allow]]"
        var matcher = Matcher()
        var reason: String?
        var expires: PolicyDate?
        let matchers = [
            "rules", "devices", "vms", "commands", "containers", "vm_uuids", "units", "container_ids", "pods",
        ]
        for member in members {
            switch member.key {
            case "rules": matcher.rules = slugs(member)
            case "devices": matcher.devices = globs(member) { Self.devicePattern($0) }
            case "containers": matcher.containers = globs(member) { Self.containerPattern($0) }
            case "vms": matcher.vms = globs(member) { .success($0) }
            case "commands": matcher.commands = globs(member) { .success($0) }
            case "vm_uuids": matcher.vmUUIDs = globs(member) { .success($0.lowercased()) }
            case "units": matcher.units = globs(member) { .success($0) }
            case "container_ids": matcher.containerIDs = globs(member) { .success($0) }
            case "pods": matcher.pods = globs(member) { .success($0) }
            case "reason": reason = readReason(member)
            case "expires" where suppresses: expires = date(member)
            default: unknown(member, " in \(name)", among: matchers + ["reason"] + (suppresses ? ["expires"] : []))
            }
        }
        let keys = Set(members.map(\.key))
        if !keys.contains("reason") { fail(table, "\(name) has no 'reason'") }
        if suppresses, !keys.contains("expires") {
            fail(table, "\(name) has no 'expires': write its last day, as in expires = 2027-01-31")
        }
        if keys.isDisjoint(with: matchers) {
            fail(
                table,
                "\(name) would match every finding: it has no "
                    + "\(matchers.dropLast().map { "'\($0)'" }.joined(separator: ", ")) or 'pods'"
            )
        }
        guard errors.count == before, let reason else { return nil }
        return Policy.Entry(
            effect: expires.map { .suppress(expires: $0) } ?? .allow, matcher: matcher, reason: reason,
            place: table.place)
    }

    // MARK: Values

    private mutating func string(_ member: TOMLNode.Member) -> String? {
        guard case .string(let text) = member.value.value else {
            mistyped(member.value, "'\(member.key)'", "a string")
            return nil
        }
        return text
    }

    /// The strings of an array, each with its node; nil after an error.
    private mutating func strings(_ member: TOMLNode.Member) -> [(text: String, node: TOMLNode)]? {
        guard case .array(let nodes) = member.value.value else {
            mistyped(member.value, "'\(member.key)'", "an array of strings")
            return nil
        }
        if nodes.isEmpty { fail(member.value, "'\(member.key)' is empty: it would match nothing") }
        var texts: [(String, TOMLNode)] = []
        for node in nodes {
            switch node.value {
            case .string(""): fail(node, "'\(member.key)' holds an empty string, which would match nothing")
            case .string(let text): texts.append((text, node))
            default: mistyped(node, "'\(member.key)'", "strings")
            }
        }
        return texts
    }

    private mutating func slugs(_ member: TOMLNode.Member) -> [String]? {
        guard let texts = strings(member) else { return nil }
        for (text, node) in texts where !rules.contains(where: { $0.slug == text }) { unknownRule(text, node.place) }
        return texts.map(\.text)
    }

    private mutating func globs(_ member: TOMLNode.Member, _ pattern: (String) -> Result<String, PatternError>)
        -> [Glob]?
    {
        guard let texts = strings(member) else { return nil }
        var globs: [Glob] = []
        for (text, node) in texts {
            switch pattern(text) {
            case .success(let text): globs.append(Glob(text))
            case .failure(let error): fail(node, "\(quoted(text)) \(error.message)")
            }
        }
        return globs
    }

    private struct PatternError: Error {
        var message: String
    }

    /// An address in its long form, or a pattern of the characters of addresses. A pattern that
    /// could not match any address is an error.
    private static func devicePattern(_ text: String) -> Result<String, PatternError> {
        if let address = PCIAddress(text) { return .success(address.description) }
        let lower = text.lowercased()
        let isPattern = lower.unicodeScalars.contains { $0 == "*" || $0 == "?" }
        guard isPattern, lower.utf8.allSatisfy({ "0123456789abcdef:.*?".utf8.contains($0) }) else {
            return .failure(
                PatternError(message: "is not a PCI address such as 0000:02:00.0, in which * and ? are wildcards"))
        }
        return .success(lower)
    }

    private static func containerPattern(_ text: String) -> Result<String, PatternError> {
        guard text.utf8.allSatisfy({ "c0123456789*?".utf8.contains($0) }), "c*?".utf8.contains(text.utf8.first!) else {
            return .failure(PatternError(message: "is not a container such as c1, in which * and ? are wildcards"))
        }
        return .success(text)
    }

    private mutating func readSeverity(_ member: TOMLNode.Member, _ settings: inout Policy.RuleSettings) {
        guard let text = string(member) else { return }
        settings.isOff = text == "off"
        settings.severity = Severity(name: text)
        guard settings.severity == nil, !settings.isOff else { return }
        let names = Severity.allCases.map(\.name) + ["off"]
        fail(
            member.value,
            "\(quoted(text)) is not a severity (info, low, medium, high, critical, off)"
                + Suggestion.text(for: text, among: names))
    }

    private mutating func threshold(_ member: TOMLNode.Member, _ rule: (any Rule)?) -> Int64? {
        guard let rule else { return nil }
        guard let threshold = (rule as? any RuleWithThreshold)?.threshold else {
            errors.append(PolicyError(member.keyPlace, "rule '\(rule.slug)' has no threshold"))
            return nil
        }
        guard case .integer(let value) = member.value.value else {
            mistyped(member.value, "'threshold'", "an integer")
            return nil
        }
        guard threshold.allowed.contains(value) else {
            let range = "\(threshold.allowed.lowerBound) to \(threshold.allowed.upperBound) \(threshold.unit)"
            fail(member.value, "the threshold of '\(rule.slug)' is \(range), not \(value)")
            return nil
        }
        return value
    }

    private mutating func readReason(_ member: TOMLNode.Member) -> String? {
        guard let text = string(member) else { return nil }
        if text.unicodeScalars.allSatisfy(\.properties.isWhitespace) {
            fail(member.value, "'reason' is empty: state why")
        }
        if text.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) {
            fail(member.value, "'reason' is one line of text, without control characters")
        }
        return text
    }

    private mutating func date(_ member: TOMLNode.Member) -> PolicyDate? {
        switch member.value.value {
        case .date(let date): return date
        case .string(let text):
            if let date = PolicyDate(text) { return date }
            fail(member.value, "\(quoted(text)) is not a date such as 2027-01-31")
        default: mistyped(member.value, "'expires'", "a date such as 2027-01-31, a whole day in UTC")
        }
        return nil
    }

    /// Nanoseconds, at most an hour: `run` waits this long after its command's end.
    private mutating func duration(_ member: TOMLNode.Member) -> UInt64? {
        guard let text = string(member) else { return nil }
        let units: [(name: String, nanoseconds: UInt64)] = [
            ("ns", 1), ("us", 1000), ("ms", 1_000_000), ("s", 1_000_000_000), ("m", 60_000_000_000),
            ("h", 3_600_000_000_000),
        ]
        let digits = text.prefix { ("0"..."9").contains($0) }
        guard let unit = units.first(where: { $0.name == text.dropFirst(digits.count) }), !digits.isEmpty else {
            fail(member.value, "\(quoted(text)) is not a duration such as 500ms, 2s or 1m")
            return nil
        }
        let (product, overflow) = (UInt64(digits) ?? .max).multipliedReportingOverflow(by: unit.nanoseconds)
        guard !overflow, product <= 3_600_000_000_000 else {
            fail(member.value, "\(quoted(text)) is longer than an hour")
            return nil
        }
        return product
    }

    // MARK: Errors

    private mutating func fail(_ node: TOMLNode, _ message: String) { errors.append(PolicyError(node.place, message)) }

    private mutating func mistyped(_ node: TOMLNode, _ what: String, _ wanted: String) {
        fail(node, "\(what) takes \(wanted), not \(node.kindName)")
    }

    private mutating func unknown(_ member: TOMLNode.Member, _ place: String, among known: [String]) {
        errors.append(
            PolicyError(
                member.keyPlace,
                "unknown key \(quoted(member.key))\(place)" + Suggestion.text(for: member.key, among: known)))
    }

    private mutating func unknownRule(_ slug: String, _ place: SourcePlace) {
        errors.append(
            PolicyError(place, "unknown rule \(quoted(slug))" + Suggestion.text(for: slug, among: rules.map(\.slug))))
    }

    /// Text of the file for a message: without control characters, and at most 60 characters.
    private func quoted(_ text: String) -> String {
        let shown = text.unicodeScalars.prefix(60).map {
            $0.properties.generalCategory == .control ? "\u{fffd}" : Character($0)
        }
        return "'" + String(shown) + (text.unicodeScalars.count > 60 ? "…'" : "'")
    }
}
