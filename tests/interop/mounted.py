# SPDX-License-Identifier: BSD-2-Clause
"""`crossfuse mount:DIR SERVER` on this machine, whose kernel is the client."""

import contextlib
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "guests"))
import build  # noqa: E402
import compare  # noqa: E402
import hostside  # noqa: E402

# What the probe may find otherwise than on a local file system.
EXCEPTIONS = "exceptions"


def crossfuse():
    return shlex.split(os.environ["CROSSFUSE"])


def is_mounted(where):
    """Also where only another user may look."""
    with open("/proc/self/mounts", encoding="utf-8") as f:
        return any(l.split()[1] == str(where) for l in f)


@contextlib.contextmanager
def io_uring_allowed():
    """The kernel offers it only where the administrator wants it."""
    parameter = pathlib.Path("/sys/module/fuse/parameters/enable_uring")
    before = parameter.read_text() if parameter.exists() else None
    if before is None:
        print("no FUSE over io_uring in this kernel: not tried")
        yield False
        return
    parameter.write_text("Y")
    try:
        yield True
    finally:
        parameter.write_text(before)


def wait_until(true, what, seconds=20):
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, what
        time.sleep(0.02)


class Mount:
    """A mount, in a with statement; log() tells what crossfuse said."""

    def __init__(self, folder, server, *options, program=None):
        self.where = pathlib.Path(folder)
        self.where.mkdir(exist_ok=True)
        self.output = pathlib.Path(str(folder) + ".log")
        self.cmd = (program or crossfuse()) + [
            "mount:%s" % folder, server, *options]
        self.process = None

    def start(self):
        with open(self.output, "ab") as out:
            self.process = subprocess.Popen(
                self.cmd, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        until = time.monotonic() + 30
        while not is_mounted(self.where):
            if self.process.poll() is not None or time.monotonic() > until:
                raise AssertionError("not mounted: " + self.log())
            time.sleep(0.02)
        return self

    def log(self):
        return self.output.read_text(errors="replace")

    def stop(self, number=signal.SIGTERM):
        """Ends it; its exit status. Nothing may be left."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError("still there: " + self.log()) from None

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, *_):
        status = self.stop()
        left = is_mounted(self.where)
        if left:
            subprocess.run(["umount", "-l", self.where], check=False)
        if not kind:
            assert status == 0, "ended with %d: %s" % (status, self.log())
            assert not left, "still mounted"


@contextlib.contextmanager
def folder():
    """A directory on a local file system that programs of all users reach."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="crossfuse-mount-",
                                         dir="/var/tmp"))
    os.chmod(path, 0o755)
    try:
        yield path
    finally:
        subprocess.run(["chattr", "-R", "-f", "-i", "-a", path],
                       stderr=subprocess.DEVNULL, check=False)
        shutil.rmtree(path, ignore_errors=True)


def run_probe(where, act_on=None, groups=()):
    """The lines of the probe below WHERE; ACT_ON: what "live" is done to."""
    program = build.program("probe", "gcc", ["gcc"])
    lines = []
    with subprocess.Popen([program, where, *groups], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True,
                          errors="replace") as p:
        for line in p.stdout:
            lines.append(line.rstrip("\n"))
            if line.startswith("@WAIT live-"):
                hostside.live(act_on, int(line[11:]))
                p.stdin.write("go\n")
                p.stdin.flush()
    return compare.parse(lines)


def local_results(base, groups=()):
    """The probe on the file system itself, in a mount of its own."""
    where = base / "local"
    where.mkdir()
    subprocess.run(["mount", "--bind", where, where], check=True)
    try:
        return run_probe(where, groups=groups)
    finally:
        subprocess.run(["umount", "-l", where], check=True)


def differences(base, where, share, local, groups=(), exceptions=()):
    """What the probe finds at WHERE otherwise than LOCAL; SHARE is where the
    same files can be reached from outside."""
    hostside.prepare(share, groups)
    want = {n: t for n, t in local.items() if not n.startswith("host.")}
    want.update(hostside.expected(share))
    results = run_probe(where, share, groups)
    version = tuple(int(n) for n in os.uname().release.split(".")[:2])
    rows = compare.differences(want, results,
                               compare.Exceptions(version, EXCEPTIONS,
                                                  *exceptions))
    count, wrong = hostside.verify_kept(share, results)
    rows += [(name + " (as the host finds it)", text, seen)
             for name, text, seen in wrong]
    assert count or groups, "no file was kept"
    return rows, len(want)
