# SPDX-License-Identifier: Apache-2.0
"""States what each scenario must show: the findings, the verdict, and what the workload itself must
observe.
"""

from dataclasses import dataclass, field


@dataclass
class Moment:
    """The oracle line in which something happened: the `nth` of those with this op and these
    fields.
    """

    op: str
    device: str = None  # None: of a container
    nth: int = 0
    fields: dict = field(default_factory=dict)

    def find(self, run):
        wanted = dict(self.fields)
        if self.device:
            wanted["device"] = run.device(self.device)
        lines = run.lines(self.op, **wanted)
        return lines[self.nth] if -len(lines) <= self.nth < len(lines) else None


@dataclass
class Finding:
    """One finding that has to be there, opened once and resolved once."""

    rule: str
    device: str
    severities: tuple
    since: Moment
    until: Moment
    reachable: bool = None  # None: not checked
    msix_table: bool = None  # None: the finding must not mention a table


@dataclass
class Expectation:
    findings: object = ()  # those that have to be there; a function of the kernel's series, or a list
    allowed: tuple = ()  # rules that may show as well, if they are resolved in the end
    reported: tuple = ()  # rules that must be reported with severity info
    fails_audit: object = (
        False  # a finding at or above high; a bool, or a function of the kernel's series. None: judged elsewhere
    )
    # what the maps that fail return, in their order; a function of the kernel's series, or a tuple
    map_errors: object = ()
    unmaps: object = None  # bytes or -errno of the unmaps, likewise; None: each gets what it asks for
    dma_fails: object = ()  # meanings of edu DMA that must not arrive; all other DMA must
    policy: str = None  # TOML that the recording is judged by


IVSHMEM_RELEASE = Moment("release", "ivshmem")
BISECTION = Moment("unmap", fields={"ret": -22})
STALE_UNMAP = Moment("unmap", fields={"iova": "0x200000"})


def stale(since=IVSHMEM_RELEASE, until=STALE_UNMAP):
    return Finding("stale-mapping", "ivshmem", ("high",), since, until, reachable=True)


def of_series(wanted, series):
    """What is expected of a kernel, where that differs between kernels."""
    return wanted(series) if callable(wanted) else list(wanted)


def failing_maps_return(series):
    """What the maps of failing-maps get, in their order. The seventh wraps around: -EOVERFLOW from
    6.18 on.
    """
    wraps = -75 if series in ("6.18", "7.3") else -22
    return [-17, -17, -22, -22, -22, -22, wraps, -22, -14, -14, -14, -14, -12, -28]


def unmap_all_returns(series):
    """Bytes or -errno of the unmaps of unmap-all: 64 KiB a mapping."""
    page64 = 0x10000
    first = [0, -22, 2 * page64]
    if series == "5.10":  # no VFIO_DMA_UNMAP_FLAG_ALL before 5.12
        return first + [-22, 3 * page64, 5 * page64]
    return first + [3 * page64, 5 * page64]


def only_5_10(*there):
    """What holds up to 5.19, here for 5.10 alone: no process unmaps another's mappings."""
    return lambda series: list(there) if series == "5.10" else []


def but_5_10(*there):
    return lambda series: [] if series == "5.10" else list(there)


FIRST_UNMAP = Moment("unmap")
OTHERS_UNMAP = Finding("unmap-mismatch", None, ("low",), FIRST_UNMAP, FIRST_UNMAP)
OTHERS_MEMORY = "device reads memory that another process unmapped"
MEMORY_UNMAP = Moment("unmap", fields={"iova": "0x1000000"})
# A live update takes a moment, and one that never ends takes longer. By default the rule waits for
# a minute.
VADDR_POLICY = 'version = 1\n[rules.vaddr-invalid]\ndebounce = "1500ms"\n'


def shared(severity):
    return Finding(
        "shared-ram",
        None,
        (severity,),
        Moment("map", fields={"container": "c2"}),
        Moment("unmap", fields={"container": "c2"}),
    )


