// SPDX-License-Identifier: Apache-2.0
import Events
import Findings
import MappingGraph

/// The devices, groups and processes of test histories, under short names.
public let gpu = Scene.gpu, nic = Scene.nic, nicSibling = Scene.nicSibling
public let gpuGroup = Scene.gpuGroup, nicGroup = Scene.nicGroup
public let gpuUse = Scene.gpuUse
public let c1 = Scene.c1, c2 = Scene.c2, c3 = Scene.c3
public let i1 = Scene.i1, i2 = Scene.i2
public let vmA = Scene.vmA, vmB = Scene.vmB, host = Scene.host
public let nicBar = Scene.nicBar, window = Scene.window, size = Scene.barSize

public func actor(_ pid: UInt32, _ comm: String) -> Actor { Scene.actor(pid, comm) }

public func info(_ device: PCIAddress, group: UInt32, bar: UInt64, driver: String = "vfio-pci") -> DeviceInfo {
    Scene.info(device, group: group, bar: bar, driver: driver)
}
