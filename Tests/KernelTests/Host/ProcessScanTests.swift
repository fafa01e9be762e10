// SPDX-License-Identifier: Apache-2.0
@testable import Kernel
import CRecords
import Events
import Glibc
import Testing

/// What command lines show of a VM, and that secrets in them are cut.
@Suite("Process arguments")
struct ProcessArgumentsTests {
    @Test func vmNamesAreFoundAsQEMUAndLibvirtWriteThem() {
        #expect(ProcessArguments(["qemu-system-x86_64", "-name", "guest=web-1,debug-threads=on"]).vmName == "web-1")
        #expect(ProcessArguments(["qemu-system-x86_64", "-m", "1G", "-name", "web-2"]).vmName == "web-2")
        #expect(ProcessArguments(["qemu-system-x86_64", "-name"]).vmName == nil)
        #expect(ProcessArguments(["dpdk-testpmd", "-l", "0"]).vmName == nil)
    }

    private let uuid = "9e4a1c52-0c0f-4b7e-9d39-3f1f2f6a7b10"

    @Test func uuidsAreFoundInEveryPlace() {
        for arguments in [
            ["-uuid", uuid], ["--uuid", uuid], ["--uuid=\(uuid)"], ["-smbios", "type=1,manufacturer=x,uuid=\(uuid)"],
            ["-smbios", "type=0,vendor=x", "-smbios", "type=1,uuid=\(uuid)"],
        ] {
            #expect(ProcessArguments(["qemu-system-x86_64"] + arguments).vmUUID == uuid)
        }
        #expect(
            ProcessArguments([
                "qemu", "-uuid", uuid.uppercased(), "-smbios", "type=1,uuid=00000000-0000-0000-0000-000000000001",
            ]).vmUUID == uuid.uppercased())
    }

    @Test(arguments: [
        ["-uuid"], ["-uuid", "web-1"], ["-smbios", "type=2,uuid=9e4a1c52-0c0f-4b7e-9d39-3f1f2f6a7b10"], ["-smbios"],
        ["-uuid", "9e4a1c52-0c0f-4b7e-9d39-3f1f2f6a7b1g"], ["-uuid", "9e4a1c5200c0f-4b7e-9d39-3f1f2f6a7b10"],
    ])
    func whatIsNoUUIDIsNone(_ arguments: [String]) { #expect(ProcessArguments(["qemu"] + arguments).vmUUID == nil) }

    @Test func bytesBecomeArguments() {
        #expect(ProcessArguments(cmdline: Array("qemu\0-name\0\0x\0".utf8)).arguments == ["qemu", "-name", "", "x"])
        #expect(ProcessArguments(cmdline: Array("a title without end".utf8)).text == "a title without end")
        #expect(ProcessArguments(cmdline: []).text == "")
    }

    @Test(arguments: [
        (["x", "--password=hunter2", "-v"], "x --password=*** -v"),
        (["x", "--password", "hunter2", "-v"], "x --password *** -v"),
        (["x", "--token", "--verbose"], "x --token --verbose"),
        (["x", "--api-key=a=b,c"], "x --api-key=***,c"),
        (["x", "DB_PASSWORD=p", "A=b"], "x DB_PASSWORD=*** A=b"),
        (["qemu", "-object", "secret,id=s0,data=letmein,format=raw"], "qemu -object secret,id=s0,data=***,format=raw"),
        (
            ["qemu", "-object", #"{"qom-type":"secret","id":"s0","data":"letmein"}"#],
            #"qemu -object {"qom-type":"secret","id":"s0","data":"***"}"#
        ),
        (["qemu", "-spice", "port=5900,password=hunter2,addr=::1"], "qemu -spice port=5900,password=***,addr=::1"),
        (["x", "https://me:hunter2@example.org/x?token=1&a=2"], "x https://me:***@example.org/x?token=***&a=2"),
        (["x", "--password=correct horse battery"], "x --password***"),
        (["sh", "-c", "x --token hunter2; y"], "sh -c x --token***"),
        (["sh", "-c", "x -v; y"], "sh -c x -v; y"),
        (["qemu", "-object", "secret,id=s0,data=a,,b,format=raw"], "qemu -object secret,id=s0,data=***,format=raw"),
        (
            ["qemu", "-object", #"{"qom-type":"secret","data":"a\"b","id":"s0"}"#],
            #"qemu -object {"qom-type":"secret","data":"***","id":"s0"}"#
        ),
        (["qemu", "-object", #"{"qom-type": "secret", "data": "letmein"}"#], #"qemu -object {"qom-type": "secret***"#),
        (["x", "password=", "a"], "x password=*** a"),
        (["x", "tcp://127.0.0.1:80", "nbd:host:10809"], "x tcp://127.0.0.1:80 nbd:host:10809"),
        (
            ["qemu", "-name", "guest=web-1,debug-threads=on", "-device", "vfio-pci,host=0000:02:00.0"],
            "qemu -name guest=web-1,debug-threads=on -device vfio-pci,host=0000:02:00.0"
        ),
    ])
    func secretsAreCut(_ arguments: [String], _ text: String) { #expect(ProcessArguments(arguments).text == text) }
}

@Suite("Process scan")
struct ProcessScanTests {
    @Test func pathsAreTakenFromTheLineThatNamesThem() {
        #expect(
            ProcessScan.cgroupPath("0::/system.slice/ovs-vswitchd.service\n", limit: 511)
                == "/system.slice/ovs-vswitchd.service")
        let hybrid = "12:pids:/a\n1:name=systemd:/machine.slice/x.scope\n0::/\n"
        #expect(ProcessScan.cgroupPath(hybrid, limit: 511) == "/machine.slice/x.scope")
        #expect(ProcessScan.cgroupPath("3:cpu,cpuacct:/\n2:memory:/docker/x\n", limit: 511) == "/docker/x")
        #expect(ProcessScan.cgroupPath("0::/\n", limit: 511) == "/")
        #expect(ProcessScan.cgroupPath("", limit: 511) == "")
        #expect(ProcessScan.cgroupPath("0::/a:b/c\n", limit: 4) == ":b/c".suffix(4))
    }

    @Test func limitsAreReadAsTheKernelWritesThem() {
        let limits = """
            Limit                     Soft Limit           Hard Limit           Units    \u{20}
            Max processes             15361                15361                processes\u{20}
            Max locked memory         1048576              unlimited            bytes    \u{20}
            """
        #expect(ProcessScan.memlockLimit(limits) == 1 << 20)
        #expect(
            ProcessScan.memlockLimit("Max locked memory         unlimited            unlimited            bytes     ")
                == .max)
        #expect(ProcessScan.memlockLimit("Max processes 1 1") == nil)
        #expect(ProcessScan.mayLock("Name:\tqemu\nCapEff:\t000001ffffffffff\nCapBnd:\t0\n"))
        #expect(!ProcessScan.mayLock("CapEff:\t000001ffffffbfff\n"))
        #expect(!ProcessScan.mayLock("CapPrm:\t000001ffffffffff\n"))
    }

    /// Scans the test's own process.
    @Test func aLiveProcessIsScanned() {
        var header = vs_header()
        header.tgid = UInt32(getpid())
        var info: ProcessInfo?
        ProcessScan.record(for: header) { record, count in
            var decoder = RecordDecoder()
            if case .processInfo(let found)? = decoder.decode(record, count: count)?.kind { info = found }
        }
        #expect(info?.exe.isEmpty == false && info?.command.isEmpty == false)
        #expect(info?.memoryLock != nil)
    }
}
