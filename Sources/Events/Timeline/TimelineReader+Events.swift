// SPDX-License-Identifier: Apache-2.0
/// Lines of one event each.
extension TimelineReader {
    /// Calls `body` with the event of the line in `fields`, after the extents of a mapping.
    @inline(__always)
    mutating func readEvent(_ type: TimelineWord, _ body: (Event) -> Void) throws(TimelineFault) {
        guard let time = try fields.unsigned(.t) else {
            throw fields.missing("an object with t, nanoseconds since boot")
        }
        let actor = try readActor()
        switch type {
        case .map: try readMap(time, actor, body)
        case .unmap: if let kind = try readUnmap() { body(Event(time: time, actor: actor, kind: kind)) }
        default:
            try readOther(type, time) { body(Event(time: time, actor: actor, kind: $0)) }
        }
    }

    @inline(__always)
    private func readActor() throws(TimelineFault) -> Actor {
        guard let pid = try fields.unsigned32(.pid) else { return Actor() }
        return Actor(
            process: ProcessKey(pid: pid, start: try fields.unsigned(.start) ?? 0),
            tid: try fields.unsigned32(.tid) ?? pid,
            uid: try fields.unsigned32(.uid) ?? 0, cgroup: try fields.unsigned(.cgroup) ?? 0,
            comm: try fields.comm(.comm) ?? Comm())
    }

    @inline(__always)
    private mutating func readMap(_ time: UInt64, _ actor: Actor, _ body: (Event) -> Void) throws(TimelineFault) {
        guard let iova = try fields.hex(.iova), let size = try fields.unsigned(.size) else {
            throw fields.missing("a map with iova and size")
        }
        let ram = try fields.unsigned(.ram) ?? size
        guard ram <= size else { throw fields.missing("ram of at most size") }
        let container = try fields.container(.container)
        let result = try fields.result(.result) ?? 0
        var map = MapRequest(
            iommu: result == 0 ? containers.mapped(container) : containers.iommu(container), iova: iova,
            vaddr: try fields.hex(.vaddr) ?? 0, size: size, readable: try fields.bool(.read) ?? true,
            writable: try fields.bool(.write) ?? true, result: result, deviceBytes: size - ram,
            moreExtents: try fields.bool(.moreTargets) ?? false, began: try fields.unsigned(.began) ?? 0,
            vaddrOnly: try fields.bool(.vaddrOnly) ?? false)
        if let word = try fields.word(.provenance) { map.provenance = Provenance(word) ?? .observed }
        map.isMemoryGone = try fields.bool(.memoryGone) ?? false
        if try fields.bool(.targetUnknown) ?? false {
            map.isTargetUnknown = true
            map.deviceBytes = 0
        }
        map.backing = try readBacking()
        map.extentCount = try forEachTarget { body(Event(time: time, actor: actor, kind: .extent($0))) }
        body(Event(time: time, actor: actor, kind: .map(map)))
    }

    @inline(__always)
    private func readBacking() throws(TimelineFault) -> Backing? {
        guard let word = try fields.word(.backing) else { return nil }
        guard let kind = Backing.Kind(word) else { throw fields.missing("a backing of file, memfd or anonymous") }
        return Backing(
            kind: kind, device: try fields.unsigned32(.backingDevice) ?? 0,
            inode: try fields.unsigned(.backingInode) ?? 0,
            offset: try fields.unsigned(.backingOffset) ?? 0)
    }

