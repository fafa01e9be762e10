import CRecords
import Events
import Glibc

/// What /proc says about a process: its executable, and the VM it runs.
enum ProcessScan {
    /// Calls `body` with a VS_PROCESS_INFO record made for the process of `header`, unless it is gone already.
    static func record(for header: vs_header, _ body: (UnsafeRawPointer, Int) -> Void) {
        let folder = "/proc/\(header.tgid)"
        guard let exe = Files.linkTarget("\(folder)/exe") else { return }
        let arguments = (Files.read("\(folder)/cmdline", limit: 1 << 16) ?? []).split(separator: 0, omittingEmptySubsequences: false)
            .map { String(decoding: $0, as: UTF8.self) }
        var record = vs_process_info()
        record.h = header
        record.h.type = UInt16(VS_PROCESS_INFO.rawValue)
        record.h.size = UInt16(MemoryLayout<vs_process_info>.size)
        withUnsafeMutableBytes(of: &record.exe) { PCIScan.copy(exe, into: $0) }
        withUnsafeMutableBytes(of: &record.vm) { PCIScan.copy(vmName(arguments: arguments) ?? "", into: $0) }
        withUnsafeBytes(of: &record) { body($0.baseAddress!, $0.count) }
    }

    /// The VM's name as QEMU takes it: `-name NAME`, or `-name guest=NAME,…` as libvirt writes it.
    static func vmName(arguments: [String]) -> String? {
        guard let flag = arguments.firstIndex(where: { $0 == "-name" || $0 == "--name" }), flag + 1 < arguments.count else { return nil }
        let fields = arguments[flag + 1].split(separator: ",")
        if let guest = fields.first(where: { $0.hasPrefix("guest=") }) { return String(guest.dropFirst(6)) }
        return fields.first.map(String.init)
    }
}
