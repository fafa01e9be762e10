// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph

/// The targets of a mapping, as JSON.
extension ByteWriter {
    /// Appends the elements of a JSON array: where a mapping leads, piece by piece.
    mutating func append(json targets: some Collection<Target>) {
        var isFirst = true
        for target in targets {
            if !isFirst { append(",") }
            isFirst = false
            object { out in
                let isKnown = target.device != nil
                out.member(.device, orNull: target.device)
                out.member(.bar, orNull: isKnown ? target.bar : nil)
                out.member(.barOffset, orNull: isKnown ? target.barOffset : nil)
                out.member(.iova, hex: target.iova)
                out.member(.size, target.size)
            }
        }
    }
}
