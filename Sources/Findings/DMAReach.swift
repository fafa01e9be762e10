// SPDX-License-Identifier: Apache-2.0
import Events
import MappingGraph

/// Whether the devices of a container can start a DMA through its mappings now. It tells a leak
/// from a teardown, however slow that is.
public enum DMAReach: Sendable, Equatable {
    /// A device of the container is open, or it is not known that none is.
    case possible
    /// No device of it is open. Whoever opens one can start a DMA.
    case latent
    /// No device of it is open, and the container is going: it is being detached, or the processes
    /// that held it have exited.
    case ending
}

extension Graph {
    /// O(devices).
    func dmaReach(of id: ContainerID) -> DMAReach {
        // After a loss, an open may be unknown until a snapshot has read the state.
        guard let container = container(id), !container.groups.isEmpty || container.isTearingDown,
            gaps.last.map({ $0.recovered != nil }) ?? true
        else { return .possible }
        var known: Set<UInt32> = []
        for device in devices.values {
            guard let group = device.group, container.groups.contains(group) else { continue }
            if canBeCommanded(device) { return .possible }
            known.insert(group)
        }
        // A group without a device that is known may be one of mediated devices.
        guard known == container.groups else { return .possible }
        return isEnding(container) ? .ending : .latent
    }

    /// Whether somebody may have the device open: not if it is on its way to the last close, and
    /// not if its opener has exited. A snapshot puts another holder in the place of an opener that
    /// has.
    private func canBeCommanded(_ device: Device) -> Bool {
        // Without a snapshot, a device that was never seen open may have been open all the time.
        guard device.isOpen else { return device.provenance == .inferred && knownSince == nil }
        return !device.isRemoved && !device.isClosing && !hasExited(device.opener)
    }

    private func isEnding(_ container: Container) -> Bool {
        if container.isTearingDown { return true }
        guard hasExited(container.opener) else { return false }
        return container.groups.allSatisfy { number in
            guard let group = groups[number], group.openDescriptors > 0 else { return true }
            return hasExited(group.opener)
        }
    }
}
