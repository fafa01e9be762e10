// SPDX-License-Identifier: Apache-2.0
import Glibc

/// The exit statuses. Scripts rely on these numbers.
package enum ExitStatus: Error, Equatable {
    case clean
    case findings
    case usage
    case cannot
    case incomplete
    /// `run` without findings exits with its command's status.
    case command(Int32)

    package var code: Int32 {
        switch self {
        case .clean: 0
        case .findings: 1
        case .usage: 2
        case .cannot: 3
        case .incomplete: 4
        case .command(let code): code
        }
    }

    /// The status of several inputs together: findings take precedence over incomplete evidence,
    /// and that over a clean result.
    package func combined(with other: ExitStatus) -> ExitStatus {
        self == .findings || other == .findings ? .findings : self == .clean ? other : self
    }

    package func leave() -> Never { exit(code) }
}

/// A failure with the message for the user: what failed, on what, and what to try.
package struct Failure: Error {
    package var status: ExitStatus
    package var message: String

    package init(_ status: ExitStatus = .cannot, _ message: String) {
        self.status = status
        self.message = message
    }

    package func report() { printLine("vfioscope: \(message)", to: STDERR_FILENO) }
}

/// Writes a line to a descriptor. A failure to write is ignored: there is nobody to report it to.
package func printLine(_ text: String, to descriptor: Int32 = STDERR_FILENO) {
    var bytes = Array(text.utf8)
    if bytes.last != UInt8(ascii: "\n") { bytes.append(UInt8(ascii: "\n")) }
    _ = writeAll(bytes, to: descriptor)
}

/// Writes all of `bytes`. Returns the errno of the first failure, or nil.
package func writeAll(_ bytes: some Collection<UInt8>, to descriptor: Int32) -> Int32? {
    let contiguous = ContiguousArray(bytes)
    return contiguous.withUnsafeBytes { writeAll($0, to: descriptor) }
}

package func writeAll(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) -> Int32? {
    var offset = 0
    while offset < bytes.count {
        let written = write(descriptor, bytes.baseAddress! + offset, bytes.count - offset)
        if written < 0 {
            if errno == EINTR { continue }
            return errno
        }
        offset += written
    }
    return nil
}

package func describe(_ code: Int32) -> String { String(cString: strerror(code)) }
