// SPDX-License-Identifier: Apache-2.0
import Foundation
import PackagePlugin

/// Compiles bpf/ with the toolchain's own clang and adds the object to the target Kernel, as a
/// generated Swift source (see embed-bpf).
@main
struct CompileBPF: BuildToolPlugin {
    func createBuildCommands(context: PluginContext, target: any Target) throws -> [Command] {
        let root = context.package.directoryURL
        let bpf = root.appending(path: "bpf")
        let records = root.appending(path: "Sources/CRecords/include")
        let output = context.pluginWorkDirectoryURL.appending(path: "BPFObject.swift")
        var inputs: [URL] = []
        for folder in [bpf, bpf.appending(path: "hooks"), records] {
            let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
            inputs += names.filter { $0.hasSuffix(".h") || $0.hasSuffix(".c") }.map { folder.appending(path: $0) }
        }
        return [
            .buildCommand(
                displayName: "Compiling bpf/vfioscope.bpf.c",
                executable: try context.tool(named: "embed-bpf").url,
                arguments: [
                    (try? context.tool(named: "clang").url.path) ?? "clang", bpf.path, records.path,
                    context.pluginWorkDirectoryURL.appending(path: "vfioscope.bpf.o").path, output.path,
                ],
                inputFiles: inputs,
                outputFiles: [output])
        ]
    }
}
