// SPDX-License-Identifier: Apache-2.0
import CLibbpf
import CRecords
import CShim
import Events

/// Scans for areas of BARs that processes keep past the kernel's zap (bpf/kept_bars.h), and emits a
/// record for each area that is kept and for each that is let go.
///
/// The records of a single scan stay here. Two of them together confirm that an area is kept, and
/// the second is then handed on.
final class KeptBarWatch {
    private var scans = KeptBarScans()
    private let program: OpaquePointer
    /// Drains the ring: its VS_KEPT_BAR records come to `consume(_:_:)`.
    private let drainRing: () -> Void
    /// How many records of any type were lost so far, and how many VS_KEPT_BAR records were not.
    private let counts: () -> (lost: UInt64, submitted: UInt64)
    /// How many of the submitted VS_KEPT_BAR records have come here. It can be fewer, because the
    /// ring does not yield records behind one that another CPU is still writing.
    private var consumed: UInt64 = 0
    private var areas: [KeptBarScans.Area: vs_kept_bar] = [:]

    static let programs: Set<String> = ["find_kept_bars"]

    /// - Parameter loader: has loaded `programs`; it must outlive this object.
    init?(loader: BPFLoader, consume: @escaping () -> Void, counts: @escaping () -> (lost: UInt64, submitted: UInt64)) {
        guard let program = loader.program("find_kept_bars"), loader.programDescriptor("find_kept_bars") != nil else {
            return nil
        }
        self.program = program
        drainRing = consume
        self.counts = counts
    }

    /// Schedules scans, after a snapshot for example: it shall include the areas that are kept.
    func request() { scans.request(at: UInt64(vs_boot_time())) }

    /// Schedules scans, the first of them immediately.
    func requestNow() { scans.requestNow(at: UInt64(vs_boot_time())) }

    /// Schedules scans if `record` shows that the kernel has just zapped a BAR: its memory was
    /// disabled, the device was reset, or it went to sleep.
    func observe(_ record: UnsafeRawPointer, _ type: vs_type) {
        switch type {
        case VS_MEMORY: guard record.load(as: vs_pci.self).value & UInt32(PCI_COMMAND_MEMORY) == 0 else { return }
        case VS_RESET: guard record.load(as: vs_pci.self).value == VS_END.rawValue else { return }
        case VS_POWER:
            let state = PowerState(rawValue: UInt8(truncatingIfNeeded: record.load(as: vs_pci.self).value))
            guard state == .d3hot || state == .d3cold else { return }
        default: return
        }
        request()
    }

    /// Consumes a VS_KEPT_BAR record from the ring; hands it to `deliver` if it confirms that an
    /// area is kept.
    func consume(_ record: UnsafeRawPointer, _ deliver: (UnsafeRawPointer, Int) -> Void) {
        let raw = record.load(as: vs_kept_bar.self)
        consumed += 1
        guard raw.action == VS_KEPT.rawValue else { return request() }
        let area = KeptBarScans.Area(
            process: ProcessKey(pid: raw.h.tgid, start: raw.h.start), device: raw.pci, address: raw.phys, size: raw.size
        )
        guard scans.add(area) else { return }
        areas[area] = raw
        deliver(record, MemoryLayout<vs_kept_bar>.size)
    }

    /// Scans if a scan is due. `deliver` receives a record for each area that has been let go.
    func scanIfDue(now: UInt64, _ deliver: (UnsafeRawPointer, Int) -> Void) {
        guard now >= scans.due else { return }
        let lostBefore = counts().lost
        scans.begin(at: now)
        let cpu = vs_thread_time()
        let isWhole = BPFIterator.run(program)
        drainRing()
        let after = counts()
        let isComplete = isWhole && after.lost == lostBefore && after.submitted == consumed
        for area in scans.end(at: UInt64(vs_boot_time()), cost: UInt64(vs_thread_time() - cpu), isComplete: isComplete)
        {
            guard var raw = areas.removeValue(forKey: area) else { continue }
            raw.h.time = UInt64(vs_boot_time())
            raw.action = VS_LET_GO.rawValue
            withUnsafeBytes(of: &raw) { deliver($0.baseAddress!, $0.count) }
        }
    }

    /// How long until the scan that confirms an area, in nanoseconds; nil when none is unconfirmed.
    func untilConfirmation(now: UInt64) -> UInt64? { scans.isUnconfirmed ? max(scans.due, now) - now : nil }
}
