# SPDX-License-Identifier: Apache-2.0
"""Checks how the tool treats files that are damaged, forged or of another kind: with a message and an
exit status of 3 or 4, never with a crash.

No guest takes part; the files are made from one recording of the last run.
"""

import random
import re
import shutil
import subprocess
import zlib

BLOCK = b"VSBK"
FLIPS = 40  # damaged copies of the recording
CUTS = 24  # cut copies


def command(tool, *arguments, output=subprocess.PIPE, stdin=None):
    return subprocess.run(
        [str(tool), *map(str, arguments)],
        stdin=stdin or subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.PIPE,
        timeout=60,
        text=True,
        errors="replace",
    )


def crashed(result):
    """Whether it ended by a signal, with an exit status that the tool does not use, or with the words
    of a crash.
    """
    return (
        result.returncode < 0
        or result.returncode > 4
        or re.search(r"Fatal error|stack dump|Crash|\*\*\* ", result.stderr) is not None
    )


def messages(result):
    """The lines of stderr; none unless it ends with a whole line and has no empty one."""
    lines = result.stderr.splitlines()
    return lines if lines and result.stderr.endswith("\n") and all(lines) else []


def check(tally, tool, recording, scratch):
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)

    def one(what, status, *arguments, words=(), **options):
        result = command(tool, *arguments, **options)
        statuses = status if isinstance(status, tuple) else (status,)
        lines = messages(result)
        holds = (
            result.returncode in statuses
            and not crashed(result)
            and bool(lines)
            and all(word in result.stderr for word in words)
        )
        tally.check(
            "malformed",
            f"{what}: status {' or '.join(map(str, statuses))} and a message",
            holds,
            f"{result.returncode} {lines[:3]}",
        )

    def file(name, content):
        path = scratch / name
        path.write_bytes(content)
        return path

    whole = recording.read_bytes()
    text = command(tool, "export", "--format", "jsonl", recording).stdout.splitlines(keepends=True)
    for verb in ("audit", "export"):
        form = ("--format", "jsonl") if verb == "export" else ()
        one(f"{verb}: a missing file", 3, verb, *form, scratch / "absent", words=["absent"])
        one(f"{verb}: an empty file", 3, verb, *form, file("empty", b""), words=["empty"])
        one(f"{verb}: /dev/null", 3, verb, *form, "/dev/null", words=["/dev/null"])
        one(f"{verb}: empty stdin", 3, verb, *form, "-", words=["stdin"])
        one(f"{verb}: a directory", 3, verb, *form, scratch, words=[str(scratch)])
        one(f"{verb}: prose", 3, verb, *form, file("prose", b"Call me Ishmael.\n" * 100), words=["prose"])
        one(f"{verb}: an ELF", 3, verb, *form, "/bin/busybox", words=["/bin/busybox"])
        one(
            f"{verb}: other JSON",
            3,
            verb,
            *form,
            file("other.json", b'{"name":"x","version":1}\n'),
            words=["other.json"],
        )
        one(f"{verb}: zeros", 3, verb, *form, file("zeros", bytes(65536)), words=["zeros"])
        one(
            f"{verb}: a recording of a later version",
            3,
            verb,
            *form,
            file("later.vfs", whole[:8] + b"\x02\0\0\0" + whole[12:]),
            words=["version"],
        )
        one(f"{verb}: only the file header of a recording", (3, 4), verb, *form, file("header.vfs", whole[:16]))
        one(f"{verb}: half a file header", (3, 4), verb, *form, file("half.vfs", whole[:9]))
        plain, behind = (
            command(tool, verb, *form, file("blank.jsonl", (before + "".join(text)).encode()))
            for before in ("", "\n \n")
        )
        tally.check(
            "malformed",
            f"{verb}: blank lines before a timeline change nothing",
            (plain.returncode, plain.stdout) == (behind.returncode, behind.stdout) and plain.stdout,
            behind.stdout[:300],
        )
        later = [text[0].replace("vfioscope.timeline/1", "vfioscope.timeline/2"), *text[1:]]
        one(
            f"{verb}: a timeline of a later schema",
            3,
            verb,
            *form,
            file("later.jsonl", "".join(later).encode()),
            words=["timeline/2"],
        )
        one(
            f"{verb}: a timeline without its summary",
            (1, 4),
            verb,
            *form,
            file("open.jsonl", "".join(text[:-1]).encode()),
        )
        one(
            f"{verb}: a timeline with a broken line",
            (1, 3, 4),
            verb,
            *form,
            file("broken.jsonl", "".join([*text[:4], text[4][:20] + "\n", *text[5:]]).encode()),
        )
        one(
            f"{verb}: a timeline whose last line is cut",
            (1, 4),
            verb,
            *form,
            file("cut.jsonl", "".join(text)[:-30].encode()),
        )
    one(
        "export to a full device",
        3,
        "export",
        "--format",
        "jsonl",
        "-o",
        "/dev/full",
        recording,
        words=["No space left"],
    )
    with open("/dev/full", "w") as full:
        one(
            "export to a full stdout", 3, "export", "--format", "jsonl", recording, output=full, words=["No space left"]
        )
        one("audit to a full stdout", 3, "audit", recording, output=full, words=["No space left"])
    one("export into a missing directory", 3, "export", "--format", "jsonl", "-o", scratch / "no/file", recording)
    one("an unknown format", 2, "export", "--format", "nonsense", recording, words=["nonsense"])
    check_damage(tally, tool, whole, file)
    check_timeline_damage(tally, tool, "".join(text).encode(), file)


