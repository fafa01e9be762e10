// SPDX-License-Identifier: Apache-2.0
/// Kinds of BTF types, from linux/btf.h. Swift cannot import the header's own names, because each
/// is an enumerator and a macro at once.
enum BTFKind {
    static let structure: UInt32 = 4
    static let enumeration: UInt32 = 6
    static let function: UInt32 = 12
    static let dataSection: UInt32 = 15
}
