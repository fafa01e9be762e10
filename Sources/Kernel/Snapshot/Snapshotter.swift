// SPDX-License-Identifier: Apache-2.0
import CRecords
import Events

/// Takes snapshots: reads the present state of VFIO out of the kernel's own structs, whether or not
/// anything was traced before.
///
/// Iterators find the roots, the files of VFIO that tasks hold. From there one object after the
/// other is asked for its neighbours, until no new object turns up. The answers come through the
/// ring, in order with the events.
///
/// **Re-entrance.** A question is a BPF program that runs during a system call; its answers are in
/// the ring when the call returns. So the ring is drained in the middle of `take`, and `take`'s own
/// object is called back, on the same thread, with what it drains:
///
///     Tracer.takeSnapshot
///       Snapshotter.take                   asks about one object after the other
///         SnapshotPrograms.ask             runs a BPF program, which emits the answers
///           Tracer.consume                 (closure `consume`) drains the ring
///             RingReader.consume
///               Tracer.deliver             every record: answers, and events of other processes
///                 Snapshotter.intercept    reads the answers: adds new objects to the worklists
///                   MappingWalk.consume    during a walk: counts mappings, finds their targets
///                     Tracer.forward       (closure `deliver`) hands the record on to `onRecord`
///                   Tracer.forward         the same for all other records
///         …                                `take` goes on with the worklists
///
/// What makes this safe: `intercept` only adds to the worklists and never asks a question that
/// drains the ring, so the recursion has this depth and no more (`MappingWalk` reads the IOMMU's
/// table in it, which touches no ring); `take` removes an object from a worklist before it asks
/// about it; and nobody takes a snapshot from within `onRecord`. `KeptBarWatch.scanIfDue` makes the
/// same round: it runs its iterator, drains the ring, and is called back with the results.
final class Snapshotter {
    private let programs: SnapshotPrograms
    private let walk: MappingWalk

    /// The objects that the answers named, by kernel address.
    private var containers = Worklist()
    private var groups = Worklist()
    private var devices = Worklist()
    private var iommus: [UInt64] = []
    /// Which process holds which object. Emitted after the objects, so that every kernel address in
    /// them can be replaced by a PCI address or a group's number.
    private var roots: [vs_snap_root] = []
    private var deviceNames: [UInt64: UInt64] = [:]
    private var groupNumbers: [UInt64: UInt64] = [:]

    /// Objects still to be asked about; each is queued once.
    private struct Worklist {
        var seen: Set<UInt64> = []
        var queue: [UInt64] = []

        mutating func add(_ object: UInt64) {
            if object != 0, seen.insert(object).inserted { queue.append(object) }
        }
    }

    /// - Parameters:
    ///   - loader: has loaded `SnapshotPrograms.names`; it must outlive this object.
    ///   - consume: drains the ring. While a snapshot is being taken, each record drained must be
    ///     passed to `intercept`.
    init(facts: KernelFacts, settings: Settings, loader: BPFLoader, consume: @escaping () -> Void) throws(TracerError) {
        programs = try SnapshotPrograms(facts: facts, loader: loader, consume: consume)
        walk = MappingWalk(programs: programs, settings: settings, consume: consume)
    }

    /// Takes one snapshot. `deliver` receives the records of who holds what; all others, and events
    /// that happen meanwhile, go through `intercept`.
    ///
    /// - Parameter beforeEnd: called before the snapshot's end is marked. A loss that it reports
    ///   makes the snapshot void.
    func take(_ deliver: (UnsafeRawPointer, Int) -> Void, beforeEnd: () -> Void) {
        containers = Worklist()
        groups = Worklist()
        devices = Worklist()
        iommus = []
        roots = []
        deviceNames = [:]
        groupNumbers = [:]
        programs.ask(VS_ASK_BEGIN)
        programs.findRoots()
        repeat {
            while let device = devices.queue.popLast() { programs.ask(VS_ASK_DEVICE, device) }
            while let group = groups.queue.popLast() { programs.ask(VS_ASK_GROUP, group) }
            while let container = containers.queue.popLast() { programs.ask(VS_ASK_CONTAINER, container) }
        } while !devices.queue.isEmpty || !groups.queue.isEmpty || !containers.queue.isEmpty
        emitRoots(deliver)
        for iommu in iommus { walk.walk(iommu) }
        beforeEnd()
        programs.ask(VS_ASK_END)
    }

    /// Called with each record drained from the ring while a snapshot is being taken. Keeps what
    /// the answers reveal about objects, and hands all records on to `deliver`, except roots, which
    /// follow later, and objects that were seen before.
    func intercept(_ record: UnsafeRawPointer, _ count: Int, _ deliver: (UnsafeRawPointer, Int) -> Void) {
        let type = vs_type(UInt32(record.load(as: vs_header.self).type))
        if walk.consume(record, type, deliver) { return }
        switch type {
        case VS_SNAP_ROOT:
            let root = record.load(as: vs_snap_root.self)
            switch vs_root_kind(root.kind) {
            case VS_ROOT_CONTAINER: containers.add(root.object)
            case VS_ROOT_GROUP: groups.add(root.object)
            default: devices.add(root.object)
            }
            if vs_root_kind(root.kind) != VS_ROOT_FOUND { roots.append(root) }
            return
        case VS_SNAP_DEVICE:
            let device = record.load(as: vs_snap_device.self)
            // A device that was asked about itself comes a second time in its group's list.
            guard deviceNames.updateValue(device.pci, forKey: device.device) == nil else { return }
            groups.add(device.group)
        case VS_SNAP_GROUP:
            let group = record.load(as: vs_group.self)
            guard groupNumbers.updateValue(UInt64(group.number), forKey: group.group) == nil else { return }
            groups.add(group.group)
            containers.add(group.container)
        case VS_SNAP_CONTAINER:
            let container = record.load(as: vs_snap_container.self)
            if container.iommu != 0, !iommus.contains(container.iommu) { iommus.append(container.iommu) }
        default: break
        }
        deliver(record, count)
    }

    private func emitRoots(_ deliver: (UnsafeRawPointer, Int) -> Void) {
        for var root in roots {
            switch vs_root_kind(root.kind) {
            case VS_ROOT_CONTAINER: break
            case VS_ROOT_GROUP: root.object = groupNumbers[root.object] ?? 0xffff_ffff
            default: root.object = deviceNames[root.object] ?? .max
            }
            withUnsafeBytes(of: &root) { deliver($0.baseAddress!, $0.count) }
        }
    }
}
