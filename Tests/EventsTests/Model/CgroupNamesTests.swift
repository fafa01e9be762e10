// SPDX-License-Identifier: Apache-2.0
import Events
import Testing

// Tests which unit, container and pod are read from a control group's path.

private let id = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
private let outer = "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"
private let uid = "1b8a4c1e-6c4f-4d62-9a0e-0d5b6c7e8f90"
private let escaped = "1b8a4c1e_6c4f_4d62_9a0e_0d5b6c7e8f90"

/// Paths as /proc/PID/cgroup shows them on hosts with the named software.
@Suite("Names of control groups")
struct CgroupNamesTests {
    @Test(arguments: [
        "/system.slice/docker-\(id).scope", "/docker/\(id)", "/system.slice/docker-\(outer).scope/docker/\(id)",
        "/machine.slice/libpod-\(id).scope", "/machine.slice/libpod-\(id).scope/container",
        "/machine.slice/machine-libpod_pod_\(outer).slice/libpod-\(id).scope/container", "/libpod_parent/libpod-\(id)",
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod\(escaped).slice/cri-containerd-\(id).scope",
        "/kubepods.slice/kubepods-pod\(escaped).slice/crio-\(id).scope", "/kubepods/besteffort/pod\(uid)/\(id)",
        "/kubepods/burstable/pod\(uid)/crio-\(id)", "/system.slice/nerdctl-\(id).scope",
        "/../../system.slice/docker-\(id).scope",
    ])
    func containers(_ path: String) {
        let names = CgroupNames(path: path)
        #expect(names.containerID == id)
        #expect(names.shortContainerID == "0123456789ab")
        #expect(names.unit == "")
    }

    @Test(arguments: [
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod\(escaped).slice/cri-containerd-\(id).scope",
        "/kubepods.slice/kubepods-pod\(escaped).slice/crio-\(id).scope", "/kubepods/besteffort/pod\(uid)/\(id)",
        "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/"
            + "kubelet-kubepods-besteffort-pod\(escaped).slice/cri-containerd-\(id).scope",
    ])
    func pods(_ path: String) { #expect(CgroupNames(path: path).pod == uid) }

    @Test func aStaticPodHasAHash() {
        #expect(
            CgroupNames(path: "/kubepods/burstable/pod0123456789abcdef0123456789abcdef/\(id)").pod
                == "0123456789abcdef0123456789abcdef")
    }

    @Test func libvirtsScopesAreUnescaped() {
        for path in [
            #"/machine.slice/machine-qemu\x2d1\x2dweb\x2d1.scope/libvirt/emulator"#,
            #"/machine.slice/machine-qemu\x2d1\x2dweb\x2d1.scope"#,
        ] {
            let names = CgroupNames(path: path)
            #expect(names.unit == "machine-qemu-1-web-1.scope")
            #expect(names.containerID == "" && names.pod == "" && !names.isLogin)
        }
    }

    @Test func unitsOfServices() {
        #expect(CgroupNames(path: "/system.slice/ovs-vswitchd.service").unit == "ovs-vswitchd.service")
        #expect(CgroupNames(path: "/system.slice/system-spdk.slice/spdk@1.service/sub").unit == "spdk@1.service")
        #expect(
            CgroupNames(path: "/user.slice/user-1000.slice/user@1000.service/app.slice/app-term.scope").unit
                == "app-term.scope")
    }

    @Test(arguments: [
        "/user.slice/user-1000.slice/session-3.scope", "/user.slice/user-1000.slice/user@1000.service/init.scope",
        "/init.scope",
        "/user.slice/user-1000.slice/user@1000.service/tmux",
    ])
    func loginsAreNoNames(_ path: String) {
        let names = CgroupNames(path: path)
        #expect(names.isLogin && !names.unit.isEmpty)
        #expect(ProcessInfo(exe: ShortText(), cgroupPath: path).title == "")
    }

    /// systemd in a container: the unit is the container's, and both names are known.
    @Test func aUnitInAContainer() {
        let names = CgroupNames(path: "/system.slice/docker-\(id).scope/system.slice/libvirtd.service")
        #expect(names.unit == "libvirtd.service" && names.containerID == id)
    }

    /// A rootless container is below a user's manager.
    @Test func rootless() {
        let names = CgroupNames(
            path: "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-\(id).scope/container")
        #expect(names.containerID == id && names.unit == "user@1000.service")
    }

    @Test(arguments: [
        "", "/", "/kubepods.slice", "/machine.slice", "/docker", "/docker/0123", "/podman", "/pod",
        "/system.slice/podman.slice",
    ])
    func nothing(_ path: String) { #expect(CgroupNames(path: path) == CgroupNames()) }

    /// A runtime's monitor is not in the container that it watches.
    @Test func conmon() {
        let names = CgroupNames(path: "/machine.slice/libpod-conmon-\(id).scope")
        #expect(names.containerID == "" && names.unit == "libpod-conmon-\(id).scope")
    }

    @Test func whatPeopleKnowAProcessBy() {
        let path = "/system.slice/docker-\(id).scope/system.slice/libvirtd.service"
        #expect(ProcessInfo(exe: ShortText("/x"), vm: ShortText("web-1"), cgroupPath: path).title == "web-1")
        #expect(ProcessInfo(exe: ShortText("/x"), cgroupPath: path).title == "0123456789ab")
        #expect(ProcessInfo(exe: ShortText("/x"), cgroupPath: "/system.slice/a.service").title == "a.service")
        #expect(ProcessInfo(exe: ShortText("/x"), vmUUID: "00000000-0000-0000-0000-000000000000").vmUUID == "")
        #expect(
            ProcessInfo(exe: ShortText("/x"), vmUUID: "9E4A1C52-0c0f-4b7e-9d39-3f1f2f6a7b10").vmUUID
                == "9e4a1c52-0c0f-4b7e-9d39-3f1f2f6a7b10")
    }
}
