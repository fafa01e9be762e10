// SPDX-License-Identifier: Apache-2.0
import Events

/// `memory`, `process` and `gap` lines.
extension JSONLines {
    /// Writes that a device's memory was enabled, disabled, reset or put to sleep.
    mutating func writeMemory(_ event: Event, _ out: inout ByteWriter) {
        switch event.kind {
        case .memoryDecode(let address, let enabled, let origin):
            open(.memory, enabled ? .enable : .disable, event, &out)
            out.member(.device, address)
            out.member(.by, origin.word)
        case .reset(let address, let phase, let wholeBus):
            open(.memory, phase == .begin ? .resetBegin : .resetEnd, event, &out)
            out.member(.device, address)
            out.member(.wholeBus, wholeBus)
        case .power(let address, let state, let origin):
            open(.memory, .power, event, &out)
            out.member(.device, address)
            out.member(.state, state.word)
            out.member(.by, origin.word)
        default: return
        }
        close(&out)
    }

    /// What becomes of a process, and losses.
    mutating func writeOther(_ event: Event, _ out: inout ByteWriter) {
        switch event.kind {
        case .processInfo(let info):
            open(.process, .info, event, &out)
            out.append(facts: info)
        case .processExit: open(.process, .exit, event, &out)
        case .processExec: open(.process, .exec, event, &out)
        case .loss(let since, let lost):
            open(.gap, .lost, event, &out)
            out.member(.lost, lost)
            out.member(.since, since)
            out.member(.until, event.time)
        default: return
        }
        close(&out)
    }
}
