// SPDX-License-Identifier: Apache-2.0
import Events

/// How events change devices and their BARs.
extension Graph {
    /// Changes a device's state. Adds the device if it was not known before.
    mutating func change(_ address: PCIAddress, _ body: (inout Device) -> Void) -> Applied {
        let before = devices[address]
        let wasReachable = before?.isReachable ?? true
        body(&devices[address, default: Device(address)])
        if !wasReachable, !buffers.isEmpty, devices[address]!.isReachable { remindOfBuffers(of: address) }
        var applied = Applied()
        applied.affects = .device(address)
        let now = devices[address]!
        applied.changesReach =
            before.map {
                $0.isOpen != now.isOpen || $0.isClosing != now.isClosing || $0.isRemoved != now.isRemoved
                    || $0.opener != now.opener || $0.group != now.group
            } ?? now.isOpen
        return applied
    }

    mutating func firstOpen(_ use: DeviceUse, _ event: Event) -> Applied {
        guard let address = use.device else { return Applied() }
        // A device that is opened exists: its return was not seen.
        if devices[address]?.isRemoved == true { isBarTableStale = true }
        return change(address) { device in
            device.isRemoved = false
            device.open(by: event.actor, at: event.time, .observed)
            device.group = use.group ?? device.group
            // vfio_pci_core_enable turns decode on (pci_enable_device), wakes the device and resets
            // it, all versions.
            device.memoryEnabled = use.memoryEnabled ?? true
            device.power = .d0
            device.resetDepth = 0
        }
    }

    /// `vfio_pci_core_disable` restores the state saved at open: decode is on again, whatever the
    /// user had written.
    mutating func lastClose(_ use: DeviceUse, _ event: Event) -> Applied {
        guard let address = use.device else { return Applied() }
        forgetBuffers(of: address)
        forgetKept { $0.device == address }
        return change(address) { device in
            device.isOpen = false
            device.provenance = .observed
            device.openDescriptors = 0
            device.lastClosed = event.time
            device.usesIOMMUFD = false
            device.memoryEnabled = true
            device.group = use.group ?? device.group
        }
    }

    mutating func openDescriptor(_ use: DeviceUse, _ event: Event) -> Applied {
        guard let address = use.device else { return Applied() }
        var applied = change(address) { device in
            device.group = use.group ?? device.group
            device.openDescriptors = use.openCount ?? device.openDescriptors + 1
            // Tracing began after its first open.
            if !device.isOpen { device.open(by: event.actor, at: event.time, .inferred) }
        }
        if use.usesIOMMUFD { recordIOMMUFD(address) }
        applied.container = containerID(of: address)
        return applied
    }

    /// Notes that an open device is bound to an iommufd, once for each time that it is opened.
    mutating func recordIOMMUFD(_ address: PCIAddress) {
        guard let device = devices[address], !device.usesIOMMUFD else { return }
        devices[address]!.usesIOMMUFD = true
        let use = IOMMUFDUse(device: address, opener: device.opener ?? Actor())
        if !iommufdUses.contains(use) { iommufdUses.append(use) }
    }

    mutating func closeDescriptor(_ use: DeviceUse) -> Applied {
        guard let address = use.device else { return Applied() }
        var applied = change(address) { device in
            device.group = use.group ?? device.group
            device.openDescriptors = use.openCount ?? (device.openDescriptors > 0 ? device.openDescriptors - 1 : 0)
        }
        applied.container = containerID(of: address)
        return applied
    }

    mutating func learn(_ info: DeviceInfo) -> Applied {
        changePlace(info.device) { device in
            let msix =
                device.info.vendorID == info.vendorID && device.info.deviceID == info.deviceID ? device.info.msix : nil
            device.info = info
            // The location of the MSI-X table is only in config space, not in the kernel's device
            // struct.
            device.info.msix = info.msix ?? msix
            device.isDriverKnown = true
            device.group = info.group ?? device.group
            device.isRemoved = false
        }
    }

    mutating func bind(_ info: DeviceInfo) -> Applied {
        changePlace(info.device) { device in
            device.merge(info)
            device.info.driver = info.driver
            device.isDriverKnown = true
            device.isRemoved = false
        }
    }

    mutating func unbind(_ info: DeviceInfo) -> Applied {
        changePlace(info.device) { device in
            device.merge(info)
            device.info.driver = DriverName()
            device.isDriverKnown = true
        }
    }

    /// A rescan assigns BARs before it adds the device: until then a removed device stays removed.
    mutating func assign(_ info: DeviceInfo) -> Applied { changePlace(info.device) { $0.merge(info) } }

    /// The mappings of its BARs stay: type1 does not know that they are BARs.
    mutating func remove(_ address: PCIAddress) -> Applied { changePlace(address) { $0.isRemoved = true } }

    /// Changes a property that decides where a device's BARs are. If the BARs move, mappings of
    /// other devices may lead to it.
    private mutating func changePlace(_ address: PCIAddress, _ body: (inout Device) -> Void) -> Applied {
        let before = devices[address]
        isBarTableStale = true
        var applied = change(address, body)
        guard !peers.isEmpty, !devices[address]!.isInSamePlace(as: before) else { return applied }
        rebuildBarTable()
        applied.affects = .everything
        return applied
    }

    /// A bus reset affects every device on the bus, whoever has it.
    mutating func reset(_ address: PCIAddress, phase: Phase, wholeBus: Bool) -> Applied {
        func step(_ device: inout Device) {
            switch phase {
            case .begin: device.resetDepth += 1
            case .end: if device.resetDepth > 0 { device.resetDepth -= 1 }
            }
        }
        guard wholeBus else { return change(address, step) }
        if devices[address] == nil { devices[address] = Device(address) }
        for other in devices.keys where other.isOnSameBus(as: address) { step(&devices[other]!) }
        var applied = Applied()
        applied.affects = .bus(address)
        return applied
    }

    mutating func rebuildBarTable() {
        guard isBarTableStale else { return }
        barTable = BarTable(devices.values)
        isBarTableStale = false
    }
}

extension PCIAddress {
    /// Whether two devices have the same domain and bus.
    public func isOnSameBus(as other: PCIAddress) -> Bool { packed >> 8 == other.packed >> 8 }
}

extension Device {
    mutating func open(by actor: Actor, at time: UInt64, _ provenance: Provenance) {
        isOpen = true
        self.provenance = provenance
        openGeneration += 1
        opener = actor
        opened = time
    }

    /// Updates the device from a driver event, which need not contain every property.
    mutating func merge(_ new: DeviceInfo) {
        if let group = new.group {
            self.group = group
            info.group = group
        }
        if new.vendorID != 0 {
            info.vendorID = new.vendorID
            info.deviceID = new.deviceID
        }
        if new.classCode != 0 { info.classCode = new.classCode }
        info.msix = new.msix ?? info.msix
        for index in 0..<7 where new.bars[index].size > 0 {
            info.bars = new.bars
            break
        }
    }

    /// Whether the BARs are at the same addresses as before.
    func isInSamePlace(as other: Device?) -> Bool {
        guard let other, isRemoved == other.isRemoved else { return false }
        for index in 0..<7 where info.bars[index] != other.info.bars[index] { return false }
        return true
    }
}
