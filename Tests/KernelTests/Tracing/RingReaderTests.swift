// SPDX-License-Identifier: Apache-2.0
import CShim
import Glibc
import Testing

@testable import Kernel

/// Reads a ring laid out as the kernel's, in a file that the tests write.
@Suite struct RingReaderTests {
    /// Three records of one word each, 1, 2 and 3; the second is still being written.
    private final class Ring: @unchecked Sendable {
        let descriptor: Int32
        let pages: UnsafeMutableRawPointer
        private let page = Int(sysconf(Int32(_SC_PAGESIZE)))

        init() throws {
            var name = Array("/tmp/ring-XXXXXX".utf8CString)
            descriptor = mkstemp(&name)
            unlink(name)
            let bytes = 4 * page
            try #require(descriptor >= 0 && ftruncate(descriptor, bytes) == 0)
            pages = try #require(mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0))
            for number in 0..<3 {
                header(number).pointee = 8 | (number == 1 ? RingReader.busy : 0)
                (data + number * 16 + 8).storeBytes(of: UInt64(number + 1), as: UInt64.self)
            }
            vs_store_release(pages + page, 48)
        }

        deinit {
            munmap(pages, 4 * page)
            close(descriptor)
        }

        private var data: UnsafeMutableRawPointer { pages + 2 * page }
        private func header(_ number: Int) -> UnsafeMutablePointer<UInt32> {
            (data + number * 16).assumingMemoryBound(to: UInt32.self)
        }

        func finishSecond() { header(1).pointee = 8 }
        func reader() -> RingReader? { RingReader(descriptor: descriptor, bytes: page) }
    }

    @Test func anUnfinishedRecordHoldsUpWhatFollowsIt() throws {
        let ring = try Ring()
        let reader = try #require(ring.reader())
        var found: [UInt64] = []
        let count = reader.consume { record, _ in
            found.append(record.load(as: UInt64.self))
            return true
        }
        #expect(count == 1 && found == [1])
        ring.finishSecond()
        reader.consume { record, _ in
            found.append(record.load(as: UInt64.self))
            return true
        }
        #expect(found == [1, 2, 3])
    }

    /// A snapshot relies on it: the answers to its questions follow the record.
    @Test func whatIsPresentIsWaitedFor() throws {
        let ring = try Ring()
        let reader = try #require(ring.reader())
        var thread = pthread_t()
        let code = pthread_create(
            &thread, nil,
            { raw in
                usleep(20_000)
                Unmanaged<Ring>.fromOpaque(raw!).takeUnretainedValue().finishSecond()
                return nil
            }, Unmanaged.passUnretained(ring).toOpaque())
        try #require(code == 0)
        var found: [UInt64] = []
        let isWhole = reader.consumePresent(patience: 10_000_000_000) { record, _ in
            found.append(record.load(as: UInt64.self))
            // Whatever it returns, all that was present is read.
            return false
        }
        pthread_join(thread, nil)
        #expect(isWhole && found == [1, 2, 3])
    }

    @Test func patienceEnds() throws {
        let ring = try Ring()
        let reader = try #require(ring.reader())
        var count = 0
        let isWhole = reader.consumePresent(patience: 5_000_000) { _, _ in
            count += 1
            return true
        }
        #expect(!isWhole && count == 1)
    }
}