def judge(tally, what, results):
    """Each of many damaged files must be read with a warning (1 or 4) or refused (3), never cause a
    crash, and never pass in silence.
    """
    crashes = [name for name, result in results if crashed(result)]
    tally.check("malformed", f"{what}: no crash", not crashes, crashes[:5])
    silent = [
        (name, result.returncode)
        for name, result in results
        if result.returncode not in (1, 3, 4) or not messages(result)
    ]
    tally.check("malformed", f"{what}: never accepted as whole", not silent, silent[:5])


def check_damage(tally, tool, whole, file):
    chance = random.Random(1)
    cuts = sorted(chance.randrange(17, len(whole)) for _ in range(CUTS)) + [len(whole) - 1]
    judge(
        tally,
        f"a recording cut at {len(cuts)} places",
        [(f"cut at {at}", command(tool, "audit", file("cut.vfs", whole[:at]))) for at in cuts],
    )
    results = []
    for _ in range(FLIPS):
        damaged = bytearray(whole)
        places = [chance.randrange(16, len(whole)) for _ in range(chance.choice((1, 1, 3)))]
        for at in places:
            damaged[at] ^= 1 << chance.randrange(8)
        results.append((f"flipped at {places}", command(tool, "audit", file("flipped.vfs", bytes(damaged)))))
    judge(tally, f"{FLIPS} recordings with flipped bits", results)
    judge_checksummed(tally, tool, whole, file, chance)


def judge_checksummed(tally, tool, whole, file, chance):
    """Damage beneath a correct checksum, which only a careful decoder survives. The tool need not
    notice it.
    """
    crashes = []
    first = whole.index(BLOCK, whole.index(BLOCK) + 1)  # the second block: records
    length = int.from_bytes(whole[first + 8 : first + 12], "little")
    for _ in range(FLIPS):
        payload = bytearray(whole[first + 24 : first + 24 + length])
        for _ in range(chance.choice((1, 2, 8))):
            payload[chance.randrange(length)] = chance.randrange(256)
        head = bytearray(whole[first : first + 16]) + zlib.crc32(payload).to_bytes(4, "little")
        head += zlib.crc32(head).to_bytes(4, "little")
        path = file("forged.vfs", whole[:first] + head + payload + whole[first + 24 + length :])
        for arguments in (("audit",), ("export", "--format", "jsonl")):
            result = command(tool, *arguments, path)
            if crashed(result):
                crashes.append((arguments[0], result.returncode, result.stderr[-200:]))
                shutil.copy(path, path.with_name(f"forged-crash-{len(crashes)}.vfs"))
    tally.check(
        "malformed",
        f"{FLIPS} recordings forged with right checksums: no crash",
        not crashes,
        f"{len(crashes)}: {crashes[:2]}",
    )


def check_timeline_damage(tally, tool, whole, file):
    chance = random.Random(2)
    cuts = sorted(chance.randrange(20, len(whole) - 1) for _ in range(CUTS))
    results = [(f"cut at {at}", command(tool, "audit", file("cut.jsonl", whole[:at]))) for at in cuts]
    judge(tally, f"a timeline cut at {len(cuts)} places", results)
    crashes = []
    for _ in range(FLIPS):
        damaged = bytearray(whole)
        for _ in range(chance.choice((1, 4, 16))):
            damaged[chance.randrange(len(whole))] = chance.randrange(256)
        path = file("flipped.jsonl", bytes(damaged))
        for arguments in (("audit",), ("export", "--format", "jsonl")):
            result = command(tool, *arguments, path)
            if crashed(result):
                crashes.append((arguments[0], result.returncode, result.stderr[-200:]))
                shutil.copy(path, path.with_name(f"flipped-crash-{len(crashes)}.jsonl"))
    tally.check(
        "malformed", f"{FLIPS} timelines with wrong bytes: no crash", not crashes, f"{len(crashes)}: {crashes[:2]}"
    )
