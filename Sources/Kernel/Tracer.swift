import CLibbpf
import CShim
import CRecords
import Events
import Glibc

/// Traces the running kernel: probes, loads, attaches, drains. Knows records, not their meaning.
///
/// Not thread-safe: everything happens on the thread that calls `drain`.
public final class Tracer {
    public struct Options: Sendable {
        /// Bytes of the ring, a power of two.
        public var ringBytes: UInt32 = 16 << 20
        /// Loss on purpose, for tests: one record in this many; 0 is never.
        public var injectLoss: UInt32 = 0
        /// Follow the children of this process, so that `commandTree` knows whose findings are the command's.
        public var followsChildren = false
        public init() {}
    }

    /// Called with each record, in the order of the ring; the pointer is valid during the call.
    public var onRecord: (UnsafeRawPointer, Int) -> Void = { _, _ in }
    /// Called when hooks were attached later, because a module arrived.
    public var onHooksChanged: (Session) -> Void = { _ in }

    /// Processes begotten by this one and by each other, while `followsChildren`.
    public private(set) var commandTree: Set<ProcessKey> = []

    private let options: Options
    private var facts: KernelFacts
    private var loaders: [BPFLoader] = []
    private var ring: RingReader?
    private var delivered: UInt64 = 0
    /// Records of a later time are left for the next round. Later by some slack than what is waited for, because a CPU may stamp a record late.
    private var consumeUntil: UInt64 = .max
    private static let consumeSlack: UInt64 = 50_000_000
    private var lostSoFar: UInt64 = 0
    private var lastLossCheck: UInt64 = 0
    private var moduleArrived = false
    /// Whether VFIO was missing when tracing began.
    private let cameBeforeVFIO: Bool
    /// What late hooks may have missed, for the evidence.
    private var defects: [String] = []
    private var domainAttachesSeen: UInt64 = 0
    private var attached: [String: HookDefinition.Way] = [:]
    private var refused: [String: String] = [:]
    private let account = LossAccount()
    private var snapshotter: Snapshotter?
    /// Why there is no snapshotter, when the kernel refused its programs and only them.
    private var snapshotRefusal: TracerError?
    private var isTakingSnapshot = false
    /// nil where the kernel's zap reaches every area of a BAR, or where that cannot be told.
    private var keptBars: KeptBarWatch?
    /// Why there is none, when the kernel refused its program and only that: then the hook that asks it to look is of no use.
    private var keptBarRefusal: String?
    private static let keptBarHook = "bar-copy"
    private let processes = ProcessAccount()
    private let began: UInt64
    private let clockOffset: Int64
    private let toolVersion: String

    public init(toolVersion: String, options: Options = Options()) {
        self.toolVersion = toolVersion
        self.options = options
        began = UInt64(vs_boot_time())
        clockOffset = vs_unix_time() - vs_boot_time()
        facts = KernelFacts()
        cameBeforeVFIO = !(facts.hasType1 && facts.hasVFIOPCI)
    }

    deinit { close() }

    /// Attaches what the kernel allows now. What a module that is not loaded yet holds is attached when it arrives.
    public func start() throws(TracerError) {
        try Privileges.check()
        guard facts.hasBTF else { throw .noBTF(release: facts.release) }
        guard facts.canUseFexit || facts.hasKnownOffsets else { throw .unknownLayout(release: facts.release) }
        try attachPending()
        guard let descriptor = loaders.first?.mapDescriptor("ring") else { throw .loadFailed(release: facts.release, log: "the ring was not made") }
        ring = RingReader(descriptor: descriptor, bytes: Int(options.ringBytes))
        guard ring != nil else { throw .loadFailed(release: facts.release, log: "cannot map the ring: \(String(cString: strerror(errno)))") }
        lastLossCheck = began
        account.begin(counters: loaders[0].mapDescriptor("counters") ?? -1, saved: facts.canUseFexit ? nil : loaders[0].mapDescriptor("saved"))
        if options.followsChildren, let tree = loaders.first?.mapDescriptor("tree") {
            var own = UInt32(getpid())
            var yes: UInt8 = 1
            bpf_map_update_elem(tree, &own, &yes, 0)
        }
    }

