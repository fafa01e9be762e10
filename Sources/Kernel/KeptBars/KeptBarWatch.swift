import CLibbpf
import CRecords
import CShim
import Events

/// Looks for areas of BARs that processes keep past the kernel's zap (bpf/kept_bars.h), and tells
/// which are kept and which have been let go.
///
/// The looks' own records stay here; what follows from two of them goes on, as a record of its own.
final class KeptBarWatch {
    private var looks = KeptBarLooks()
    private let program: OpaquePointer
    /// Empties the ring: its VS_KEPT_BAR records come to `take`.
    private let consume: () -> Void
    /// Records lost so far, of any type, and VS_KEPT_BAR records that were not.
    private let counts: () -> (lost: UInt64, submitted: UInt64)
    /// Of the latter, those that have come here. The ring gives nothing of what stands behind a
    /// record that another CPU is still writing.
    private var taken: UInt64 = 0
    private var areas: [KeptBarLooks.Area: vs_kept_bar] = [:]

    static let programs: Set<String> = ["find_kept_bars"]

    /// - Parameter loader: has loaded `programs`; it must outlive this.
    init?(loader: BPFLoader, consume: @escaping () -> Void, counts: @escaping () -> (lost: UInt64, submitted: UInt64)) {
        guard let program = loader.program("find_kept_bars"), loader.programDescriptor("find_kept_bars") != nil else {
            return nil
        }
        self.program = program
        self.consume = consume
        self.counts = counts
    }

    /// A snapshot is to tell what is kept, too.
    func request() { looks.request(at: UInt64(vs_boot_time())) }

    func hurry() { looks.hurry(at: UInt64(vs_boot_time())) }

    /// Whether what happened gives reason to look: the kernel has just taken a BAR away from those
    /// that it knows of.
    func notice(_ record: UnsafeRawPointer, _ type: vs_type) {
        switch type {
        case VS_MEMORY: guard record.load(as: vs_pci.self).value & 2 /* PCI_COMMAND_MEMORY */ == 0 else { return }
        case VS_RESET: guard record.load(as: vs_pci.self).value == VS_END.rawValue else { return }
        case VS_POWER: guard (3...4).contains(record.load(as: vs_pci.self).value) /* D3hot, D3cold */ else { return }
        default: return
        }
        request()
    }

    /// Takes a VS_KEPT_BAR record from the ring; `deliver` gets it if it is news.
    func take(_ record: UnsafeRawPointer, _ deliver: (UnsafeRawPointer, Int) -> Void) {
        let raw = record.load(as: vs_kept_bar.self)
        taken += 1
        guard raw.action == VS_KEPT.rawValue else { return request() }
        let area = KeptBarLooks.Area(
            process: ProcessKey(pid: raw.h.tgid, start: raw.h.start), device: raw.pci, address: raw.phys, size: raw.size
        )
        guard looks.find(area) else { return }
        areas[area] = raw
        deliver(record, MemoryLayout<vs_kept_bar>.size)
    }

    /// Looks if it is time to. `deliver` gets a record of each area that has been let go.
    func look(now: UInt64, _ deliver: (UnsafeRawPointer, Int) -> Void) {
        guard now >= looks.due else { return }
        let before = counts().lost
        looks.begin(at: now)
        let cpu = vs_thread_time()
        let isWhole = BPFIterator.run(program)
        consume()
        let after = counts()
        let isComplete = isWhole && after.lost == before && after.submitted == taken
        for area in looks.end(at: UInt64(vs_boot_time()), cost: UInt64(vs_thread_time() - cpu), isComplete: isComplete)
        {
            guard var raw = areas.removeValue(forKey: area) else { continue }
            raw.h.time = UInt64(vs_boot_time())
            raw.action = VS_LET_GO.rawValue
            withUnsafeBytes(of: &raw) { deliver($0.baseAddress!, $0.count) }
        }
    }

    /// How long until the next look, nanoseconds; nil when there is no reason for any soon.
    func wait(now: UInt64) -> UInt64? { looks.isUndecided ? max(looks.due, now) - now : nil }
}
