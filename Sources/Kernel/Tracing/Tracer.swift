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
        /// Follow the children of this process, so that `commandTree` knows whose findings are the
        /// command's.
        public var followsChildren = false
        public init() {}
    }

    /// Called with each record, in the order of the ring; the pointer is valid during the call.
    public var onRecord: (UnsafeRawPointer, Int) -> Void = { _, _ in }
    /// Called when hooks were attached later, because a module arrived.
    public var onHooksChanged: (Session) -> Void = { _ in }

    /// Processes begotten by this one and by each other, while `followsChildren`.
    public private(set) var commandTree: Set<ProcessKey> = []

    let options: Options
    var facts: KernelFacts
    var loaders: [BPFLoader] = []
    private var ring: RingReader?
    private var delivered: UInt64 = 0
    /// Records of a later time are left for the next round. Later by some slack than what is waited
    /// for, because a CPU may stamp a record late.
    private var consumeUntil: UInt64 = .max
    private static let consumeSlack: UInt64 = 50_000_000
    private var lostSoFar: UInt64 = 0
    private var lastLossCheck: UInt64 = 0
    private var moduleArrived = false
    /// Whether VFIO was missing when tracing began.
    let cameBeforeVFIO: Bool
    /// What late hooks may have missed, for the evidence.
    var defects: [String] = []
    var domainAttachesSeen: UInt64 = 0
    var attached: [String: HookDefinition.Way] = [:]
    var refused: [String: String] = [:]
    let account = LossAccount()
    var snapshotter: Snapshotter?
    /// Why there is no snapshotter, when the kernel refused its programs and only them.
    var snapshotRefusal: TracerError?
    private var isTakingSnapshot = false
    /// nil where the kernel's zap reaches every area of a BAR, or where that cannot be told.
    var keptBars: KeptBarWatch?
    /// Why there is none, when the kernel refused its program and only that: then the hook that
    /// asks it to look is of no use.
    var keptBarRefusal: String?
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

    /// Attaches what the kernel allows now. What a module that is not loaded yet holds is attached
    /// when it arrives.
    public func start() throws(TracerError) {
        try Privileges.check()
        guard facts.hasBTF else { throw .noBTF(release: facts.release) }
        guard facts.canUseFexit || facts.hasKnownOffsets else { throw .unknownLayout(release: facts.release) }
        try attachPending()
        guard let descriptor = loaders.first?.mapDescriptor("ring") else {
            throw .loadFailed(release: facts.release, log: "the ring was not made")
        }
        ring = RingReader(descriptor: descriptor, bytes: Int(options.ringBytes))
        guard ring != nil else {
            throw .loadFailed(release: facts.release, log: "cannot map the ring: \(String(cString: strerror(errno)))")
        }
        lastLossCheck = began
        account.begin(
            counters: loaders[0].mapDescriptor("counters") ?? -1,
            saved: facts.canUseFexit ? nil : loaders[0].mapDescriptor("saved"))
        if options.followsChildren, let tree = loaders.first?.mapDescriptor("tree") {
            var own = UInt32(getpid())
            var yes: UInt8 = 1
            bpf_map_update_elem(tree, &own, &yes, 0)
        }
    }

    /// Whether the type1 driver is there, so that there is something to trace.
    public var hasVFIO: Bool { facts.hasVFIO && facts.hasType1 }

    public var session: Session {
        Session(
            toolVersion: toolVersion, kernel: facts.release, machine: facts.machine,
            bootID: Files.text("/proc/sys/kernel/random/boot_id") ?? "",
            clockOffset: clockOffset, began: began, hooks: hooks,
            mappingLimit: KernelFacts.mappingLimit, remapsInterrupts: InterruptScan.remaps(),
            allowsUnsafeInterrupts: InterruptScan.allowsUnsafe)
    }

    /// Every hook and how it is attached; `missing` with the function that would be preferred.
    public var hooks: [Session.Hook] {
        HookDefinition.all.filter(isWanted).map { hook in
            if hook.name == Self.keptBarHook, let keptBarRefusal {
                return Session.Hook(
                    name: hook.name, function: hook.ways[0].function, how: "missing (\(keptBarRefusal))")
            }
            if let way = attached[hook.name] {
                return Session.Hook(name: hook.name, function: way.function, how: way.how)
            }
            return Session.Hook(
                name: hook.name, function: hook.ways[0].function,
                how: refused[hook.name].map { "missing (\($0))" } ?? "missing")
        }
    }

    /// What was lost so far: the record type, or the program that the kernel left out, and how
    /// often.
    public var losses: [(name: String, lost: UInt64)] { account.losses }

    /// Calls `onRecord` with a VS_DEVICE_INFO record for each PCI device of the host.
    public func scanDevices() {
        PCIScan.forEachDevice(time: UInt64(vs_boot_time())) { onRecord($0, $1) }
    }

    /// Reads the present state out of the kernel: its records, and events that happen meanwhile, go
    /// to `onRecord` in order. Loads nothing, so it may be called often.
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

    /// Looks at once for what processes keep of BARs: for who does not go on tracing. Takes a
    /// second look where the first one finds something.
    public func lookForKeptBars() {
        guard let keptBars else { return }
        keptBars.hurry()
        drain(milliseconds: 0)
        for _ in 0..<10 {
            guard let wait = keptBars.wait(now: UInt64(vs_boot_time())) else { break }
            drain(milliseconds: Int32(min(wait / 1_000_000 + 1, 1000)))
        }
    }

    /// Waits up to `milliseconds` for the ring to fill to its mark, then delivers all that is
    /// there.
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
            evidence.defects.append(
                "\(counts.attempted) records were attempted, but \(delivered) delivered and \(counts.dropped) dropped")
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

    /// Delivers what the ring holds now, and not for ever what a storm of events adds meanwhile.
    func consume() {
        guard let ring else { return }
        consumeUntil = UInt64(vs_boot_time()) + Self.consumeSlack
        ring.consume { deliver($0, $1) }
    }

    /// Whether to go on; else the rest stays in the ring for the next time.
    private func deliver(_ record: UnsafeRawPointer, _ count: Int) -> Bool {
        delivered += 1
        guard count >= MemoryLayout<vs_header>.size else { return true }
        if vs_type(UInt32(record.load(as: vs_header.self).type)) == VS_KEPT_BAR, count >= MemoryLayout<vs_kept_bar>.size
        {
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
        case VS_SNAP_BEGIN, VS_SNAP_END, VS_SNAP_WALK_BEGIN, VS_SNAP_WALK_END, VS_SNAP_CONTAINER, VS_SNAP_GROUP,
            VS_SNAP_DEVICE:
            break
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