    /// Whether the type1 driver is there, so that there is something to trace.
    public var hasVFIO: Bool { facts.hasVFIO && facts.hasType1 }

    public var session: Session {
        Session(toolVersion: toolVersion, kernel: facts.release, machine: facts.machine, bootID: Files.text("/proc/sys/kernel/random/boot_id") ?? "",
                clockOffset: clockOffset, began: began, hooks: hooks,
                mappingLimit: KernelFacts.mappingLimit, remapsInterrupts: InterruptScan.remaps(), allowsUnsafeInterrupts: InterruptScan.allowsUnsafe)
    }

    /// Every hook and how it is attached; `missing` with the function that would be preferred.
    public var hooks: [Session.Hook] {
        HookDefinition.all.filter(isWanted).map { hook in
            if hook.name == Self.keptBarHook, let keptBarRefusal {
                return Session.Hook(name: hook.name, function: hook.ways[0].function, how: "missing (\(keptBarRefusal))")
            }
            if let way = attached[hook.name] { return Session.Hook(name: hook.name, function: way.function, how: way.how) }
            return Session.Hook(name: hook.name, function: hook.ways[0].function, how: refused[hook.name].map { "missing (\($0))" } ?? "missing")
        }
    }

    /// What was lost so far: the record type, or the program that the kernel left out, and how often.
    public var losses: [(name: String, lost: UInt64)] { account.losses }

    /// Calls `onRecord` with a VS_DEVICE_INFO record for each PCI device of the host.
    public func scanDevices() {
        PCIScan.forEachDevice(time: UInt64(vs_boot_time())) { onRecord($0, $1) }
    }

    /// Reads the present state out of the kernel: its records, and events that happen meanwhile, go to `onRecord` in order. Loads nothing,
    /// so it may be called often.
    public func takeSnapshot() throws(TracerError) {
        guard hasVFIO, facts.hasVFIOPCI else { throw .noVFIO(release: facts.release) }
        guard let snapshotter else { throw snapshotRefusal ?? .noVFIO(release: facts.release) }
        // What was lost until now, this snapshot makes good.
        settle()
        isTakingSnapshot = true
        // A record of the snapshot itself may be lost: that must be known before it ends.
        snapshotter.take({ forward($0, $1) }, beforeEnd: { checkLoss(now: UInt64(vs_boot_time())) })
        isTakingSnapshot = false
        keptBars?.request()
    }

    /// Looks at once for what processes keep of BARs: for who does not go on tracing. Takes a second look where the first one finds something.
    public func lookForKeptBars() {
        guard let keptBars else { return }
        keptBars.hurry()
        drain(milliseconds: 0)
        for _ in 0..<10 {
            guard let wait = keptBars.wait(now: UInt64(vs_boot_time())) else { break }
            drain(milliseconds: Int32(min(wait / 1_000_000 + 1, 1000)))
        }
    }

    /// Waits up to `milliseconds` for the ring to fill to its mark, then delivers all that is there.
    public func drain(milliseconds: Int32) {
        guard let ring else { return }
        consumeUntil = UInt64(vs_boot_time()) + UInt64(max(milliseconds, 0)) * 1_000_000 + Self.consumeSlack
        // Below its mark the ring wakes nobody: what is there is taken in any case.
        ring.wait(milliseconds: milliseconds)
        ring.consume { deliver($0, $1) }
        if moduleArrived {
            moduleArrived = false
            attachLate()
        }
        let now = UInt64(vs_boot_time())
        keptBars?.look(now: now) { onRecord($0, $1) }
        if now - lastLossCheck > 500_000_000 { checkLoss(now: now) }
    }

    /// Delivers what is there and looks for losses at once.
    public func settle() {
        ring?.consume { deliver($0, $1) }
        checkLoss(now: UInt64(vs_boot_time()))
    }

