# SPDX-License-Identifier: BSD-2-Clause
"""The courses a run can take."""

import contextlib
import hashlib
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time

import build
import compare
import hostside
from guests import GUESTS, cache_dir
from machine import Machine, MachineError
from packages import FetchError, busybox, fetch, kernel_dir
from servers import C_VIRTIOFSD, Server

DISK_SIZE = 768 << 20


class Folder:
    """The folder of one run; it stays when something went wrong."""

    def __init__(self, keep):
        self.keep = keep
        base = os.environ.get("CROSSFUSE_TEST_DIR", "/var/tmp")
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="crossfuse-guest-",
                                                  dir=base))
        self.share = self.path / "share"
        self.share.mkdir()
        os.chmod(self.path, 0o755)

    def reproduce(self, server, machine):
        """Leave the commands with which the run is done again by hand."""
        lines = ["#!/bin/sh", "cd %s || exit" % shlex.quote(str(self.path))]
        if server:
            lines += ["rm -f fs.sock", shlex.join(server.cmd) + " &",
                      "sleep 1"]
        lines.append(shlex.join(machine.cmd))
        script = self.path / "again"
        script.write_text("\n".join(lines) + "\n", encoding="utf-8")
        script.chmod(0o755)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind or self.keep:
            print("kept: %s (console.log, server.log, share; ./again "
                  "does it again)" % self.path, file=sys.stderr)
            return
        try:
            shutil.rmtree(self.path)
        except OSError:
            # a run cut short may have left files immutable
            subprocess.run(["chattr", "-R", "-f", "-i", "-a", self.path],
                           stderr=subprocess.DEVNULL, check=False)
            shutil.rmtree(self.path)


class Parts:
    """Kernel and programs of a guest."""

    def __init__(self, name):
        self.guest = GUESTS[name]
        try:
            fetch(name)
        except FetchError as e:
            raise build.Missing("kernel of %s: %s" % (name, e)) from e
        self.kernel = kernel_dir(self.guest)
        self.programs = {
            short: build.program(prog, self.guest.compiler,
                                 self.guest.compiler_packages)
            for short, prog in (("init", "init"), ("bin/probe", "probe"))}

    def initrd(self, folder, script):
        path = folder.path / "initrd"
        path.write_bytes(build.initramfs(self.kernel, self.programs, script))
        return path

    def exceptions(self, emulated):
        """What may differ; emulated: the server runs in qemu-user."""
        package = (self.kernel / "package").read_text(encoding="ascii")
        version = re.match(r"linux-image-(\d+)\.(\d+)", package)
        names = ["exceptions"] + ["exceptions-qemu-user"] * emulated
        return compare.Exceptions(
            (int(version.group(1)), int(version.group(2))), *names)

    def key(self):
        digest = hashlib.sha256()
        digest.update((self.kernel / "package").read_bytes())
        digest.update(self.programs["bin/probe"].name.encode())
        return digest.hexdigest()[:16]


def need_root():
    if os.geteuid():
        raise build.Missing("root (the guest creates files of all owners)")


def ext4_image(path):
    """The guest's own file system, which says what is right."""
    if not shutil.which("mkfs.ext4"):
        raise build.Missing("mkfs.ext4 (package e2fsprogs)")
    with open(path, "wb") as f:
        f.truncate(DISK_SIZE)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-b", "4096", str(path)],
                   check=True)


def failures(lines):
    bad = [l for l in lines if l.startswith("@FAILED")]
    if bad:
        raise MachineError("; ".join(bad))


def reference(name, keep=False):
    """The results on the guest's own ext4; the same every time, so kept."""
    parts = Parts(name)
    folder = cache_dir() / "reference"
    folder.mkdir(parents=True, exist_ok=True)
    known = folder / ("%s-%s" % (name, parts.key()))
    if not known.exists():
        lines = run_local(parts, keep)
        tmp = folder / ("%s.%d" % (known.name, os.getpid()))
        tmp.write_text("\n".join(lines) + "\n", encoding="utf-8")
        tmp.rename(known)
    return compare.parse(known.read_text(encoding="utf-8").splitlines())


