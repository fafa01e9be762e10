// SPDX-License-Identifier: Apache-2.0
/// The names in a control group's path that show its owner: systemd's unit, a container runtime's
/// container, Kubernetes' pod.
///
/// The path is read from its last component to its first, because the innermost name is the
/// process's own: a container in a container, a VM in a pod.
public struct CgroupNames: Hashable, Sendable {
    /// The last `*.service` or `*.scope` that is not a container's; empty if there is none.
    /// libvirt's scopes are unescaped (`machine-qemu-1-web.scope`).
    public private(set) var unit = ""
    /// The container's id in its runtime, usually 64 hex digits; empty if there is none.
    public private(set) var containerID = ""
    /// The pod's uid with hyphens; empty if there is none.
    public private(set) var pod = ""

    public init() {}

    /// Reads a path such as `/kubepods.slice/…/cri-containerd-0123….scope`. O(length).
    public init(path: String) {
        for component in path.split(separator: "/").reversed() {
            let name = String(component)
            if let id = Self.containerID(ofScope: name) ?? Self.containerID(ofDirectory: name) {
                if containerID.isEmpty { containerID = id }
            } else if let uid = Self.podUID(name) {
                if pod.isEmpty { pod = uid }
            } else if unit.isEmpty, name.hasSuffix(".service") || name.hasSuffix(".scope") {
                unit = Self.unescape(name)
            }
        }
    }

    /// The first 12 digits of the container's id, as runtimes show it.
    public var shortContainerID: String { String(containerID.prefix(12)) }

    /// Whether the unit is a login session or a user's manager: it names who logged in, not what
    /// runs.
    public var isLogin: Bool {
        unit == "init.scope" || (unit.hasPrefix("session-") && unit.hasSuffix(".scope"))
            || (unit.hasPrefix("user@") && unit.hasSuffix(".service"))
    }

    // MARK: Containers

    private static let runtimes = ["docker", "cri-containerd", "crio", "libpod", "nerdctl", "containerd"]

    /// The id in `docker-<id>.scope` and similar names of runtimes with the systemd driver.
    /// `libpod-payload-<id>` and `crio-conmon-…` are not containers.
    private static func containerID(ofScope name: String) -> String? {
        guard name.hasSuffix(".scope") else { return nil }
        let stem = name.dropLast(6)
        for runtime in runtimes where stem.hasPrefix(runtime + "-") {
            let id = stem.dropFirst(runtime.utf8.count + 1)
            return isContainerID(id) ? String(id) : nil
        }
        return nil
    }

    /// The id that a directory is named after: `/docker/<id>` and `/kubepods/…/pod<uid>/<id>` by
    /// runtimes with the cgroupfs driver; `libpod-<id>` and `crio-<id>` without systemd.
    private static func containerID(ofDirectory name: String) -> String? {
        if isContainerID(name[...]) { return name }
        for runtime in runtimes where name.hasPrefix(runtime + "-") {
            let id = name.dropFirst(runtime.utf8.count + 1)
            return isContainerID(id) ? String(id) : nil
        }
        return nil
    }

    private static func isContainerID(_ text: Substring) -> Bool {
        text.utf8.count == 64 && text.utf8.allSatisfy(isHexDigit)
    }

    private static func isHexDigit(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x61...0x66).contains(byte)
    }

    // MARK: Pods

    /// The uid in `pod<uid>`, or in `kubepods-besteffort-pod<uid>.slice`, where systemd's naming
    /// rules turn hyphens into underscores.
    private static func podUID(_ name: String) -> String? {
        let text: Substring
        if name.hasSuffix(".slice") {
            guard let last = name.dropLast(6).split(separator: "-").last, last.hasPrefix("pod") else { return nil }
            text = last.dropFirst(3)
        } else {
            guard name.hasPrefix("pod") else { return nil }
            text = name.dropFirst(3)
        }
        let uid = String(text.map { $0 == "_" ? "-" : $0 })
        // A static pod's uid is the hash of its manifest: 32 digits without hyphens.
        let isHash = uid.utf8.count == 32 && uid.utf8.allSatisfy(isHexDigit)
        let isUUID = uid.utf8.count == 36 && uid.utf8.allSatisfy { isHexDigit($0) || $0 == UInt8(ascii: "-") }
        return isHash || isUUID ? uid : nil
    }

    // MARK: Units

    /// Replaces `\x2d` and similar escapes by the bytes that they stand for. systemd writes a `-`
    /// inside a name this way.
    private static func unescape(_ name: String) -> String {
        let bytes = Array(name.utf8)
        var plain: [UInt8] = []
        var index = 0
        while index < bytes.count {
            if index + 3 < bytes.count, bytes[index] == UInt8(ascii: "\\"), bytes[index + 1] == UInt8(ascii: "x"),
                let high = hexDigitValue(bytes[index + 2]), let low = hexDigitValue(bytes[index + 3])
            {
                plain.append(UInt8(high << 4 | low))
                index += 4
            } else {
                plain.append(bytes[index])
                index += 1
            }
        }
        return String(decoding: plain, as: UTF8.self)
    }
}
