# SPDX-License-Identifier: BSD-2-Clause
"""virtme-ng, as a user runs it, with crossfuse as the virtiofsd on PATH.

The program is Debian's package, unpacked; a guest of this machine's
architecture has this machine's / for its root, a foreign one (vng --root) a
tree of Debian's packages for it.
"""
import os
import pathlib
import platform
import shlex
import subprocess
import tempfile
import time

from guests import GUESTS, cache_dir
from packages import locked, retried, unpack

CROSSFUSE = os.environ.get("CROSSFUSE", "build/src/crossfuse")
SUITES = {"trixie": "1.35", "sid": "1.41"}
# What virtme-ng's first process and its script want in a root of their own.
TREE = ["base-files", "base-passwd", "bash", "coreutils", "dash", "findutils",
        "gawk", "grep", "hostname", "iproute2", "kmod", "libc-bin", "login",
        "mount", "procps", "sed", "udev", "util-linux"]
# A kernel with 9p, which a foreign root's tools come by.
KERNELS = {"aarch64": "linux-image-arm64"}
ARCHES = {"aarch64": "arm64", "s390x": "s390x"}
# udev loads what the processor could do; QEMU 7.2's s390x gets lost in this.
KERNEL_OPTIONS = {"s390x": "module_blacklist=chacha_s390"}
TIMEOUT = 600


def fetch_program(suite):
    final = cache_dir() / ("virtme-ng-" + suite)
    with locked(final.name):
        if final.is_dir():
            return final
        with tempfile.TemporaryDirectory(dir=cache_dir()) as t:
            out = pathlib.Path(t) / "out"
            out.mkdir()

            def work(apt):
                return [apt.download(name, t) for name in
                        ["virtme-ng", "python3-argcomplete",
                         "python3-requests"]]

            for deb in retried("virtme-ng", suite, "amd64", work):
                unpack(deb, out)
            out.rename(final)
    return final


def kernel_packages(apt, guest):
    name = [n for n in apt.depends(KERNELS.get(guest.name, guest.package))
            if n.startswith("linux-image-")][0]
    return [name] + [n for n in apt.depends(name) if n.startswith(
        ("linux-binary-", "linux-modules-"))]


def unpack_tree(deb, out):
    """What is in /usr already for some is a link for others."""
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(deb)],
                          stdout=subprocess.PIPE) as p:
        subprocess.run(["tar", "-x", "--keep-directory-symlink", "-C",
                        str(out)], stdin=p.stdout, check=True)


def fetch_tree(name):
    """The kernel with all its modules, and a root if it is a foreign one."""
    guest = GUESTS[name]
    final = cache_dir() / ("vng-" + name)
    with locked(final.name):
        if final.is_dir():
            return final
        with tempfile.TemporaryDirectory(dir=cache_dir()) as t:
            out = pathlib.Path(t) / "out"
            out.mkdir()
            foreign = name != platform.machine()

            def work(apt):
                debs = [apt.download(n, t) for n in kernel_packages(apt, guest)]
                if foreign:
                    apt.run("apt-get", "-q", "-y", "--no-install-recommends",
                            "--download-only", "install", *TREE)
                    debs += sorted((apt.dir / "cache/archives").glob("*.deb"))
                return debs

            for deb in retried(name, guest.suite, guest.deb_arch, work):
                unpack_tree(deb, out)
            if foreign:
                finish_root(out)
            for version in os.listdir(out / "lib/modules"):
                subprocess.run(["depmod", "-b", str(out), version], check=True)
            out.rename(final)
    return final


def finish_root(out):
    """What the packages' scripts would do, as far as it matters here."""
    for file in "passwd", "group":
        text = (out / "usr/share/base-passwd" / (file + ".master")).read_text()
        (out / "etc" / file).write_text(text)
    for link, target in ("bin/sh", "dash"), ("usr/bin/awk", "gawk"):
        if not (out / link).exists():
            (out / link).symlink_to(target)
    # Mount points of virtme-ng's.
    for name in "etc/fstab", "etc/hostname", "etc/hosts", "etc/resolv.conf", \
            "etc/shadow":
        (out / name).touch()
    for name in "tmp", "home", "opt", "srv", "run", "root", "dev", "proc", \
            "sys", "mnt", "var/tmp", "var/log", "var/lib":
        (out / name).mkdir(parents=True, exist_ok=True)


