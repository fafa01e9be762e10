// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0
import PackageDescription

// Targets are listed in the direction in which data flows; each may import only what stands above
// it.
let settings: [SwiftSetting] = [.enableUpcomingFeature("ExistentialAny")]

let package = Package(
    name: "vfioscope",
    products: [.executable(name: "vfioscope", targets: ["vfioscope"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2")
    ],
    targets: [
        .target(name: "CRecords"),
        .systemLibrary(name: "CLibbpf"),
        .target(name: "CShim"),
        .systemLibrary(name: "CZlib"),
        .target(name: "CToml"),
        .target(name: "Events", dependencies: ["CRecords", "CZlib"], swiftSettings: settings),
        .target(name: "MappingGraph", dependencies: ["Events"], swiftSettings: settings),
        .target(name: "Findings", dependencies: ["MappingGraph", "Events"], swiftSettings: settings),
        .target(
            name: "Policies", dependencies: ["Findings", "MappingGraph", "Events", "CToml"], swiftSettings: settings),
        .target(
            name: "Pipeline", dependencies: ["Policies", "Findings", "MappingGraph", "Events"],
            swiftSettings: settings),
        .target(
            name: "Outputs", dependencies: ["Pipeline", "Policies", "Findings", "MappingGraph", "Events"],
            swiftSettings: settings),
        .executableTarget(name: "embed-bpf", path: "Plugins/embed-bpf"),
        .plugin(name: "CompileBPF", capability: .buildTool(), dependencies: ["embed-bpf"]),
        .target(
            name: "Kernel", dependencies: ["Events", "CRecords", "CLibbpf", "CShim"], swiftSettings: settings,
            plugins: ["CompileBPF"]),
        // The logic of the subcommands, where tests can import it. The executable only parses
        // arguments and connects the parts.
        .target(
            name: "Commands",
            dependencies: ["Kernel", "CShim", "Outputs", "Pipeline", "Policies", "Findings", "MappingGraph", "Events"],
            swiftSettings: settings),
        .executableTarget(
            name: "vfioscope",
            dependencies: [
                "Commands", "Kernel", "Outputs", "Pipeline", "Policies", "Findings", "MappingGraph", "Events",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: settings),
        .executableTarget(
            name: "ring-bench", dependencies: ["Kernel", "Pipeline", "Findings", "MappingGraph", "Events", "CLibbpf"],
            path: "Benchmarks/Ring", swiftSettings: settings),
        .executableTarget(
            name: "workbench",
            dependencies: ["Outputs", "Pipeline", "Policies", "Findings", "MappingGraph", "Events", "CRecords"],
            path: "Benchmarks/Workbench", swiftSettings: settings),
        // Test-only: cuts the recording that the lab's scenarios share into one for each.
        .executableTarget(
            name: "cut-recording", dependencies: ["Events", "CRecords"], path: "Tests/Lab/Cutter",
            swiftSettings: settings),
        // Alone in using Foundation: what the timeline's writer is compared with.
        .executableTarget(
            name: "json-encoder", dependencies: ["Events"], path: "Benchmarks/Encoder", swiftSettings: settings),
        .testTarget(name: "EventsTests", dependencies: ["TestSupport", "Events", "CRecords"]),
        .testTarget(name: "MappingGraphTests", dependencies: ["TestSupport", "MappingGraph", "Events"]),
        // What the tests of several targets share.
        .target(
            name: "TestSupport", dependencies: ["Pipeline", "Policies", "Findings", "MappingGraph", "Events"],
            path: "Tests/TestSupport",
            swiftSettings: settings),
        .testTarget(name: "FindingsTests", dependencies: ["TestSupport", "Findings", "MappingGraph", "Events"]),
        .testTarget(
            name: "PoliciesTests", dependencies: ["TestSupport", "Policies", "Findings", "MappingGraph", "Events"]),
        .testTarget(
            name: "OutputsTests",
            dependencies: ["TestSupport", "Outputs", "Pipeline", "Policies", "Findings", "MappingGraph", "Events"],
            exclude: ["Golden", "validate_timeline.py", "validate_graph.py"]),
        .testTarget(
            name: "FixtureTests",
            dependencies: ["TestSupport", "Outputs", "Pipeline", "Policies", "Findings", "MappingGraph", "Events"]),
        .testTarget(
            name: "PipelineTests",
            dependencies: ["TestSupport", "Pipeline", "Policies", "Findings", "MappingGraph", "Events"]),
        .testTarget(
            name: "CommandsTests",
            dependencies: [
                "TestSupport", "Commands", "Outputs", "Pipeline", "Policies", "Findings", "MappingGraph", "Events",
            ]),
        .testTarget(name: "KernelTests", dependencies: ["Kernel", "Events", "CRecords", "CLibbpf", "CShim"]),
    ],
    swiftLanguageModes: [.v6],
    cxxLanguageStandard: .cxx17
)