    /// The event of an `unmap` line; nil for a mapping that a snapshot showed to be gone, which the
    /// graph concludes anew.
    @inline(__always)
    private mutating func readUnmap() throws(TimelineFault) -> Event.Kind? {
        guard let iova = try fields.hex(.iova), let size = try fields.unsigned(.size) else {
            throw fields.missing("an unmap with iova and size")
        }
        let container = try fields.container(.container)
        switch try fields.word(.action) {
        case .removed:
            let word = try fields.word(.cause)
            if word == .resync { return nil }
            guard let cause = word.flatMap({ RemovalCause($0) }) else {
                throw fields.missing("a cause of request, teardown, failed-map or resync")
            }
            return .mappingRemoved(
                MappingRemoved(
                    iommu: cause == .failedMap ? containers.iommu(container) : containers.mapped(container), iova: iova,
                    size: size, cause: cause))
        case .request:
            return .unmapRequest(
                UnmapRequest(
                    iommu: containers.iommu(container), iova: iova, size: size,
                    flags: try fields.unsigned32(.flags) ?? 0,
                    result: try fields.result(.result) ?? 0, requested: try fields.unsigned(.requested)))
        default: throw fields.missing("an unmap's action")
        }
    }

    @inline(never)
    private mutating func readOther(_ type: TimelineWord, _ time: UInt64, _ body: (Event.Kind) -> Void)
        throws(TimelineFault)
    {
        switch type {
        case .container: try readContainer(body)
        case .group: try readGroup(body)
        case .device: body(try readDeviceLine())
        case .memory: body(try readMemory())
        case .process:
            switch try fields.word(.action) {
            case .info: body(.processInfo(try readProcessInfo()))
            case .exit: body(.processExit)
            case .exec: body(.processExec)
            default: throw fields.missing("a process's action")
            }
        case .gap:
            switch try fields.word(.action) {
            case .snapshotBegin: body(.snapshotBegin)
            case .snapshotEnd: body(.snapshotEnd)
            // Without an action in the first timelines.
            case .lost, nil:
                guard let lost = try fields.unsigned(.lost) else { throw fields.missing("a gap with lost") }
                body(.loss(since: try fields.unsigned(.since) ?? time, lost: lost))
            default: throw fields.missing("a gap's action")
            }
        default: throw fields.missing("a type that this version knows")
        }
    }

    /// Unit, container and pod follow from the control group's path.
    private func readProcessInfo() throws(TimelineFault) -> ProcessInfo {
        // A line that knows the limit has `ipc_lock`; a limit that is null there is none.
        let memoryLock = try fields.bool(.ipcLock).map { isLifted throws(TimelineFault) in
            MemoryLock(limit: try fields.unsigned(.memlockLimit), isLifted: isLifted)
        }
        return ProcessInfo(
            exe: try fields.text(.exe) ?? ShortText(), vm: try fields.text(.vm) ?? ShortText(),
            vmUUID: try fields.string(.vmUUID) ?? "",
            command: try fields.string(.command) ?? "", cgroupPath: try fields.string(.cgroupPath) ?? "",
            memoryLock: memoryLock)
    }

    private mutating func readContainer(_ body: (Event.Kind) -> Void) throws(TimelineFault) {
        let number = try fields.container(.container)
        let type = try fields.unsigned32(.iommuType) ?? 0
        let isInferred = try fields.word(.provenance) == .inferred
        switch (try fields.word(.action), number) {
        case (.open, let number?) where isInferred:
            // Later lines imply everything about it but its type.
            if type != 0 { body(.iommuOpen(containers[number].iommu, type: type, container: nil)) }
        case (.open, let number?):
            body(.containerOpen(containers.open(number, replaces: try fields.container(.replaces))))
        case (.close, _): body(.containerClose(number.map { containers[$0].container } ?? ContainerKey(0)))
        case (.setIOMMU, let number?):
            let keys = containers.link(
                number, absorbs: try fields.container(.absorbs), replaces: try fields.container(.replaces))
            // Without a type, the opening of the IOMMU side was not seen: the container is known
            // through the group that was attached.
            if type == 0, let group = try fields.unsigned32(.group) {
                body(.iommuAttach(keys.iommu, group: group, result: 0))
            } else {
                body(.iommuOpen(keys.iommu, type: type, container: keys.container))
            }
        case (.release, let number?):
            let iommu = containers[number].iommu
            containers[number].isLinked = false
            // An inferred one: the pointer appeared as another IOMMU side's.
            body(isInferred ? .iommuOpen(iommu, type: 0, container: nil) : .iommuRelease(iommu))
        case (.release, nil): body(.iommuRelease(IOMMUKey(0)))
        case (.present, let number?): try readPresent(number, body)
        case (.held, _):
            body(
                .snapshotHolder(
                    .container(number.map { containers[$0].container } ?? ContainerKey(0)), byMapping: try isByMapping()
                ))
        case (.walkBegin, _): body(.walkBegin(containers.iommu(number)))
        case (.walkEnd, _):
            body(
                .walkEnd(
                    containers.iommu(number), mappings: try fields.unsigned(.mappings) ?? 0,
                    consistent: try fields.bool(.unsettled) != true))
        case (.open, nil), (.setIOMMU, nil), (.present, nil): throw fields.missing("a container")
        default: throw fields.missing("a container's action")
        }
    }