SCENARIOS = {
    "clean-p2p": Expectation(),
    "stale-same": Expectation([stale()], fails_audit=True),
    "stale-cross": Expectation([stale()], fails_audit=True),
    "stale-asleep": Expectation(
        [Finding("stale-mapping", "e1000e", ("medium",), Moment("release", "e1000e"), STALE_UNMAP, reachable=False)]
    ),
    "reopen": Expectation([stale(until=Moment("device-open", "ivshmem", 1))], fails_audit=True),
    "given-away": Expectation(
        [
            stale(until=Moment("device-open", "ivshmem", 1)),
            Finding(
                "isolation-break",
                "ivshmem",
                ("critical",),
                Moment("device-open", "ivshmem", 1),
                STALE_UNMAP,
                reachable=True,
            ),
        ],
        fails_audit=True,
    ),
    # The card is released and unbound first: for as long as that takes it is a stale mapping of a
    # device without driver.
    "host-driver": Expectation(
        [Finding("isolation-break", "e1000e", ("critical",), Moment("bind", "e1000e"), STALE_UNMAP, reachable=True)],
        allowed=("stale-mapping", "unbound-device"),
        fails_audit=True,
    ),
    "unbound": Expectation(
        [Finding("unbound-device", "ivshmem", ("high",), Moment("unbind", "ivshmem"), STALE_UNMAP, reachable=True)],
        allowed=("stale-mapping",),
        fails_audit=True,
    ),
    "memory-off-on": Expectation(
        [
            Finding(
                "memory-disabled",
                "ivshmem",
                ("medium",),
                Moment("command-write", "ivshmem", 1),
                Moment("command-write", "ivshmem", 2),
                reachable=False,
            )
        ],
        dma_fails=("device reads the mapping while the target's memory is off",),
    ),
    # A finding exactly where the child's read succeeds: kept_bar_checks.
    "child-keeps-bar": Expectation(allowed=("child-keeps-bar",), fails_audit=None),
    "child-lets-bar-go": Expectation(),
    "moved-bar": Expectation(allowed=("child-keeps-bar",), fails_audit=None),
    # A reset of the bus behind a port takes a second: longer than the debounce.
    "reset": Expectation(allowed=("memory-disabled",)),
    "power": Expectation(
        [
            Finding(
                "memory-disabled",
                "e1000e",
                ("medium",),
                Moment("power", "e1000e", 0),
                Moment("power", "e1000e", 1),
                reachable=False,
            )
        ]
    ),
    "sigkill": Expectation(),
    "partial-windows": Expectation(),
    # Full for a moment, in the end.
    "failing-maps": Expectation(
        [
            Finding(
                "map-exists",
                None,
                ("low",),
                Moment("map", fields={"ret": -17}),
                Moment("map", fields={"ret": -17}, nth=-1),
            )
        ],
        allowed=("mapping-budget", "map-failed"),
        map_errors=failing_maps_return,
    ),
    "unmap-all": Expectation(
        [Finding("unmap-bisects", None, ("low",), BISECTION, BISECTION)], unmaps=unmap_all_returns
    ),
    "dup-outlives": Expectation([stale()], fails_audit=True),
    "no-open-device": Expectation(
        [Finding("no-open-device", None, ("medium",), Moment("release", "edu"), Moment("unmap"))]
    ),
    "no-container-fd": Expectation(
        [Finding("no-container-fd", None, ("medium",), Moment("container-close"), Moment("release", "edu"))]
    ),
    "creator-gone": Expectation(
        [Finding("creator-gone", None, ("low",), Moment("creator-exit"), Moment("release", "edu"))]
    ),
    # The kernel refuses the 17th map of 64 KiB; the second unmap brings it below 90 %.
    "memlock-budget": Expectation(
        [Finding("memlock-budget", None, ("low",), Moment("map", fields={"ret": -12}), Moment("unmap", nth=1))],
        allowed=("map-failed",),
        map_errors=(-12,),
    ),
    # Nobody has the device: it is stale as well.
    "foreign-pfnmap": Expectation(
        [
            Finding(
                "foreign-pfnmap",
                "ivshmem",
                ("high",),
                Moment("map", fields={"iova": "0x200000"}),
                STALE_UNMAP,
                reachable=True,
            )
        ],
        allowed=("stale-mapping",),
        fails_audit=True,
    ),
    # 5.10 lets it sleep in D3hot once nobody has it: then it is medium, and QEMU answers all the
    # same.
    "virtual-function": Expectation(
        [
            Finding("stale-mapping", "vf", ("high", "medium"), Moment("release", "vf"), Moment("vf-off", "vf")),
            Finding("unbound-device", "vf", ("high",), Moment("vf-off", "vf"), STALE_UNMAP),
        ],
        dma_fails=("device reads where the virtual function was",),
        fails_audit=True,
    ),
    # Woken by somebody else, the device gets its dma-buf back only by the write to COMMAND.
    "dma-buf": Expectation(
        lambda series: (
            [
                Finding(
                    "dmabuf-revoked", None, ("low",), Moment("woken", "e1000e"), Moment("command-write", "e1000e", -1)
                )
            ]
            if series == "7.3"
            else []
        )
    ),
    "mistakes": Expectation(
        [
            Finding(
                "map-exists", None, ("low",), Moment("map", fields={"ret": -17}), Moment("map", fields={"ret": -17})
            ),
            Finding(
                "unmap-bisects",
                None,
                ("low",),
                Moment("unmap", fields={"ret": -22}),
                Moment("unmap", fields={"ret": -22}),
            ),
        ],
        map_errors=(-17,),
        unmaps=(0, -22, 4 * 4096, 4096),
    ),
    "unmap-holes": Expectation(unmaps=(3 * 4096,)),
    "unmap-more": Expectation(
        [Finding("unmap-mismatch", None, ("low",), FIRST_UNMAP, FIRST_UNMAP)],
        unmaps=(4 * 4096, 4096),
        dma_fails=("device reads the last page, whose unmapping nobody requested",),
    ),
    "unmap-other": Expectation(
        only_5_10(OTHERS_UNMAP),
        unmaps=lambda series: [0, 4096, 4096] if series == "5.10" else [4096, 0, 4096],
        dma_fails=but_5_10(OTHERS_MEMORY),
    ),
    "unmap-other-part": Expectation(
        only_5_10(OTHERS_UNMAP),
        unmaps=lambda series: [4096, 4096, 4096] if series == "5.10" else [8192, 0, 4096],
        dma_fails=but_5_10(OTHERS_MEMORY),
    ),
    "live-update": Expectation(policy=VADDR_POLICY),
    "live-update-forgotten": Expectation(
        but_5_10(Finding("vaddr-invalid", None, ("medium",), Moment("vaddr-take"), MEMORY_UNMAP)), policy=VADDR_POLICY
    ),
    "exec-keeps": Expectation([Finding("dead-mm", None, ("low",), Moment("exec"), MEMORY_UNMAP)]),
    "shared-memfd": Expectation([shared("low")]),
    "shared-anonymous": Expectation([shared("high")], fails_audit=True),
    "shared-not": Expectation(),
    # Nobody has the card, and it sleeps: latent, and one higher for the table.
    "msix-stale": Expectation(
        [
            Finding(
                "stale-mapping",
                "e1000e",
                ("high",),
                Moment("release", "e1000e"),
                STALE_UNMAP,
                reachable=False,
                msix_table=True,
            )
        ],
        fails_audit=True,
    ),
    # Up to 5.18 a group with a driver of the host's in it can be attached; later ones refuse that.
    "split-group": Expectation(
        lambda series: (
            [Finding("split-group", None, ("high",), Moment("set-iommu"), Moment("group-close", "display1"))]
            if series == "5.10"
            else []
        ),
        reported=("split-group",),
        fails_audit=lambda series: series == "5.10",
    ),
    # Nobody has the display after the rescan, and the mapping leads to it as before.
    "rescan-in-place": Expectation(
        [
            Finding(
                "unbound-device",
                "display2",
                ("high",),
                Moment("unbind", "display2"),
                Moment("unmap", fields={"iova": "0x800000"}),
            )
        ],
        allowed=("stale-mapping",),
        fails_audit=True,
    ),
    "bar-moved": Expectation(
        [
            Finding(
                "bar-moved", "display2", ("critical",), Moment("rescan"), Moment("unmap", fields={"iova": "0x800000"})
            )
        ],
        allowed=("stale-mapping", "unbound-device"),
        fails_audit=True,
    ),
    "storm": Expectation(),
    # Of another machine: guest.VARIANTS.
    "unsafe-interrupts": Expectation(
        [Finding("unsafe-interrupts", None, ("high",), Moment("set-iommu", nth=1), Moment("group-close", "edu"))],
        fails_audit=True,
    ),
}


# What backs the memory of a scenario, as its map lines must report.
BACKINGS = {"shared-memfd": "memfd", "shared-anonymous": "anonymous", "shared-not": "memfd"}

# How a CPU's read of a BAR ends. D3hot: the kernel zaps the mapping since 5.19.
CPU_READS = {
    "memory off": lambda series: "sigbus",
    # The finding must agree with whatever happens: kept_bar_checks.
    "child, memory off": lambda series: None,
    "moved, memory off": lambda series: None,
    "D3hot": lambda series: "ok" if series == "5.10" else "sigbus",
}

# What a call returns that the scenario records as `refused`.
REFUSALS = {
    "split-group": -22,  # a device of a group that has a host driver in it, up to 5.18
    "unsafe-interrupts": -1,
}
