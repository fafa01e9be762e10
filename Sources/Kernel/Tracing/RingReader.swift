// SPDX-License-Identifier: Apache-2.0
import CLibbpf
import CShim
import Glibc

/// Reads records directly from the pages of a BPF ring buffer, as libbpf's `ring_buffer` does, but
/// without a call through a pointer for each record.
///
/// The layout is the kernel's (kernel/bpf/ringbuf.c, since 5.8): a page with the consumer's
/// position, which only this reader writes; a page with the producers' position; then the data,
/// mapped twice in a row, so that every record is contiguous. Not thread-safe.
public final class RingReader {
    private let waiter: Int32
    private let pageSize = Int(sysconf(Int32(_SC_PAGESIZE)))
    @usableFromInline let consumer: UnsafeMutableRawPointer
    @usableFromInline let producer: UnsafeRawPointer
    private let mapped: Int
    @usableFromInline let data: UnsafeRawPointer
    @usableFromInline let mask: UInt

    /// The consumer's position is published each time that this many bytes have been read.
    /// Producers on other CPUs read the same cache line, so publishing every record would slow them
    /// down.
    @usableFromInline static let publishBytes: UInt = 64 << 10
    @usableFromInline static let headerBytes: UInt = 8
    @usableFromInline static let busy: UInt32 = 1 << 31
    @usableFromInline static let discarded: UInt32 = 1 << 30

    /// Maps the ring of `bytes` bytes, a power of two. nil, with errno set, when the kernel
    /// refuses.
    public init?(descriptor: Int32, bytes: Int) {
        guard let first = mmap(nil, pageSize, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0), first != MAP_FAILED
        else { return nil }
        mapped = pageSize + 2 * bytes
        guard let second = mmap(nil, mapped, PROT_READ, MAP_SHARED, descriptor, pageSize), second != MAP_FAILED else {
            munmap(first, pageSize)
            return nil
        }
        consumer = first
        producer = UnsafeRawPointer(second)
        data = producer + pageSize
        mask = UInt(bytes - 1)
        waiter = vs_watch(descriptor)
    }

    deinit {
        close(waiter)
        munmap(consumer, pageSize)
        munmap(UnsafeMutableRawPointer(mutating: producer), mapped)
    }

    /// Waits up to `milliseconds` for a wake-up by the BPF side.
    public func wait(milliseconds: Int32) {
        vs_wait(waiter, milliseconds)
    }

    /// Calls `body` with each record in the ring, oldest first, until it returns false; returns how
    /// many records were read. A record that is still being written ends it, too.
    ///
    /// The pointer is valid during the call. A record for which `body` returns false counts as
    /// read.
    @inlinable @inline(__always) @discardableResult
    public func consume(_ body: (UnsafeRawPointer, Int) -> Bool) -> Int {
        var position = vs_load_acquire(UnsafeRawPointer(consumer))
        var published = position
        var count = 0
        var goesOn = true
        defer { if position != published { vs_store_release(consumer, position) } }
        while goesOn {
            let end = vs_load_acquire(producer)
            if position == end { break }
            while position != end, goesOn {
                let header = data + Int(bitPattern: position & mask)
                let word = vs_load_acquire_32(header)
                if word & Self.busy != 0 { return count }
                let length = word & ~Self.discarded
                // Step past the record before calling `body`, so that it counts as read even if
                // this loop is left afterwards.
                position = position &+ (UInt(length) + Self.headerBytes + 7) & ~7
                if word & Self.discarded == 0 {
                    count += 1
                    goesOn = body(header + Int(Self.headerBytes), Int(length))
                }
                if position &- published >= Self.publishBytes {
                    vs_store_release(consumer, position)
                    published = position
                }
            }
        }
        return count
    }

    /// Calls `body` with each record that is in the ring now, including those that another CPU is
    /// still writing: one such record holds up all that follow it. Later records may follow until
    /// `body` returns false.
    ///
    /// - Parameter patience: how long to wait for a record without progress, nanoseconds.
    /// - Returns: false if a record was still unfinished then.
    public func consumePresent(patience: UInt64, _ body: (UnsafeRawPointer, Int) -> Bool) -> Bool {
        let target = vs_load_acquire(producer)
        var giveUp: UInt64 = 0
        while true {
            let count = consume(body)
            // Positions wrap around.
            if Int(bitPattern: target &- vs_load_acquire(UnsafeRawPointer(consumer))) <= 0 { return true }
            let now = UInt64(vs_boot_time())
            if count > 0 || giveUp == 0 { giveUp = now &+ patience }
            if now >= giveUp { return false }
            usleep(20)
        }
    }
}