    /// Detaches, delivers what is left, and says how much was seen.
    public func stop() -> Evidence {
        let ended = UInt64(vs_boot_time())
        account.countAbandoned()
        for loader in loaders { loader.detach() }
        consumeUntil = .max
        ring?.consume { deliver($0, $1) }
        checkLoss(now: ended)
        let counts = account.read()
        var evidence = Evidence(attempted: counts.attempted, delivered: delivered, lost: counts.dropped, ended: ended)
        evidence.defects += defects
        if counts.attempted != delivered + counts.dropped {
            evidence.defects.append("\(counts.attempted) records were attempted, but \(delivered) delivered and \(counts.dropped) dropped")
        }
        close()
        return evidence
    }

    private func close() {
        ring = nil
        snapshotter = nil
        keptBars = nil
        for loader in loaders { loader.close() }
        loaders = []
    }

    /// Attaches to modules that were loaded since; what they did until then was not seen.
    private func attachLate() {
        facts = KernelFacts()
        let before = attached.count
        do throws(TracerError) {
            try attachPending()
        } catch {
            defects.append("hooks could not be attached to VFIO's modules, which were loaded while tracing: \(error.description)")
        }
        guard attached.count > before else { return }
        // Until now there were hooks missing; afterwards they see for themselves.
        let attaches = domainAttaches()
        if attaches > domainAttachesSeen {
            defects.append("VFIO was in use before its hooks were attached: its modules were loaded while tracing")
            domainAttachesSeen = attaches
        }
        onHooksChanged(session)
    }

    private func domainAttaches() -> UInt64 {
        guard cameBeforeVFIO, let descriptor = loaders.first?.mapDescriptor("domain_attaches") else { return 0 }
        var key: UInt32 = 0
        var count: UInt64 = 0
        return bpf_map_lookup_elem(descriptor, &key, &count) == 0 ? count : 0
    }

    private func attachPending() throws(TracerError) {
        var ways: [(hook: HookDefinition, way: HookDefinition.Way)] = []
        var missing: [String] = []
        for hook in HookDefinition.all where attached[hook.name] == nil && isWanted(hook) {
            if let way = facts.way(for: hook) {
                ways.append((hook, way))
            } else if hook.isEssential {
                missing.append(hook.ways[0].function)
            }
        }
        if !missing.isEmpty, facts.hasType1, facts.hasVFIOPCI { throw .unsupportedKernel(release: facts.release, missing: missing) }
        let loader = try load(Set(ways.flatMap(\.way.programs)))
        guard let loader else { return }
        var attachedWays: Set<[String]> = []
        for (hook, way) in ways {
            // Two hooks can rest on one program; it attaches once.
            let reason = attachedWays.contains(way.programs) ? nil : loader.attach(way)
            if let reason {
                if hook.isEssential { throw .attachFailed(program: way.function, reason: reason) }
                refused[hook.name] = reason
            } else {
                attachedWays.insert(way.programs)
                attached[hook.name] = way
                for name in way.programs { loader.programDescriptor(name).map { account.watch(name, $0) } }
            }
        }
    }

    /// Loads the hooks' programs and, as soon as VFIO is there, those of the snapshot with them: each load has libbpf read the kernel's whole BTF.
    private func load(_ hooks: Set<String>) throws(TracerError) -> BPFLoader? {
        var settings = Settings(ringBytes: options.ringBytes, windows: PCIScan.windows(), injectLoss: options.injectLoss)
        let takesSnapshots = facts.hasType1 && facts.hasVFIOPCI && snapshotter == nil && snapshotRefusal == nil
        guard !hooks.isEmpty || takesSnapshots else { return nil }
        if takesSnapshots {
            settings.directMap = MemoryLayoutScan.directMap()
            settings.pageTableLevels = MemoryLayoutScan.pageTableLevels(directMap: settings.directMap)
            settings.linearMap = MemoryLayoutScan.hasVTd ? settings.directMap : 0
            settings.groupMajor = MemoryLayoutScan.groupMajor()
            let looks = facts.canLookForKeptBars && settings.pageTableLevels > 0 ? KeptBarWatch.programs : []
            // Should the kernel refuse the look, it is done without: a snapshot does not depend on it.
            for extra in looks.isEmpty ? [[]] : [looks, []] {
                do throws(TracerError) {
                    let programs = hooks.union(SnapshotPrograms.names(facts)).union(extra)
                    let loader = try BPFLoader(programs: programs, settings: settings, sharing: loaders.first, facts: facts)
                    loaders.append(loader)
                    if extra.isEmpty { keptBarRefusal = looks.isEmpty ? nil : "find_kept_bars was refused" } else { watchKeptBars(loader) }
                    snapshotter = try Snapshotter(facts: facts, settings: settings, loader: loader) { [unowned self] in consume() }
                    snapshotRefusal = nil
                    return loader
                } catch {
                    // If it was the hooks' fault, the load below says so.
                    snapshotRefusal = error
                }
            }
            guard !hooks.isEmpty else { return nil }
        }
        let loader = try BPFLoader(programs: hooks, settings: settings, sharing: loaders.first, facts: facts)
        loaders.append(loader)
        return loader
    }

