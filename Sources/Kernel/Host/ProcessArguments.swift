// SPDX-License-Identifier: Apache-2.0
/// The arguments of a process from /proc/PID/cmdline: the VM that they name, and a text for people
/// without secrets. A process can change its own command line, so none of this can be trusted.
struct ProcessArguments {
    var arguments: [String]

    init(_ arguments: [String]) { self.arguments = arguments }

    /// Parses the file's bytes, in which each argument ends with a zero.
    init(cmdline bytes: [UInt8]) {
        var parts = bytes.split(separator: 0, omittingEmptySubsequences: false)
        if parts.last?.isEmpty == true { parts.removeLast() }
        arguments = parts.map { String(decoding: $0, as: UTF8.self) }
    }

    // MARK: VMs

    /// The VM's name from QEMU's arguments: `-name NAME`, or `-name guest=NAME,…` as libvirt writes
    /// it.
    var vmName: String? {
        guard let value = value(of: "name") else { return nil }
        let fields = value.split(separator: ",")
        if let guest = fields.first(where: { $0.hasPrefix("guest=") }) { return String(guest.dropFirst(6)) }
        return fields.first.map(String.init)
    }

    /// The VM's UUID: `-uuid X`, `--uuid X`, `--uuid=X`, or `-smbios type=1,uuid=X`.
    var vmUUID: String? {
        if let uuid = value(of: "uuid"), Self.isUUID(uuid) { return uuid }
        for index in arguments.indices.dropLast() where arguments[index] == "-smbios" || arguments[index] == "--smbios"
        {
            let fields = arguments[index + 1].split(separator: ",")
            guard fields.contains("type=1"), let field = fields.first(where: { $0.hasPrefix("uuid=") }) else {
                continue
            }
            let uuid = String(field.dropFirst(5))
            if Self.isUUID(uuid) { return uuid }
        }
        return nil
    }

    /// The argument after `-option` or `--option`, or the text after `--option=`.
    private func value(of option: String) -> String? {
        for index in arguments.indices {
            let argument = arguments[index]
            if argument == "-\(option)" || argument == "--\(option)" {
                return index + 1 < arguments.count ? arguments[index + 1] : nil
            }
            if argument.hasPrefix("--\(option)=") { return String(argument.dropFirst(option.utf8.count + 3)) }
        }
        return nil
    }

    private static func isUUID(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        return bytes.count == 36
            && bytes.indices.allSatisfy { index in
                let byte = bytes[index] | 0x20
                return [8, 13, 18, 23].contains(index)
                    ? bytes[index] == 0x2d : (0x30...0x39).contains(bytes[index]) || (0x61...0x66).contains(byte)
            }
    }

    // MARK: For people

    private static let secretWords = [
        "password", "passwd", "passphrase", "secret", "token", "apikey", "api-key", "api_key", "credential",
        "private-key",
    ]

    /// The arguments, separated by blanks, with `***` in place of what looks like a secret.
    var text: String {
        var words: [String] = []
        var isSecretNext = false
        for argument in arguments {
            if isSecretNext, !argument.hasPrefix("-") {
                words.append("***")
            } else {
                words.append(Self.withoutSecrets(argument))
            }
            isSecretNext = argument.hasPrefix("-") && !argument.contains("=") && Self.isSecret(argument[...])
        }
        return words.joined(separator: " ")
    }

    private static func isSecret(_ key: Substring) -> Bool {
        let lower = key.lowercased()
        return secretWords.contains { lower.contains($0) }
    }

    /// Replaces the values of keys that look like a secret's: in `key=value` up to the next comma
    /// or ampersand (a doubled comma is part of a value in QEMU's syntax), in `"key":"value"` up to
    /// the closing quote, and in a URL the password of `user:password@`. In a QEMU object of type
    /// `secret`, the key is `data`. An argument with blanks may be a shell script or formatted
    /// JSON: everything after the first word that looks like a secret's is cut off.
    private static func withoutSecrets(_ argument: String) -> String {
        if argument.contains(where: \.isWhitespace) {
            let lower = argument.lowercased()
            let found = secretWords.compactMap { word in firstEnd(of: word, in: lower) }.min()
            if let found { return argument.prefix(found) + "***" }
        }
        let isSecretObject =
            argument.hasPrefix("secret,") || (argument.hasPrefix("{") && argument.contains("\"secret\""))
        func isSecretKey(_ key: Substring) -> Bool { isSecret(key) || (isSecretObject && key == "data") }
        var result = ""
        var rest = argument[...]
        while let sign = rest.firstIndex(where: { $0 == "=" || $0 == ":" || $0 == "@" }) {
            let before = rest[..<sign]
            let after = rest[rest.index(after: sign)...]
            let key = before.suffix(while: { $0.isLetter || $0.isNumber || "-_.\"".contains($0) })
            let name = key.filter { $0 != "\"" }[...]
            if rest[sign] == "@" || (rest[sign] == ":" && !(key.hasSuffix("\"") || after.hasPrefix("//"))) {
                result += rest[...sign]
                rest = after
            } else if rest[sign] == ":", after.hasPrefix("//") {
                result += rest[...sign]
                let authority = after.dropFirst(2).prefix { $0 != "/" && $0 != "?" && $0 != "," }
                if let at = authority.lastIndex(of: "@"), let colon = authority[..<at].firstIndex(of: ":") {
                    result += "//" + authority[...colon] + "***"
                    rest = after[at...]
                } else {
                    result += "//"
                    rest = after.dropFirst(2)
                }
            } else if isSecretKey(name) {
                result += rest[...sign]
                let isQuoted = after.hasPrefix("\"")
                result += isQuoted ? "\"***" : "***"
                rest = isQuoted ? behindText(after.dropFirst()) : behindValue(after)
            } else {
                result += rest[...sign]
                rest = after
            }
        }
        return result + rest
    }

    /// How many characters there are up to the end of the first `word`; nil if `text` has none.
    private static func firstEnd(of word: String, in text: String) -> Int? {
        var rest = text[...], passed = 0
        while !rest.isEmpty {
            if rest.hasPrefix(word) { return passed + word.count }
            rest = rest.dropFirst()
            passed += 1
        }
        return nil
    }

    /// The rest of `text`, from the comma or ampersand that ends the value on.
    private static func behindValue(_ text: Substring) -> Substring {
        var rest = text
        while let end = rest.firstIndex(where: { $0 == "," || $0 == "&" }) {
            guard rest[end...].hasPrefix(",,") else { return rest[end...] }
            rest = rest[end...].dropFirst(2)
        }
        return rest.suffix(0)
    }

    /// The rest of `text`, from the quote that ends the JSON string on.
    private static func behindText(_ text: Substring) -> Substring {
        var rest = text
        while let end = rest.firstIndex(where: { $0 == "\"" || $0 == "\\" }) {
            guard rest[end] == "\\" else { return rest[end...] }
            rest = rest[end...].dropFirst(2)
        }
        return rest.suffix(0)
    }
}

private extension Substring {
    func suffix(while matches: (Character) -> Bool) -> Substring {
        var start = endIndex
        while start > startIndex, matches(self[index(before: start)]) { start = index(before: start) }
        return self[start...]
    }
}