def busybox(name):
    import packages
    return packages.busybox(GUESTS[name])


class Run:
    """One run of vng, in directories of its own."""

    def __init__(self, suite, name, script):
        self.base = tempfile.TemporaryDirectory(prefix="vng")
        base = pathlib.Path(self.base.name)
        self.program, self.tree = fetch_program(suite), fetch_tree(name)
        for folder in "bin", "home", "tmp":
            (base / folder).mkdir()
        # Its processes can be told from others by their name.
        self.arguments = base / "arguments"
        server = base / "bin/virtiofsd"
        server.write_text('#!/bin/bash\necho "$@" >>%s\nexec -a %s %s "$@"\n' %
                          (self.arguments, server, os.path.abspath(CROSSFUSE)))
        server.chmod(0o755)
        self.sockets = base / "tmp"
        lib = str(self.program / "usr/lib/python3/dist-packages")
        self.environment = dict(
            os.environ, PYTHONPATH=lib, PYTHONDONTWRITEBYTECODE="1",
            HOME=str(base / "home"), TMPDIR=str(self.sockets),
            PATH=":".join([str(base / "bin"), str(self.program / "usr/bin"),
                           os.environ["PATH"]]))
        kernel = sorted((self.tree / "boot").glob("vmlinu*"))[0]
        self.words = ["vng", "--disable-kvm", "--verbose", "--cpus", "1",
                      "--memory", "512M", "--busybox", str(busybox(name)),
                      "--run", str(kernel), "--exec", script]
        if name in KERNEL_OPTIONS:
            self.words += ["--append", KERNEL_OPTIONS[name]]
        if name != platform.machine():
            self.words += ["--arch", ARCHES[name], "--root", str(self.tree)]

    def __call__(self):
        """Its output: read to the end, which a pipe left open has not."""
        start = time.monotonic()
        result = subprocess.run(
            ["/usr/bin/python3", "-c", "import sys; sys.argv[0] = 'vng'; "
             "from virtme_ng.run import main; sys.exit(main())",
             *self.words[1:]], env=self.environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=TIMEOUT, check=False)
        self.seconds = time.monotonic() - start
        self.status = result.returncode
        return result.stdout.decode(errors="replace")

    def called(self):
        """How virtiofsd was called."""
        return self.arguments.read_text() if self.arguments.exists() else ""

    def left(self):
        """Processes and files that are still there."""
        found = [str(path) for path in self.sockets.glob("virtme*")]
        for pid in os.listdir("/proc"):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    command = file.read()
            except OSError:
                continue
            if pid.isdigit() and self.base.name.encode() in command:
                found.append(command.decode(errors="replace"))
        return found


def check(suite, name):
    """0 if a guest has its root through crossfuse, with all that a program
    does first."""
    token = "token-%d" % os.getpid()
    script = "; ".join([
        "set -e", "uname -m", "grep ' / ' /proc/mounts",
        "ls -l /bin/sh >/dev/null && echo listed",
        "dd if=/usr/bin/env iflag=direct of=/dev/null bs=4096 count=1 2>&1 "
        "| tail -n 1", "echo %s" % shlex.quote(token)])
    run = Run(suite, name, script)
    text = run()
    machine = GUESTS[name].name
    wrong = [what for what, there in [
        ("it ended with %d" % run.status, run.status == 0),
        ("no root on virtiofs", "ROOTFS / virtiofs" in text or
         "virtiofs ro" in text),
        ("not on " + machine, "\n%s\n" % machine in "\n" +
         text.replace("\r", "")),
        ("directories are not listed", "\nlisted" in text.replace("\r", "")),
        ("O_DIRECT does not work", "4096 bytes" in text),
        ("the script did not end", token in text),
        ("not served by crossfuse", "--shared-dir" in run.called()),
        ("left: %s" % run.left(), not run.left())] if not there]
    print("virtme-ng %s, %s: %s (%.0f s)" % (
        SUITES[suite], name, "; ".join(wrong) or "ok", run.seconds))
    print(run.called().strip().splitlines()[-1:])
    if wrong:
        print(text)
    run.base.cleanup()
    return 1 if wrong else 0
