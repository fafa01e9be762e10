// SPDX-License-Identifier: Apache-2.0
import CLibbpf
import CShim
import CRecords
import Events
import Glibc

/// Traces the running kernel: probes what it offers, loads and attaches the BPF programs, drains
/// the ring. It handles records without interpreting them; that is the job of the targets that
/// consume them.
///
/// A record's way: `RingReader.consume` → `deliver` → (during a snapshot `Snapshotter.intercept`)
/// → `forward` → `onRecord`. Not thread-safe: everything happens on the thread that calls `drain`.
public final class Tracer {
    public struct Options: Sendable {
        /// Bytes of the ring, a power of two.
        public var ringBytes: UInt32 = 16 << 20
        /// For tests: one record in this many is lost on purpose; 0 for none.
        public var injectLoss: UInt32 = 0
        /// Follow the descendants of this process, so that `commandTree` holds the processes of the
        /// command.
        public var followsChildren = false
        public init() {}
    }

    /// Called with each record, in the order of the ring; the pointer is valid during the call.
    public var onRecord: (UnsafeRawPointer, Int) -> Void = { _, _ in }
    /// Called when hooks have been attached after the start, because a module of VFIO was loaded.
    public var onHooksChanged: (Session) -> Void = { _ in }

    /// The descendants of this process, if `followsChildren`: the command and all it has forked.
    public private(set) var commandTree: Set<ProcessKey> = []

    let options: Options
    var facts: KernelFacts
    var loaders: [BPFLoader] = []
    private var ring: RingReader?
    private var delivered: UInt64 = 0
    /// Draining ends with the first record that is later than this, so that a storm of records
    /// cannot keep it going. It lies `consumeSlack` beyond the time that is waited for, because a
    /// CPU may put a record into the ring some time after it has stamped it.
    private var consumeUntil: UInt64 = .max
    /// How long a CPU may take to finish a record, nanoseconds: far longer than a hook runs,
    /// because a virtual CPU can be preempted in it.
    private static let unfinishedPatience: UInt64 = 5_000_000_000
    private static let consumeSlack: UInt64 = 50_000_000
    private var lostSoFar: UInt64 = 0
    private var lastLossCheck: UInt64 = 0
    private var moduleArrived = false
    /// Whether VFIO was missing when tracing began.
    let cameBeforeVFIO: Bool
    /// Holes in the evidence: what hooks that were attached late may have missed.
    var defects: [String] = []
    var domainAttachesSeen: UInt64 = 0
    var attached: [String: HookDefinition.Way] = [:]
    var refused: [String: String] = [:]
    let account = LossAccount()
    var snapshotter: Snapshotter?
    /// Why `snapshotter` is nil, if the kernel refused only its programs.
    var snapshotRefusal: TracerError?
    private var isTakingSnapshot = false
    /// nil where the kernel's zap reaches every area of a BAR, or where scanning is not supported.
    var keptBars: KeptBarWatch?
    /// Why `keptBars` is nil, if the kernel refused only its program. The hook that requests scans
    /// then serves no purpose and is reported as missing.
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

