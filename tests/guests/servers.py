# SPDX-License-Identifier: BSD-2-Clause
"""The virtio-fs servers a guest can be given."""

import os
import pathlib
import shlex
import signal
import subprocess
import time

import children
from build import Missing
from guests import ROOT
from packages import VIRTIOFSD, FetchError, fetch, virtiofsd_command

# What crossfuse stands in front of, by the name of the two together.
BEHIND = {"vhost-c": "virtiofsd-c",
          **{"vhost-" + name.split("-")[1]: name for name in VIRTIOFSD}}
NAMES = ("crossfuse", "virtiofsd-c", *VIRTIOFSD, *BEHIND, "none")
C_VIRTIOFSD = pathlib.Path("/usr/lib/qemu/virtiofsd")


class ServerError(Exception):
    pass


def crossfuse_command():
    """CROSSFUSE (a program, or a command line), or what the tree built."""
    given = os.environ.get("CROSSFUSE")
    if given:
        return shlex.split(given)
    found = sorted(ROOT.glob("build*/src/crossfuse"),
                   key=lambda p: p.stat().st_mtime)
    if not found:
        raise Missing("crossfuse: build it (meson setup build && "
                      "ninja -C build) or set CROSSFUSE")
    return [str(found[-1])]


def command(kind, share, sock, debug):
    if kind == "crossfuse":
        cmd = crossfuse_command() + ["virtio:%s" % sock, "dir:%s" % share]
        cmd += shlex.split(os.environ.get("CROSSFUSE_ARGS", ""))
        return cmd + (["--log-level", "debug"] if debug else [])
    if kind == "virtiofsd-c":
        if not C_VIRTIOFSD.exists():
            raise Missing("%s (package qemu-system-common of Debian 12)" %
                          C_VIRTIOFSD)
        cmd = [str(C_VIRTIOFSD), "--socket-path=%s" % sock,
               "-o", "source=%s" % share, "-o", "xattr"]
        if os.environ.get("VIRTIOFSD_SANDBOX"):
            cmd += ["-o", "sandbox=" + os.environ["VIRTIOFSD_SANDBOX"]]
        return cmd + (["-d"] if debug else [])
    if kind in VIRTIOFSD:
        try:
            fetch(kind)
        except FetchError as e:
            raise Missing("virtiofsd of Debian %s: %s" %
                          (VIRTIOFSD[kind], e)) from e
        return virtiofsd_command(kind) + [
            "--socket-path=%s" % sock, "--shared-dir=%s" % share,
            "--xattr", "--posix-acl", "--sandbox",
            os.environ.get("VIRTIOFSD_SANDBOX", "chroot"),
            "--log-level", "debug" if debug else "error"]
    raise ServerError("%s: no such server; there are %s" %
                      (kind, " ".join(NAMES)))


class Server:
    """A running server; use it in a with statement."""

    def __init__(self, kind, share, sock, log, debug=False):
        self.kind = kind
        self.sock = pathlib.Path(sock)
        self.log = log
        self.process = None
        self.behind = None
        if kind in BEHIND:
            back = str(sock) + "-back"
            self.behind = Server(BEHIND[kind], share, back, log, debug)
            self.cmd = crossfuse_command() + ["virtio:%s" % sock,
                                              "vhost:%s" % back]
            self.cmd += ["--log-level", "debug"] if debug else []
        else:
            self.cmd = command(kind, share, sock, debug)

    def start(self):
        if self.behind:
            self.behind.start()
        with open(self.log, "ab") as out:
            self.process = children.start(
                self.cmd, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        for _ in range(400):
            if self.sock.exists():
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        self.stop()
        raise ServerError("%s does not come up: %s" %
                          (self.cmd[0], self.tail()))

    def tail(self):
        text = pathlib.Path(self.log).read_text(encoding="utf-8",
                                                errors="replace")
        return text[-600:].strip()

    def ended(self, seconds):
        """Exit status if the server ends by itself, None if it stays."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(3)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        children.forget(self.process)
        if self.behind:
            self.behind.stop()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()
