// SPDX-License-Identifier: Apache-2.0
/// The rules, in the order in which they are listed and evaluated.
public enum RuleRegistry {
    public static let all: [any Rule] = [
        StaleMapping(),
        IsolationBreak(),
        UnboundDevice(),
        CrossContainer(),
        BarMoved(),
        MemoryDisabled(),
        ForeignPFNMap(),
        ChildKeepsBar(),
        NoOpenDevice(),
        NoContainerDescriptor(),
        TeardownStuck(),
        CreatorGone(),
        DeadMM(),
        VaddrInvalid(),
        SharedRAM(),
        MappingBudget(),
        MemlockBudget(),
        DMABufRevoked(),
        SplitGroup(),
        UnsafeInterrupts(),
        UnmapMismatch(),
        UnmapBisects(),
        MapExists(),
        MapFailed(),
        OddFlags(),
    ]

    /// The rule with exactly that slug. O(rules).
    public static func rule(_ slug: some StringProtocol) -> (any Rule)? {
        all.first { $0.slug == slug }
    }
}
