# SPDX-License-Identifier: BSD-2-Clause
"""A guest uses FUSE daemons of the host through virtio-fs and exec:, and finds
the same bytes that are there; the host finds what the guest has made."""
import contextlib
import hashlib
import os
import subprocess
import sys
import time

sys.dont_write_bytecode = True
import build  # noqa: E402
import children  # noqa: E402
import scenario  # noqa: E402
from build import BuildError, Missing  # noqa: E402
from machine import Machine, MachineError  # noqa: E402
from packages import FetchError, busybox  # noqa: E402
from servers import crossfuse_command  # noqa: E402

TOOLS = ("sh", "mkdir", "mount", "umount", "ls", "wc", "md5sum", "cp", "cat",
         "dd", "mv", "rm", "stat", "ln", "chmod", "tr", "echo", "uname")

# Each line that begins with "= " is compared; what fails says so.
SCRIPT = """\\
export PATH=/bin
for tag in @TAGS@; do
    mkdir /$tag && mount -t virtiofs $tag /$tag || echo "= $tag mount failed"
    cd /$tag
    # The others give O_DIRECT to the host, with a buffer that is not aligned.
    direct=; [ $tag != bindfs ] || direct=oflag=direct
    echo "= $tag big $(md5sum < big)"
    echo "= $tag names $(ls many | wc -l)"
    case $tag in
    squashfuse)
        echo x > new 2> /dev/null && echo "= $tag was written to" ;;
    *)
        mkdir made && cp big made/copy && mv made/copy made/moved
        echo "= $tag copy $(md5sum < made/moved)"
        dd if=big of=made/direct bs=4k count=64 $direct 2> /dev/null
        echo "= $tag direct $(md5sum < made/direct)"
        echo more >> made/direct && chmod 640 made/direct
        echo "= $tag mode $(stat -c %a:%s made/direct)"
        ln -s moved made/link && echo "= $tag link $(stat -c %N made/link)"
        mkdir made 2> /dev/null && echo "= $tag made twice"
        rm made 2> /dev/null && echo "= $tag rm removed a directory"
        echo "= $tag loop $(cat made/nothing 2>&1 | tr -d "'")" ;;
    esac
    cd /
    umount /$tag || echo "= $tag umount failed"
done
"""


def md5(data):
    return hashlib.md5(data).hexdigest()


def fill(folder):
    """What each daemon has; its big file's bytes."""
    data = os.urandom((3 << 20) + 77)
    folder.mkdir(parents=True)
    (folder / "big").write_bytes(data)
    (folder / "many").mkdir()
    for i in range(500):
        (folder / "many" / ("entry-%03d" % i)).touch()
    return data


def example(folder):
    """passthrough_ll of libfuse's own examples."""
    out = folder / "passthrough_ll"
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "fuse3"],
                           check=True, stdout=subprocess.PIPE,
                           text=True).stdout.split()
    subprocess.run(["gcc", "-O1", "-o", out, "/usr/share/doc/libfuse3-dev/"
                    "examples/passthrough_ll.c", *flags], check=True)
    return out


def daemons(folder):
    """tag -> (command, bytes of big, where the host sees the files)."""
    out = {}
    for tag in ("bindfs", "passthrough", "mergerfs"):
        share = folder / ("share-" + tag)
        out[tag] = [None, fill(share), share]
    out["bindfs"][0] = "bindfs -f %s {dir}" % out["bindfs"][2]
    out["mergerfs"][0] = "mergerfs -f %s {dir}" % out["mergerfs"][2]
    out["passthrough"][0] = "%s -f -o source=%s {}" % (
        example(folder), out["passthrough"][2])
    source = folder / "squash"
    data = fill(source)
    image = folder / "squash.img"
    subprocess.run(["mksquashfs", source, image, "-quiet", "-no-progress"],
                   check=True, stdout=subprocess.DEVNULL)
    out["squashfuse"] = ["squashfuse -f %s {dir}" % image, data, None]
    return out


def expected(tag, data):
    lines = ["big %s  -" % md5(data), "names 500"]
    if tag == "squashfuse":
        return lines
    return lines + [
        "copy %s  -" % md5(data), "direct %s  -" % md5(data[:256 << 10]),
        "mode 640:%d" % ((256 << 10) + 5), "link made/link -> moved",
        "loop cat: cant open made/nothing: No such file or directory"]


@contextlib.contextmanager
def serving(sock, command, log):
    with open(log, "ab") as out:
        p = children.start(crossfuse_command() + [
            "virtio:%s" % sock, "exec:" + command], stdin=subprocess.DEVNULL,
            stdout=out, stderr=out)
    try:
        for _ in range(200):
            if sock.exists() or p.poll() is not None:
                break
            time.sleep(0.05)
        yield p
    finally:
        if p.poll() is None:
            p.terminate()
        p.wait(20)
        children.forget(p)


def run(name):
    parts = scenario.Parts(name)
    problems = []
    with scenario.Folder(False) as folder, contextlib.ExitStack() as stack:
        served = daemons(folder.path)
        box = busybox(parts.guest)
        script = folder.path / "run.sh"
        script.write_text(SCRIPT.replace("@TAGS@", " ".join(served)),
                          encoding="ascii")
        parts.programs = {"init": parts.programs["init"], "run.sh": script}
        for tool in TOOLS:
            parts.programs["bin/" + tool] = box
        socks = {}
        for tag, (command, _, _) in served.items():
            socks[tag] = folder.path / (tag + ".sock")
            stack.enter_context(serving(socks[tag], command,
                                        folder.path / (tag + ".log")))
        machine = Machine(parts.guest, parts.kernel / "vmlinuz",
                          parts.initrd(folder, ["exec /bin/sh /run.sh"]),
                          folder.path, tags=socks)
        stack.enter_context(machine)
        seen = {tag: [] for tag in served}
        for line in machine.events(parts.guest.timeout):
            if line.startswith("= "):
                _, tag, text = line.split(" ", 2)
                seen[tag].append(text.replace("'", ""))
            if line == "@DONE":
                break
        for tag, (_, data, share) in served.items():
            want = expected(tag, data)
            problems += ["%s: %s" % (tag, text) for text in
                         sorted(set(want) ^ set(seen[tag]))]
            if share and md5((share / "made" / "moved").read_bytes()) != md5(
                    data):
                problems.append("%s: the host finds another file" % tag)
        folder.keep = bool(problems)
    for problem in problems:
        print("  " + problem)
    print("%s: %d daemons, %d problems" % (name, len(served), len(problems)))
    return 1 if problems else 0


def main(name):
    children.end_with_us()
    try:
        scenario.need_root()
        return run(name)
    except (Missing, FetchError) as e:
        print("skipped, missing: %s" % e)
        return 77
    except (BuildError, MachineError) as e:
        print("WRONG: %s" % e)
        return 1