    private func watchKeptBars(_ loader: BPFLoader) {
        keptBars = KeptBarWatch(loader: loader, consume: { [unowned self] in consume() },
                                counts: { [unowned self] in (account.read().dropped, account.submitted(VS_KEPT_BAR)) })
    }

    private func isWanted(_ hook: HookDefinition) -> Bool {
        (options.followsChildren || !hook.followsCommand) && (cameBeforeVFIO || !hook.watchesForVFIO)
    }

    /// Delivers what the ring holds now, and not for ever what a storm of events adds meanwhile.
    private func consume() {
        guard let ring else { return }
        consumeUntil = UInt64(vs_boot_time()) + Self.consumeSlack
        ring.consume { deliver($0, $1) }
    }

    /// Whether to go on; else the rest stays in the ring for the next time.
    private func deliver(_ record: UnsafeRawPointer, _ count: Int) -> Bool {
        delivered += 1
        guard count >= MemoryLayout<vs_header>.size else { return true }
        if vs_type(UInt32(record.load(as: vs_header.self).type)) == VS_KEPT_BAR, count >= MemoryLayout<vs_kept_bar>.size {
            keptBars?.take(record) { forward($0, $1) }
        } else if isTakingSnapshot {
            snapshotter!.intercept(record, count) { forward($0, $1) }
        } else {
            forward(record, count)
        }
        return record.load(as: vs_header.self).time <= consumeUntil
    }

    private func forward(_ record: UnsafeRawPointer, _ count: Int) {
        let header = record.load(as: vs_header.self)
        switch vs_type(UInt32(header.type)) {
        case VS_EXTENT, VS_REMOVE, VS_UNMAP: break
        case VS_MAP: processes.map(record.load(as: vs_map.self)) { onRecord($0, $1) }
        case VS_SNAP_BEGIN, VS_SNAP_END, VS_SNAP_WALK_BEGIN, VS_SNAP_WALK_END, VS_SNAP_CONTAINER, VS_SNAP_GROUP, VS_SNAP_DEVICE: break
        case VS_MODULE: moduleArrived = true
        case VS_DEVICE_INFO where count >= MemoryLayout<vs_driver>.size: return PCIScan.completed(record, onRecord)
        case VS_FORK:
            let fork = record.load(as: vs_fork.self)
            commandTree.insert(ProcessKey(pid: fork.child, start: fork.child_start))
        case VS_EXEC:
            // Another program, and a QEMU that updates itself may have another name.
            onRecord(record, count)
            processes.look(header, again: true) { onRecord($0, $1) }
            return
        case VS_IOMMU_ATTACH, VS_DEVICE_ENABLE: processes.look(header, again: true) { onRecord($0, $1) }
        default: processes.look(header, again: false) { onRecord($0, $1) }
        }
        keptBars?.notice(record, vs_type(UInt32(header.type)))
        onRecord(record, count)
    }

    private func checkLoss(now: UInt64) {
        let lost = account.read().dropped
        if lost > lostSoFar {
            var record = vs_loss()
            record.h.type = UInt16(VS_LOSS.rawValue)
            record.h.size = UInt16(MemoryLayout<vs_loss>.size)
            record.h.time = now
            record.since = lastLossCheck
            record.lost = lost - lostSoFar
            withUnsafeBytes(of: &record) { onRecord($0.baseAddress!, $0.count) }
            lostSoFar = lost
        }
        lastLossCheck = now
    }
}
