// SPDX-License-Identifier: Apache-2.0
import Glibc

/// The figures that a subcommand prints, as one JSON object on one line.
typealias Figures = [(name: String, value: Double)]

func show(_ figures: Figures) {
    print("{" + figures.map { "\"\($0.name)\": \($0.value)" }.joined(separator: ", ") + "}")
}

/// Nanoseconds of CPU time that all threads of this process have used, in user space and in the
/// kernel; `userNanoseconds` counts user space only.
func cpuNanoseconds() -> UInt64 {
    var now = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now)
    return UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec)
}

func userNanoseconds() -> UInt64 {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return UInt64(usage.ru_utime.tv_sec) * 1_000_000_000 + UInt64(usage.ru_utime.tv_usec) * 1000
}

/// The peak of this process's resident bytes.
func peakBytes() -> Int {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return usage.ru_maxrss << 10
}
