// SPDX-License-Identifier: Apache-2.0
import CRecords
import Events
import MappingGraph

/// Feeds a graph with one container from records that are changed in place, so that an event adds
/// no more than a few stores to what is measured.
private struct Feeder: ~Copyable {
    private var graph = Graph()
    private var applied = Applied()
    private var decoder = RecordDecoder()
    private let map = UnsafeMutablePointer<vs_map>.allocate(capacity: 1)
    private let removal = UnsafeMutablePointer<vs_remove>.allocate(capacity: 1)

    init() {
        let machine = Machine(number: 0)
        // The records before the first mapping, and one mapping as the pattern for all others.
        var events: [[UInt64]] = []
        var maker = RecordMaker { record, count in
            events.append(
                Array(UnsafeBufferPointer(start: record.assumingMemoryBound(to: UInt64.self), count: count >> 3)))
        }
        maker.begin(machine)
        maker.map(machine, iova: 0, size: 4096, dma: 1)
        maker.unmap(machine, iova: 0, size: 4096, dma: 1)
        for event in events {
            event.withUnsafeBytes { bytes in
                let type = vs_type(UInt32(bytes.load(as: UInt16.self)))
                if type == VS_MAP { map.initialize(to: bytes.load(as: vs_map.self)) }
                if type == VS_REMOVE { removal.initialize(to: bytes.load(as: vs_remove.self)) }
                if let event = decoder.decode(bytes.baseAddress!, count: bytes.count) { _ = graph.apply(event) }
            }
        }
    }

    deinit {
        map.deallocate()
        removal.deallocate()
    }

    var mappings: Int { graph.containers.map { graph.mappingCount(in: $0.id) }.reduce(0, +) }

    @inline(__always)
    mutating func insert(_ iova: UInt64) {
        map.pointee.iova = iova
        map.pointee.h.time &+= 1000
        apply(map, MemoryLayout<vs_map>.size)
    }

    @inline(__always)
    mutating func remove(_ iova: UInt64) {
        removal.pointee.iova = iova
        removal.pointee.h.time &+= 1000
        apply(removal, MemoryLayout<vs_remove>.size)
    }

    @inline(__always)
    private mutating func apply(_ record: UnsafeRawPointer, _ count: Int) {
        if let ordinary = decoder.ordinary(record, count: count) {
            graph.apply(ordinary, at: record, into: &applied)
        } else if let event = decoder.decode(record, count: count) {
            graph.apply(event, into: &applied)
        }
    }
}

/// `index ascending LIVE`: fills an empty container with LIVE mappings, repeatedly until there were
/// a million events. Nanoseconds for an event.
func ascending(_ live: Int) -> Figures {
    var cpu: UInt64 = 0, user: UInt64 = 0, events = 0
    while events < 1_000_000 {
        // Several small containers share one measurement, so that reading the clock costs nothing.
        var feeders: [Box] = []
        for _ in 0..<max(1, 100_000 / live) { feeders.append(Box()) }
        let began = (cpuNanoseconds(), userNanoseconds())
        for box in feeders {
            for index in 0..<UInt64(live) { box.feeder.insert(1 << 32 + index << 13) }
            events += live
        }
        cpu += cpuNanoseconds() - began.0
        user += userNanoseconds() - began.1
    }
    return [
        ("live", Double(live)), ("ns", Double(cpu) / Double(events)), ("user_ns", Double(user) / Double(events)),
        ("peak", Double(peakBytes())),
    ]
}

/// `index churn LIVE`: keeps LIVE mappings and replaces one at a time by another at a random place.
/// Nanoseconds for an event.
func churn(_ live: Int) -> Figures {
    let box = Box()
    var bits: UInt64 = 1
    while 1 << bits < 2 * live { bits += 1 }
    // A permutation of the places, computed without memory. The live mappings are always `live`
    // consecutive elements of it.
    let mask: UInt64 = 1 << bits - 1
    @inline(__always) func place(_ index: UInt64) -> UInt64 {
        var x = index & mask
        x = (x &* 0x9e37_79b9_7f4a_7c15) & mask
        x ^= x >> (bits / 2 + 1)
        x = (x &* 0xbf58_476d_1ce4_e5b9) & mask
        return 1 << 32 + x << 13
    }
    for index in 0..<UInt64(live) { box.feeder.insert(place(index)) }
    var oldest: UInt64 = 0
    func turn(_ count: Int) {
        for _ in 0..<count {
            box.feeder.remove(place(oldest))
            box.feeder.insert(place(oldest &+ UInt64(live)))
            oldest &+= 1
        }
    }
    // Warm up: leaves are as full as under churn only after each has been split and emptied.
    turn(min(2 * live, 4_000_000))
    let began = (cpuNanoseconds(), userNanoseconds())
    let turns = 1_000_000
    turn(turns)
    let cpu = cpuNanoseconds() - began.0, user = userNanoseconds() - began.1
    precondition(box.feeder.mappings == live)
    return [
        ("live", Double(live)), ("ns", Double(cpu) / Double(2 * turns)), ("user_ns", Double(user) / Double(2 * turns)),
        ("peak", Double(peakBytes())),
    ]
}

/// Holds a feeder, which cannot be copied, in an array.
private final class Box {
    var feeder = Feeder()
}
