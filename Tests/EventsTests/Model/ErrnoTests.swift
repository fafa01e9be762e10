// SPDX-License-Identifier: Apache-2.0
import Events
import Testing

/// Tests the names of error numbers.
@Suite struct ErrnoTests {
    @Test func namesByNumber() {
        #expect(Errno.name(7)?.description == "E2BIG")
        #expect(Errno.name(17)?.description == "EEXIST")
        #expect(Errno.name(133)?.description == "EHWPOISON")
        #expect(Errno.name(524)?.description == "ENOTSUPP")
        for number in [0, 41, 58, 134, -1, Int32.min, .max] as [Int32] { #expect(Errno.name(number) == nil) }
    }

    @Test func constantsHaveTheirNames() {
        let constants = [
            (Errno.eperm, "EPERM"), (Errno.eintr, "EINTR"), (Errno.enomem, "ENOMEM"), (Errno.efault, "EFAULT"),
            (Errno.eexist, "EEXIST"),
            (Errno.einval, "EINVAL"), (Errno.enospc, "ENOSPC"), (Errno.eoverflow, "EOVERFLOW"),
        ]
        for (number, name) in constants { #expect(Errno.name(number)?.description == name) }
    }
}
