// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph

/// The names of devices and containers, which are the same in every format.
extension ByteWriter {
    /// Appends `0000:02:00.0`.
    mutating func append(_ device: PCIAddress) {
        let domain = device.domain
        append(hex: domain, digits: max(4, (67 - domain.leadingZeroBitCount) / 4))
        append(":")
        append(hex: UInt64(device.bus), digits: 2)
        append(":")
        append(hex: UInt64(device.device), digits: 2)
        append(".")
        append(UInt64(device.function))
    }

    /// Appends `c1`.
    mutating func append(_ container: ContainerID) {
        append("c")
        append(container.number)
    }
}
