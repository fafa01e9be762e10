// SPDX-License-Identifier: Apache-2.0
/// Arrays within lines: hooks, devices with their BARs, targets.
extension TimelineReader {
    /// Calls `body` with a scanner at each element of an array field; `body` must step over the
    /// element. An absent array has none.
    mutating func forEachElement(
        of key: TimelineWord,
        _ body: (inout TimelineReader, inout TimelineScanner) throws(TimelineFault) -> Void
    ) throws(TimelineFault) {
        guard let scanner = try fields.array(key) else { return }
        try forEachElement(in: scanner, body)
    }

    private mutating func forEachElement(
        in array: TimelineScanner,
        _ body: (inout TimelineReader, inout TimelineScanner) throws(TimelineFault) -> Void
    ) throws(TimelineFault) {
        var scanner = array
        _ = scanner.skip(ascii: "[")
        scanner.skipSpace()
        if scanner.skip(ascii: "]") { return }
        while true {
            scanner.skipSpace()
            try body(&self, &scanner)
            scanner.skipSpace()
            if scanner.skip(ascii: "]") { return }
            guard scanner.skip(ascii: ",") else { throw scanner.fault("',' or ']'") }
        }
    }

    mutating func readHooks() throws(TimelineFault) -> [Session.Hook] {
        var hooks: [Session.Hook] = []
        try forEachElement(of: .hooks) { (reader, scanner) throws(TimelineFault) in
            try reader.nested.fill(&scanner)
            hooks.append(
                Session.Hook(
                    name: try reader.nested.string(.name) ?? "", function: try reader.nested.string(.function) ?? "",
                    how: try reader.nested.string(.how) ?? ""))
        }
        return hooks
    }

    mutating func readDevices() throws(TimelineFault) -> [DeviceInfo] {
        var devices: [DeviceInfo] = []
        try forEachElement(of: .devices) { (reader, scanner) throws(TimelineFault) in
            try reader.nested.fill(&scanner)
            guard var info = try deviceInfo(reader.nested) else { throw reader.nested.missing("a device's address") }
            // The BARs' fields overwrite those of the device.
            if let array = try reader.nested.array(.bars) { info.bars = try reader.readBars(array) }
            devices.append(info)
        }
        return devices
    }

    /// The device of a `device` line; the lines that follow are read with its BARs.
    ///
    /// - Parameter isWhole: whether an empty list means that there are no BARs; a driver's line
    /// need
    ///   not list them (`Device.merge` in MappingGraph).
    mutating func readDevice(isWhole: Bool) throws(TimelineFault) -> DeviceInfo {
        guard var info = try deviceInfo(fields) else { throw fields.missing("a device's address") }
        if let array = try fields.array(.bars) { info.bars = try readBars(array) }
        var hasBars = false
        for index in 0..<7 where info.bars[index].size > 0 { hasBars = true }
        if isWhole || hasBars { bars[info.device] = info.bars }
        return info
    }

    private mutating func readBars(_ array: TimelineScanner) throws(TimelineFault) -> InlineArray<7, Bar> {
        var bars = InlineArray<7, Bar>(repeating: Bar())
        try forEachElement(in: array) { (reader, scanner) throws(TimelineFault) in
            try reader.nested.fill(&scanner)
            guard let bar = try reader.nested.unsigned(.bar), bar < 7, let address = try reader.nested.hex(.address),
                let size = try reader.nested.unsigned(.size)
            else { throw reader.nested.missing("a BAR with bar (0 to 6), address and size") }
            bars[Int(bar)] = Bar(address: address, size: size)
        }
        return bars
    }

    /// Calls `body` with each target of a `map` line as the extent that it was.
    mutating func forEachTarget(_ body: (Extent) -> Void) throws(TimelineFault) -> UInt32 {
        guard let value = fields.value(.targets), value.kind != .array || value.end - value.start > 2 else { return 0 }
        var count: UInt32 = 0
        var endOfUnknown: UInt64?
        try forEachElement(of: .targets) { (reader, scanner) throws(TimelineFault) in
            try reader.nested.fill(&scanner)
            guard let iova = try reader.nested.hex(.iova), let size = try reader.nested.unsigned(.size) else {
                throw reader.nested.missing("a target with iova and size")
            }
            let address = try reader.address(reader.nested)
            // Two adjoining pieces without owner: the second is the rest for which the kernel had
            // sent no extent. There must be no extent for it now either.
            if address == nil, endOfUnknown == iova { return }
            endOfUnknown = address == nil ? iova &+ size : nil
            body(Extent(iova: iova, address: address ?? unknownAddress, size: size))
            count &+= 1
        }
        return count
    }

    /// The physical address of `device`, `bar`, `bar_offset`; nil when one is absent or they lead
    /// to no known BAR.
    func address(_ fields: TimelineFields) throws(TimelineFault) -> UInt64? {
        guard let device = try fields.device(.device), let bar = try fields.unsigned(.bar),
            let offset = try fields.unsigned(.barOffset)
        else { return nil }
        guard bar < 7 else { throw fields.missing("a bar from 0 to 6") }
        guard let found = bars[device]?[Int(bar)], found.size > 0 else { return nil }
        return found.address &+ offset
    }
}

/// The address of a target without an owner. No BAR can be there, because physical addresses have
/// 52 bits. So the target has no owner when it is read back either.
private let unknownAddress: UInt64 = 1 << 60

/// The device that an object describes, without its BARs; nil without a PCI address.
private func deviceInfo(_ fields: TimelineFields) throws(TimelineFault) -> DeviceInfo? {
    guard let device = try fields.device(.device) else { return nil }
    var msix: MSIXTable?
    if let bar = try fields.unsigned(.msixBar), bar < 6, let offset = try fields.unsigned32(.msixOffset),
        let size = try fields.unsigned32(.msixSize), size > 0
    {
        msix = MSIXTable(bar: UInt8(bar), offset: offset, size: size)
    }
    return DeviceInfo(
        device: device, group: try fields.unsigned32(.group),
        vendorID: UInt16(truncatingIfNeeded: try fields.hex(.vendor) ?? 0),
        deviceID: UInt16(truncatingIfNeeded: try fields.hex(.deviceID) ?? 0),
        classCode: UInt32(truncatingIfNeeded: try fields.hex(.classCode) ?? 0),
        driver: try fields.text(.driver) ?? DriverName(), msix: msix)
}