    /// A container as a snapshot found it: one with `iommu_type` has an IOMMU side, and one with
    /// `linked` another than before.
    private mutating func readPresent(_ number: UInt32, _ body: (Event.Kind) -> Void) throws(TimelineFault) {
        let type = try fields.unsigned32(.iommuType)
        let isNewLink = try fields.bool(.linked) == true
        let keys =
            isNewLink
            ? containers.link(number, absorbs: nil, replaces: try fields.container(.replaces))
            : containers.found(number, isLinked: type != nil)
        body(.snapshotContainer(keys.container, iommu: type == nil ? nil : keys.iommu, type: type ?? 0))
    }

    private func isByMapping() throws(TimelineFault) -> Bool { try fields.bool(.byMapping) ?? false }

    private mutating func readGroup(_ body: (Event.Kind) -> Void) throws(TimelineFault) {
        guard let group = try fields.unsigned32(.group) else { throw fields.missing("a group's number") }
        let number = try fields.container(.container)
        switch try fields.word(.action) {
        case .open: body(.groupOpen(group))
        case .close: body(.groupClose(group))
        case .attach:
            // Of attempts to attach to the IOMMU only failed ones have a line, and only those have
            // a result.
            if let result = try fields.result(.result) {
                body(.iommuAttach(containers.iommu(number), group: group, result: result))
                return
            }
            guard let number else { throw fields.missing("a container") }
            if try fields.bool(.linked) == true { try readLink(number, group, body) }
            containers[number].isNamed = true
            body(.groupAttach(group, containers[number].container))
        case .detach: body(.groupDetach(group, number.map { containers[$0].container } ?? ContainerKey(0)))
        case .present:
            body(.snapshotGroup(group, number.map { containers.found($0, isLinked: false).container }))
        case .held: body(.snapshotHolder(.group(group), byMapping: try isByMapping()))
        default: throw fields.missing("a group's action")
        }
    }

    /// The events of a group that had been attached to the IOMMU side before its container was
    /// known.
    private mutating func readLink(_ number: UInt32, _ group: UInt32, _ body: (Event.Kind) -> Void)
        throws(TimelineFault)
    {
        let before = containers[number]
        let replaces = try fields.container(.replaces)
        let keys = containers.link(number, absorbs: try fields.container(.absorbs), replaces: replaces)
        if replaces == nil, keys.iommu != before.iommu || !before.isLinked, let type = try fields.unsigned32(.iommuType)
        {
            body(.iommuOpen(keys.iommu, type: type, container: nil))
        }
        body(.iommuAttach(keys.iommu, group: group, result: 0))
    }