def run_local(parts, keep, groups=()):
    with Folder(keep) as folder:
        disk = folder.path / "disk"
        ext4_image(disk)
        initrd = parts.initrd(folder, [
            "mount ext4 /dev/vda /share",
            " ".join(["exec /bin/probe /share"] + list(groups))])
        machine = Machine(parts.guest, parts.kernel / "vmlinuz", initrd,
                          folder.path, disk=disk)
        folder.reproduce(None, machine)
        with machine:
            lines = []
            for line in machine.events(parts.guest.timeout):
                lines.append(line)
                if line == "@DONE":
                    break
        finished(lines)
        odd = [l for l in lines
               if re.match(r"(?!probe\.end|host\.)\S+\.(end|setup)\t", l)]
        if odd and not groups:
            raise MachineError("no reference: " + "; ".join(odd))
        return lines


def finished(lines):
    failures(lines)
    if "probe.end\tcomplete" not in lines:
        raise MachineError("the probe did not come to its end: " +
                           " / ".join(lines[-5:]))


class Share:
    """A run on a share: what the console said, and what to expect."""

    def __init__(self, parts, kind, folder, script, reboots=False,
                 debug=False, groups=()):
        self.parts = parts
        self.folder = folder
        sock = folder.path / "fs.sock"
        hostside.prepare(folder.share, groups)
        self.expected = hostside.expected(folder.share)
        self.server = Server(kind, folder.share, sock,
                             folder.path / "server.log", debug)
        self.machine = Machine(
            parts.guest, parts.kernel / "vmlinuz",
            parts.initrd(folder, script), folder.path, sock=sock,
            reboots=reboots,
            queues=parts.guest.queues if kind == "crossfuse" or
            kind.startswith("vhost-") else 1)
        folder.reproduce(self.server, self.machine)
        self.lines = []
        self.boots = 0

    def run(self, last="@DONE"):
        """Follow the guest, acting when it asks, until it prints last."""
        for line in self.machine.events(self.parts.guest.timeout):
            self.lines.append(line)
            if line == last:
                return
            if line == "@BOOTED":
                self.boots += 1
                if self.boots > 2:
                    raise MachineError("the guest boots again and again")
            if line.startswith("@WAIT live-"):
                try:
                    hostside.live(self.folder.share, int(line[11:]))
                except OSError as e:
                    self.lines.append("live.act\t%s" % e)
                self.machine.answer()
        raise MachineError("QEMU ended early: " + " / ".join(self.lines[-3:]))

    def compared(self, local, exceptions, groups=()):
        """Rows that differ, and the number of checks."""
        want = {n: t for n, t in local.items() if not n.startswith("host.")}
        want.update(self.expected)
        if groups:
            want = {n: t for n, t in want.items()
                    if n.split(".")[0] in list(groups) + ["probe"]}
        results = compare.parse(self.lines)
        rows = compare.differences(want, results, exceptions)
        _, wrong = hostside.verify_kept(self.folder.share, results)
        rows += [(name + " (as the host finds it)", text, seen)
                 for name, text, seen in wrong]
        return rows, len(set(want) | set(results))


PROBE = ["mount virtiofs share /share", "exec /bin/probe /share"]


def probe(args):
    need_root()
    parts = Parts(args.guest)
    if args.server == "none":
        lines = run_local(parts, args.keep, args.groups)
        print("\n".join(l for l in lines if l[:1] != "@"))
        return 0
    local = reference(args.guest) if args.compare else None
    script = PROBE[:1] + [" ".join(PROBE[1:] + args.groups)]
    with Folder(args.keep) as folder:
        share = Share(parts, args.server, folder, script,
                      debug=args.fuse_debug, groups=args.groups)
        with share.server, share.machine:
            share.run()
        if not args.compare:
            print("\n".join(l for l in share.lines if l[:1] != "@"))
            return 0
        rows, count = share.compared(local, parts.exceptions(args.emulated),
                                     args.groups)
    compare.show(rows)
    print("%s, %s: %d of %d checks differ" % (args.guest, args.server,
                                              len(rows), count))
    return 1 if rows else 0


def life(share):
    """Reboot, remount and probe; then QEMU dies and the server goes."""
    problems = []
    with share.server, share.machine:
        share.run("@WAIT end")
        if share.boots != 2:
            problems.append("the guest did not come up again")
        if share.server.process.poll() is not None:
            problems.append("the server went away before its time")
        share.machine.stop()
        status = share.server.ended(5)
        if status is None:
            problems.append("the server stays when QEMU is gone")
        elif status:
            problems.append("the server ends with %d when QEMU is gone: %s" %
                            (status, share.server.tail()))
    problems += [l for l in share.lines if l.startswith("@FAILED")]
    return problems


