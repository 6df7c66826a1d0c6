# SPDX-License-Identifier: BSD-2-Clause
"""One QEMU with one guest in it."""

import queue
import shutil
import socket
import subprocess
import threading
import time

import children
from build import Missing


class MachineError(Exception):
    pass


class Machine:
    """Boots a guest and hands over the lines its console prints."""

    def __init__(self, guest, kernel, initrd, folder, sock=None, disk=None,
                 reboots=False, queues=1, tags=None):
        """sock: of the device with the tag "share"; tags: tag -> socket,
        where there are several."""
        self.guest = guest
        self.console = folder / "console.log"
        self.monitor_path = folder / "monitor.sock"
        self.lines = queue.Queue()
        self.process = None
        self.reader = None
        if not shutil.which(guest.qemu):
            raise Missing("%s (package %s)" % (guest.qemu,
                                               guest.qemu_package))
        cmd = guest.qemu_command() + [
            "-kernel", str(kernel), "-initrd", str(initrd),
            "-append", "console=%s quiet panic=-1" % guest.console,
            "-nodefaults", "-serial", "stdio",
            "-monitor", "unix:%s,server=on,wait=off" % self.monitor_path]
        if not reboots:
            cmd.append("-no-reboot")
        for tag, path in (tags or ({"share": sock} if sock else {})).items():
            cmd += ["-chardev", "socket,id=%s,path=%s" % (tag, path),
                    "-device", "vhost-user-fs-%s,chardev=%s,tag=%s,"
                    "queue-size=1024,num-request-queues=%d" %
                    (guest.bus, tag, tag, queues)]
        if disk:
            cmd += ["-drive", "file=%s,format=raw,if=none,id=d,cache=unsafe" %
                    disk, "-device", "virtio-blk-%s,drive=d" % guest.bus]
        self.cmd = cmd

    def start(self):
        self.process = children.start(
            self.cmd, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        with open(self.console, "ab") as log:
            for raw in self.process.stdout:
                log.write(raw)
                log.flush()
                text = raw.decode("utf-8", "replace").rstrip("\r\n")
                self.lines.put(text)
        self.lines.put(None)

    def events(self, seconds):
        """Yield console lines until the end; raise when time is up."""
        end = time.monotonic() + seconds
        while True:
            try:
                line = self.lines.get(timeout=max(0.01,
                                                  end - time.monotonic()))
            except queue.Empty:
                raise MachineError("no end after %d seconds" %
                                   seconds) from None
            if line is None:
                return
            yield line

    def answer(self):
        """Let a guest that waits go on."""
        self.process.stdin.write(b"go\n")
        self.process.stdin.flush()

    def monitor(self, command):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(10)
            s.connect(str(self.monitor_path))
            s.sendall(command.encode() + b"\n")
            time.sleep(0.2)

    def stop(self, grace=0.0):
        """End QEMU, if the guest has not done so after that many seconds."""
        if not self.process:
            return
        try:
            self.process.wait(grace)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        children.forget(self.process)
        self.reader.join(5)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()