    private mutating func readDeviceLine() throws(TimelineFault) -> Event.Kind {
        let action = try fields.word(.action)
        switch action {
        case .open: return .deviceOpen(try readUse())
        case .close: return .deviceClose(try readUse())
        case .firstOpen: return .deviceFirstOpen(try readUse())
        case .lastClose: return .deviceLastClose(try readUse())
        case .add: return .deviceInfo(try readDevice(isWhole: true))
        case .bind: return .driverBind(try readDevice(isWhole: false))
        case .unbind: return .driverUnbind(try readDevice(isWhole: false))
        case .assign: return .barsAssigned(try readDevice(isWhole: false))
        case .present:
            var found = SnapshotDevice(
                device: try fields.device(.device), group: try fields.unsigned32(.group),
                openCount: try fields.unsigned32(.openCount) ?? 0, memoryEnabled: try fields.bool(.memory),
                power: try fields.value(.power) == nil ? .unknown : readPower(.power))
            found.usesIOMMUFD = try fields.bool(.iommufd) ?? false
            return .snapshotDevice(found)
        case .held:
            return .snapshotHolder(
                .device(try fields.device(.device) ?? PCIAddress(packed: noPCI)), byMapping: try isByMapping())
        case .dmaBufRelease:
            let inode = try fields.unsigned(.inode) ?? 0
            return .dmaBuf(DMABuf(.release, key: inode, device: try fields.device(.device)))
        default: break
        }
        guard let device = try fields.device(.device) else { throw fields.missing("a device's address") }
        switch action {
        case .remove: return .deviceRemove(device)
        case .dmaBufExport:
            guard let inode = try fields.unsigned(.inode) else { throw fields.missing("the inode of a dma-buf") }
            return .dmaBuf(
                DMABuf(
                    .export, key: inode, device: device, inode: inode, size: try fields.unsigned(.size) ?? 0,
                    address: try address(fields) ?? 0,
                    ranges: try fields.unsigned32(.ranges) ?? 0, isRevoked: try fields.bool(.revoked) ?? false))
        case .dmaBufRevoke: return .dmaBuf(DMABuf(.revoke, device: device))
        case .dmaBufRestore: return .dmaBuf(DMABuf(.restore, device: device))
        case .keptBar, .letGo:
            return .keptBar(
                KeptBar(
                    device: device, address: try address(fields) ?? 0, size: try fields.unsigned(.size) ?? 0,
                    isKept: action == .keptBar))
        case .mmap:
            return .barMmap(
                BarMmap(
                    device: device, vaddr: try fields.hex(.vaddr) ?? 0, size: try fields.unsigned(.size) ?? 0,
                    address: try address(fields) ?? 0))
        default: throw fields.missing("a device's action")
        }
    }

    private func readUse() throws(TimelineFault) -> DeviceUse {
        var use = DeviceUse(
            device: try fields.device(.device), group: try fields.unsigned32(.group),
            openCount: try fields.unsigned32(.openCount), memoryEnabled: try fields.bool(.memoryEnabled))
        use.usesIOMMUFD = try fields.bool(.iommufd) ?? false
        return use
    }

    private func readMemory() throws(TimelineFault) -> Event.Kind {
        guard let device = try fields.device(.device) else { throw fields.missing("a device's address") }
        let by = try fields.word(.by).flatMap { Origin($0) } ?? .host
        switch try fields.word(.action) {
        case .enable: return .memoryDecode(device, enabled: true, by: by)
        case .disable: return .memoryDecode(device, enabled: false, by: by)
        case .resetBegin: return .reset(device, phase: .begin, wholeBus: try fields.bool(.wholeBus) ?? false)
        case .resetEnd: return .reset(device, phase: .end, wholeBus: try fields.bool(.wholeBus) ?? false)
        case .power: return .power(device, state: try readPower(.state), by: by)
        default: throw fields.missing("a memory line's action")
        }
    }

    private func readPower(_ key: TimelineWord) throws(TimelineFault) -> PowerState {
        guard let state = try fields.word(key).flatMap({ PowerState($0) }) else {
            throw fields.missing("a power state")
        }
        return state
    }
}