    /// Loads the programs and attaches all hooks that the kernel allows now. Hooks on functions of
    /// modules that are not loaded yet are attached when the modules arrive.
    public func start() throws(TracerError) {
        try Privileges.check()
        guard facts.hasBTF else { throw .noBTF(release: facts.release) }
        guard facts.canUseFexit || facts.hasKnownOffsets else { throw .unknownLayout(release: facts.release) }
        try attachPending()
        guard let descriptor = loaders.first?.mapDescriptor("ring") else {
            throw .loadFailed(release: facts.release, log: "the object has no map named ring")
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

    /// Whether VFIO and its type1 driver are loaded, so that there is something to trace.
    public var hasVFIO: Bool { facts.hasVFIO && facts.hasType1 }

    /// Why there is nothing to trace; nil if there is something.
    public var absence: TracerError? {
        if hasVFIO { return nil }
        return facts.hasOnlyIOMMUFD ? .onlyIOMMUFD(release: facts.release) : .noVFIO(release: facts.release)
    }

    public var session: Session {
        Session(
            toolVersion: toolVersion, kernel: facts.release, machine: facts.machine,
            bootID: Files.text("/proc/sys/kernel/random/boot_id") ?? "",
            clockOffset: clockOffset, began: began, hooks: hooks,
            mappingLimit: KernelFacts.mappingLimit, remapsInterrupts: InterruptScan.remaps(),
            allowsUnsafeInterrupts: InterruptScan.allowsUnsafe, hasIOMMUFD: KernelFacts.hasIOMMUFD)
    }

    /// Every hook and how it is attached; for a missing one, the function that is tried first.
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

    /// How many records were lost so far, for each record type and for each program that the kernel
    /// skipped.
    public var losses: [(name: String, lost: UInt64)] { account.losses }

    /// Calls `onRecord` with a VS_DEVICE_INFO record for each PCI device of the host.
    public func scanDevices() {
        PCIScan.forEachDevice(time: UInt64(vs_boot_time())) { onRecord($0, $1) }
    }

    /// Takes a snapshot of the present state. Its records, and events that happen meanwhile, go to
    /// `onRecord` in order. Loads nothing, so it may be called often; not from within `onRecord`.
    /// How calls nest in it is drawn at `Snapshotter`.
    public func takeSnapshot() throws(TracerError) {
        if let absence { throw absence }
        guard facts.hasVFIOPCI else { throw .noVFIO(release: facts.release) }
        guard let snapshotter else { throw snapshotRefusal ?? .noVFIO(release: facts.release) }
        // This snapshot makes up for all losses until now: report them before it begins.
        settle()
        isTakingSnapshot = true
        // A loss during the snapshot voids it: report it before the snapshot's end.
        snapshotter.take({ forward($0, $1) }, beforeEnd: { checkLoss(now: UInt64(vs_boot_time())) })
        isTakingSnapshot = false
        keptBars?.request()
    }

    /// Scans at once for BARs that processes keep, and confirms what it finds by another scan: for
    /// a caller that does not go on tracing, which would do this in time.
    public func scanForKeptBars() {
        guard let keptBars else { return }
        keptBars.requestNow()
        drain(milliseconds: 0)
        for _ in 0..<10 {
            guard let wait = keptBars.untilConfirmation(now: UInt64(vs_boot_time())) else { break }
            drain(milliseconds: Int32(min(wait / 1_000_000 + 1, 1000)))
        }
    }

    /// Waits up to `milliseconds` for the ring to fill to its mark, then delivers all records in
    /// it. Also attaches late hooks, scans for kept BARs and checks for losses when due.
    public func drain(milliseconds: Int32) {
        guard let ring else { return }
        consumeUntil = UInt64(vs_boot_time()) + UInt64(max(milliseconds, 0)) * 1_000_000 + Self.consumeSlack
        // Below its mark the ring wakes nobody, so it is drained whatever ended the wait.
        ring.wait(milliseconds: milliseconds)
        ring.consume { deliver($0, $1) }
        if moduleArrived {
            moduleArrived = false
            attachLate()
        }
        let now = UInt64(vs_boot_time())
        keptBars?.scanIfDue(now: now) { onRecord($0, $1) }
        if now - lastLossCheck > 500_000_000 { checkLoss(now: now) }
    }

    /// Delivers all records in the ring and checks for losses, without waiting.
    public func settle() {
        ring?.consume { deliver($0, $1) }
        checkLoss(now: UInt64(vs_boot_time()))
    }

    /// Detaches all hooks, delivers what is left in the ring, and returns how complete the evidence
    /// is.
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
                "\(counts.attempted) records were attempted, but \(delivered) were delivered and "
                    + "\(counts.dropped) dropped"
            )
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

    /// Delivers all records that are in the ring now. The snapshot's programs call this after each
    /// question, so it waits for records that another CPU is still writing: the answers follow
    /// them.
    func consume() {
        guard let ring else { return }
        consumeUntil = UInt64(vs_boot_time()) + Self.consumeSlack
        if ring.consumePresent(patience: Self.unfinishedPatience, { deliver($0, $1) }) { return }
        let defect = "a record in the ring stayed unfinished: a snapshot may lack objects"
        if !defects.contains(defect) { defects.append(defect) }
    }

    /// Routes one record from the ring: to `keptBars`, to the snapshot being taken, or on. Returns
    /// whether to go on draining; otherwise the rest stays in the ring for the next time.
    private func deliver(_ record: UnsafeRawPointer, _ count: Int) -> Bool {
        delivered += 1
        guard count >= MemoryLayout<vs_header>.size else { return true }
        if vs_type(UInt32(record.load(as: vs_header.self).type)) == VS_KEPT_BAR, count >= MemoryLayout<vs_kept_bar>.size
        {
            keptBars?.consume(record) { forward($0, $1) }
        } else if isTakingSnapshot {
            snapshotter!.intercept(record, count) { forward($0, $1) }
        } else {
            forward(record, count)
        }
        return record.load(as: vs_header.self).time <= consumeUntil
    }

    /// Hands a record on to `onRecord`, preceded by what /proc shows of its process if that is new.
    private func forward(_ record: UnsafeRawPointer, _ count: Int) {
        let header = record.load(as: vs_header.self)
        switch vs_type(UInt32(header.type)) {
        case VS_EXTENT, VS_REMOVE, VS_UNMAP: break
        case VS_MAP: processes.scan(afterMap: record.load(as: vs_map.self)) { onRecord($0, $1) }
        case VS_SNAP_BEGIN, VS_SNAP_END, VS_SNAP_WALK_BEGIN, VS_SNAP_WALK_END, VS_SNAP_CONTAINER, VS_SNAP_GROUP,
            VS_SNAP_DEVICE:
            break
        case VS_MODULE: moduleArrived = true
        // An answer that comes after its snapshot: it holds a kernel address.
        case VS_SNAP_ROOT where !isTakingSnapshot: return
        case VS_DEVICE_INFO where count >= MemoryLayout<vs_driver>.size: return PCIScan.completed(record, onRecord)
        case VS_FORK:
            let fork = record.load(as: vs_fork.self)
            commandTree.insert(ProcessKey(pid: fork.child, start: fork.child_start))
        case VS_EXEC:
            // The process runs another program now; a QEMU that updates itself may have a new name.
            onRecord(record, count)
            processes.scan(header, again: true) { onRecord($0, $1) }
            return
        case VS_IOMMU_ATTACH, VS_DEVICE_ENABLE: processes.scan(header, again: true) { onRecord($0, $1) }
        default: processes.scan(header, again: false) { onRecord($0, $1) }
        }
        keptBars?.observe(record, vs_type(UInt32(header.type)))
        onRecord(record, count)
    }

    /// Emits a VS_LOSS record if records were lost since the last check.
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