def test(args):
    """All of it; 0 only if nothing differs from a local file system."""
    need_root()
    started = time.monotonic()
    parts = Parts(args.guest)
    local = reference(args.guest)
    script = PROBE[:1] + ["reboot-once /share/rebooted", "umount /share"]
    script += PROBE + ["umount /share", "wait end"]
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(Folder(args.keep))
        share = Share(parts, args.server, folder, script, reboots=True,
                      debug=args.fuse_debug)
        problems = life(share)
        rows, count = share.compared(local, parts.exceptions(args.emulated))
        if rows or problems:
            folder.keep = True
            compare.save(rows, folder.path / "differences")
    compare.show(rows, 60)
    for problem in problems:
        print("  " + problem)
    print("%s, %s: %d of %d checks differ, %d other problems, %d s" %
          (args.guest, args.server, len(rows), count, len(problems),
           time.monotonic() - started))
    return 1 if rows or problems else 0


DEMO = """\
export PATH=/bin PS1=
say() { echo "guest# $*"; eval "$*" 2>&1; }
say uname -rm
for tag in @TAGS@; do
    echo
    say mkdir /mnt-$tag
    say mount -t virtiofs $tag /mnt-$tag
    say ls -ln /mnt-$tag
    say cat /mnt-$tag/hello-from-host
    say "dd if=/bin/busybox of=/mnt-$tag/direct bs=4k count=4 oflag=direct"
    say "echo written by \\$(uname -rm) > /mnt-$tag/hello-from-guest"
    say umount /mnt-$tag
done
"""


def demo_initrd(parts, folder, tags):
    """A guest with a shell that says what it does."""
    box = busybox(parts.guest)
    script = folder.path / "demo.sh"
    script.write_text(DEMO.replace("@TAGS@", " ".join(tags)),
                      encoding="ascii")
    parts.programs = {"init": parts.programs["init"], "demo.sh": script}
    for name in ("sh", "uname", "mkdir", "mount", "umount", "ls", "cat",
                 "dd", "busybox"):
        parts.programs["bin/" + name] = box
    return parts.initrd(folder, ["exec /bin/sh /demo.sh"])


def demo(args):
    """A guest uses a directory of this machine, through virtiofsd first, if
    that is here and may be used, then through crossfuse; shown as it
    happens."""
    parts = Parts(args.guest)
    kinds = ["crossfuse"]
    if os.geteuid() == 0 and C_VIRTIOFSD.exists():
        kinds.insert(0, "virtiofsd-c")
    tags = {k: k.split("-")[0] for k in kinds}
    with Folder(args.keep) as folder, contextlib.ExitStack() as stack:
        (folder.share / "hello-from-host").write_text(
            "written on %s (%s)\n" % (os.uname().nodename,
                                      os.uname().machine), encoding="utf-8")
        socks = {}
        for kind, tag in tags.items():
            socks[tag] = folder.path / (tag + ".sock")
            server = Server(kind, folder.share, socks[tag],
                            folder.path / (tag + ".log"), args.fuse_debug)
            print("host# " + shlex.join(server.cmd) + " &")
            stack.enter_context(server)
        machine = Machine(parts.guest, parts.kernel / "vmlinuz",
                          demo_initrd(parts, folder, tags.values()),
                          folder.path, tags=socks)
        print("host# " + shlex.join(machine.cmd), end="\n\n", flush=True)
        stack.enter_context(machine)
        lines = []
        for line in machine.events(parts.guest.timeout):
            lines.append(line)
            if line == "@DONE":
                break
            if line == "guest# uname -rm" or len(shown(lines)) > 1:
                print(line, flush=True)
        failures(lines)
        return demo_end(folder.share, parts.guest)


def shown(lines):
    """What the guest's shell has said, from its first command on."""
    for at, line in enumerate(lines):
        if line.startswith("guest# "):
            return lines[at:]
    return []


def demo_end(share, guest):
    """What the guest has left on the host: both bytes and text are right."""
    seen = (share / "hello-from-guest").read_text(encoding="utf-8")
    print("\nhost# cat %s\n%s" % (share / "hello-from-guest", seen), end="")
    direct = (share / "direct").read_bytes()
    same = direct == busybox(guest).read_bytes()[:16384]
    return 0 if same and seen.startswith("written by ") else 1
