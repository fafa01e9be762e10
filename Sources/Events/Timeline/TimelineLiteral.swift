// SPDX-License-Identifier: Apache-2.0
/// The literal text of what nearly all lines are: RAM mapped, removed on request, or asked to be
/// unmapped. The writer puts such lines together from these pieces, and `TimelineOrdinaryLine`
/// expects them byte for byte, so both take them from here.
///
/// Literals and not `TimelineWord`s, because a literal of known length becomes a few wide stores or
/// comparisons. A test holds the pieces to the vocabulary, and the reader's runs to the pieces.
public enum TimelineLiteral {
    // MARK: Pieces that the writer writes, in the order of a line
    @inlinable public static var map: StaticString { #"{"type":"map","t":"# }
    @inlinable public static var removal: StaticString { #"{"type":"unmap","action":"removed","t":"# }
    @inlinable public static var unmapRequest: StaticString { #"{"type":"unmap","action":"request","t":"# }
    @inlinable public static var time: StaticString { #","time":""# }

    @inlinable public static var pid: StaticString { #","pid":"# }
    @inlinable public static var tid: StaticString { #","tid":"# }
    @inlinable public static var start: StaticString { #","start":"# }
    @inlinable public static var comm: StaticString { #","comm":""# }
    @inlinable public static var uid: StaticString { #"","uid":"# }
    @inlinable public static var cgroup: StaticString { #","cgroup":"# }
    @inlinable public static var container: StaticString { #","container":"c"# }

    @inlinable public static var iova: StaticString { #","iova":"0x"# }
    @inlinable public static var size: StaticString { #"","size":"# }

    // Of a map.
    @inlinable public static var vaddr: StaticString { #","vaddr":"0x"# }
    @inlinable public static var readable: StaticString { #","read":true"# }
    @inlinable public static var notReadable: StaticString { #","read":false"# }
    @inlinable public static var writable: StaticString { #","write":true"# }
    @inlinable public static var notWritable: StaticString { #","write":false"# }
    @inlinable public static var succeeded: StaticString { #","result":0"# }
    @inlinable public static var ram: StaticString { #","ram":"# }
    @inlinable public static var targets: StaticString { #","targets":["# }
    @inlinable public static var provenance: StaticString { #"],"provenance":""# }
    @inlinable public static var observed: StaticString { #"],"provenance":"observed""# }
    @inlinable public static var began: StaticString { #","began":"# }

    // Of a removal, and of a request.
    @inlinable public static var cause: StaticString { #","cause":""# }
    @inlinable public static var flags: StaticString { #","flags":"# }
    @inlinable public static var requested: StaticString { #","requested":"# }

    // MARK: Runs that the reader expects: pieces with what an ordinary line has between them
    /// `uid` behind the quote that ends the name.
    @inlinable public static var uidAfterQuote: StaticString { #","uid":"# }
    /// `iova` behind the number of the container.
    @inlinable public static var iovaAfterContainer: StaticString { #"","iova":"0x"# }
    @inlinable public static var fromReadToRAM: StaticString { #","read":true,"write":true,"result":0,"ram":"# }
    @inlinable public static var fromReadOnlyToRAM: StaticString { #","read":true,"write":false,"result":0,"ram":"# }
    @inlinable public static var noTargetsObserved: StaticString { #","targets":[],"provenance":"observed""# }
    @inlinable public static var causeRequest: StaticString { #","cause":"request""# }
    @inlinable public static var noFlagsRequested: StaticString { #","flags":0,"requested":"# }
}
