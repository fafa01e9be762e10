// SPDX-License-Identifier: Apache-2.0
// Compiles the BPF programs and writes the object as a Swift string literal, so that the tool is
// one file with nothing to install beside it.
//
//     embed-bpf CLANG BPF-DIRECTORY RECORDS-DIRECTORY OBJECT OUTPUT.swift
import Foundation

func fail(_ message: String) -> Never {
    FileHandle.standardError.write(Data("embed-bpf: \(message)\n".utf8))
    exit(1)
}

func run(_ path: String, _ arguments: [String]) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: path)
    process.arguments = arguments
    do { try process.run() } catch { fail("cannot run \(path): \(error)") }
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { fail("\(path) ended with status \(process.terminationStatus)") }
}

func find(_ name: String) -> String? {
    if name.hasPrefix("/") { return name }
    let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin"
    return path.split(separator: ":").map { "\($0)/\(name)" }.first { FileManager.default.isExecutableFile(atPath: $0) }
}

let arguments = CommandLine.arguments
guard arguments.count == 6 else { fail("five arguments are needed, not \(arguments.count - 1)") }
guard let clang = find(arguments[1]) else {
    fail("clang was not found: the Swift toolchain has one, so put the toolchain's bin directory on PATH")
}
let (bpf, records, object, output) = (arguments[2], arguments[3], arguments[4], arguments[5])
guard FileManager.default.fileExists(atPath: "/usr/include/bpf/bpf_helpers.h") else {
    fail("bpf/bpf_helpers.h is missing: install libbpf-dev, libelf-dev and zlib1g-dev (make dependencies)")
}

#if arch(x86_64)
let (kernelArchitecture, triple) = ("x86", "x86_64-linux-gnu")
#elseif arch(arm64)
let (kernelArchitecture, triple) = ("arm64", "aarch64-linux-gnu")
#endif
// -mcpu=v2, because with v3 an atomic add becomes one that fetches, which Linux 5.10 rejects.
run(
    clang,
    [
        "-target", "bpf", "-mcpu=v2", "-g", "-O2", "-Wall", "-Wextra", "-Wno-unused-parameter", "-Werror",
        "-D__TARGET_ARCH_\(kernelArchitecture)",
        "-I", bpf, "-I", records, "-idirafter", "/usr/include/\(triple)", "-ffile-prefix-map=\(bpf)=bpf", "-c",
        "\(bpf)/vfioscope.bpf.c", "-o", object,
    ])
// Strips DWARF; BTF stays.
let sibling = URL(fileURLWithPath: clang).resolvingSymlinksInPath().deletingLastPathComponent().appending(
    path: "llvm-objcopy"
).path
if let objcopy = FileManager.default.isExecutableFile(atPath: sibling) ? sibling : find("llvm-objcopy") {
    run(objcopy, ["--strip-debug", object])
}

guard let bytes = FileManager.default.contents(atPath: object) else { fail("cannot read \(object)") }
let digits = Array("0123456789abcdef".utf8)
var source = Data("// Generated from bpf/ by embed-bpf.\nenum BPFObject {\n    static let hex: StaticString = \"".utf8)
for byte in bytes { source.append(contentsOf: [digits[Int(byte >> 4)], digits[Int(byte & 15)]]) }
source.append(Data("\"\n}\n".utf8))
do { try source.write(to: URL(fileURLWithPath: output)) } catch { fail("cannot write \(output): \(error)") }
