// SPDX-License-Identifier: Apache-2.0
/// Linux's error numbers: constants for those that matter to VFIO, and the names of all.
///
/// The numbers are those of the generic table (asm-generic/errno-base.h, errno.h), positive; the
/// kernel returns them negated.
public enum Errno {
    public static let eperm: Int32 = 1
    public static let eintr: Int32 = 4
    public static let enomem: Int32 = 12
    public static let efault: Int32 = 14
    public static let eexist: Int32 = 17
    public static let einval: Int32 = 22
    public static let enospc: Int32 = 28
    public static let eoverflow: Int32 = 75

    /// The name of an error, such as `EINVAL`; nil for a number that has none. O(1).
    ///
    /// - Parameter number: positive: 1 … 133, or a number internal to the kernel that no system
    ///   call returns (restarts, 512 and above).
    public static func name(_ number: Int32) -> StaticString? {
        if number >= 0, number < Int32(names.count) {
            let name = names[Int(number)]
            return name.utf8CodeUnitCount == 0 ? nil : name
        }
        switch number {
        case 512: return "ERESTARTSYS"
        case 514: return "ERESTARTNOHAND"
        case 517: return "EPROBE_DEFER"
        case 524: return "ENOTSUPP"
        default: return nil
        }
    }
}

/// The names by number. 0, 41 and 58 have no name.
private let names: [StaticString] = [
    "", "EPERM", "ENOENT", "ESRCH", "EINTR", "EIO", "ENXIO", "E2BIG", "ENOEXEC", "EBADF",
    "ECHILD", "EAGAIN", "ENOMEM", "EACCES", "EFAULT", "ENOTBLK", "EBUSY", "EEXIST", "EXDEV", "ENODEV",
    "ENOTDIR", "EISDIR", "EINVAL", "ENFILE", "EMFILE", "ENOTTY", "ETXTBSY", "EFBIG", "ENOSPC", "ESPIPE",
    "EROFS", "EMLINK", "EPIPE", "EDOM", "ERANGE", "EDEADLK", "ENAMETOOLONG", "ENOLCK", "ENOSYS", "ENOTEMPTY",
    "ELOOP", "", "ENOMSG", "EIDRM", "ECHRNG", "EL2NSYNC", "EL3HLT", "EL3RST", "ELNRNG", "EUNATCH",
    "ENOCSI", "EL2HLT", "EBADE", "EBADR", "EXFULL", "ENOANO", "EBADRQC", "EBADSLT", "", "EBFONT",
    "ENOSTR", "ENODATA", "ETIME", "ENOSR", "ENONET", "ENOPKG", "EREMOTE", "ENOLINK", "EADV", "ESRMNT",
    "ECOMM", "EPROTO", "EMULTIHOP", "EDOTDOT", "EBADMSG", "EOVERFLOW", "ENOTUNIQ", "EBADFD", "EREMCHG", "ELIBACC",
    "ELIBBAD", "ELIBSCN", "ELIBMAX", "ELIBEXEC", "EILSEQ", "ERESTART", "ESTRPIPE", "EUSERS", "ENOTSOCK", "EDESTADDRREQ",
    "EMSGSIZE", "EPROTOTYPE", "ENOPROTOOPT", "EPROTONOSUPPORT", "ESOCKTNOSUPPORT", "EOPNOTSUPP", "EPFNOSUPPORT",
    "EAFNOSUPPORT", "EADDRINUSE", "EADDRNOTAVAIL",
    "ENETDOWN", "ENETUNREACH", "ENETRESET", "ECONNABORTED", "ECONNRESET", "ENOBUFS", "EISCONN", "ENOTCONN", "ESHUTDOWN",
    "ETOOMANYREFS",
    "ETIMEDOUT", "ECONNREFUSED", "EHOSTDOWN", "EHOSTUNREACH", "EALREADY", "EINPROGRESS", "ESTALE", "EUCLEAN", "ENOTNAM",
    "ENAVAIL",
    "EISNAM", "EREMOTEIO", "EDQUOT", "ENOMEDIUM", "EMEDIUMTYPE", "ECANCELED", "ENOKEY", "EKEYEXPIRED", "EKEYREVOKED",
    "EKEYREJECTED",
    "EOWNERDEAD", "ENOTRECOVERABLE", "ERFKILL", "EHWPOISON",
]
