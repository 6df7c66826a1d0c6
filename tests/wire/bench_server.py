# SPDX-License-Identifier: BSD-2-Clause
"""crossfuse serving a directory that bench/virtiofs-bench has filled."""
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile
import time

BUILD = pathlib.Path(os.environ.get("CROSSFUSE_BUILD", "build"))
CROSSFUSE = os.environ.get("CROSSFUSE", str(BUILD / "src/crossfuse"))
DRIVER = str(BUILD / "bench/virtiofs-bench")


def require_driver():
    """Ends the test, as skipped, where the load driver is not built."""
    if not os.access(DRIVER, os.X_OK):
        print("skipped: %s is not there (built with crossfuse)" % DRIVER)
        sys.exit(77)


def make_share():
    """A directory with the sample files; to be closed with cleanup()."""
    share = tempfile.TemporaryDirectory(prefix="crossfuse-share.")
    os.chmod(share.name, 0o755)
    subprocess.run([DRIVER, "--create", share.name], check=True, timeout=120)
    return share


class Server:
    """A running crossfuse; ends with the driver's connection."""

    def __init__(self, share, *options):
        self.tmp = tempfile.TemporaryDirectory(prefix="crossfuse-bench.")
        self.socket = os.path.join(self.tmp.name, "sock")
        self.log_path = os.path.join(self.tmp.name, "log")
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [CROSSFUSE, "virtio:" + self.socket, "dir:" + share, *options,
                 *shlex.split(os.environ.get("CROSSFUSE_ARGS", ""))],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        for _ in range(500):
            if os.path.exists(self.socket) or self.process.poll() is not None:
                break
            time.sleep(0.01)

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            return log.read()

    def wait(self, seconds=30):
        """Its exit status; it must end by itself."""
        return self.process.wait(seconds)

    def tree(self):
        """The ids of the process and all below it."""
        pids = [self.process.pid]
        for pid in pids:
            try:
                for thread in os.listdir("/proc/%d/task" % pid):
                    path = "/proc/%d/task/%s/children" % (pid, thread)
                    with open(path, encoding="ascii") as children:
                        pids += [int(n) for n in children.read().split()]
            except OSError:
                pass
        return pids

    def open_files(self):
        """File descriptors of the whole tree."""
        count = 0
        for pid in self.tree():
            try:
                count += len(os.listdir("/proc/%d/fd" % pid))
            except OSError:
                pass
        return count

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.tmp.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
