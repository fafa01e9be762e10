// SPDX-License-Identifier: Apache-2.0
import CRecords
import Events

/// The state that a recording of its own would begin with: the PCI devices, and the processes that
/// were introduced earlier.
///
/// The tool reads the devices from sysfs once, when it starts, and introduces a process once. A
/// slice from the middle of a recording has neither, so both are kept up to date while reading.
struct Background {
    /// VS_DEVICE_INFO records as sysfs would give them now, in ascending order of address.
    var devices: [vs_driver] { known.values.sorted { $0.pci < $1.pci } }

    private var known: [UInt64: vs_driver] = [:]
    private var processes: [ProcessKey: [UInt8]] = [:]

    /// Keeps what a record reports about devices and processes.
    mutating func keep(_ record: UnsafeRawPointer, _ count: Int) {
        switch vs_type(UInt32(record.load(as: vs_header.self).type)) {
        case VS_DEVICE_INFO where count >= MemoryLayout<vs_driver>.size:
            let info = record.load(as: vs_driver.self)
            known[info.pci] = info
        case VS_DRIVER, VS_BAR_MOVE: move(record.load(as: vs_driver.self))
        case VS_PCI_REMOVE: known[record.load(as: vs_pci.self).pci] = nil
        case VS_PROCESS_INFO:
            processes[ProcessKey(at: record)] = Array(UnsafeRawBufferPointer(start: record, count: count))
        default: break
        }
    }

    /// The last VS_PROCESS_INFO of a process, if it had one.
    func introduction(of process: ProcessKey) -> [UInt8]? { processes[process] }

    /// A driver comes or goes, or BARs get addresses. A record without BARs does not know them.
    private mutating func move(_ new: vs_driver) {
        guard var info = known[new.pci] else { return }
        if new.action == VS_BOUND.rawValue { info.driver = new.driver }
        if new.action == VS_UNBOUND.rawValue { info.driver = vs_driver().driver }
        if new.number != 0xffff_ffff { info.number = new.number }
        let hasBars = withUnsafeBytes(of: new.bars) { $0.contains { $0 != 0 } }
        if hasBars { info.bars = new.bars }
        known[new.pci] = info
    }
}

extension ProcessKey {
    /// The process of a record's header.
    init(at record: UnsafeRawPointer) {
        let header = record.load(as: vs_header.self)
        self.init(pid: header.tgid, start: header.start)
    }
}
