# SPDX-License-Identifier: BSD-2-Clause
"""A server that is started as virtiofsd is: crossfuse, or one of those."""
import os
import struct
import subprocess
import sys

import virtio as v

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "guests"))
import packages  # noqa: E402

GETATTR = 3


def virtiofsds():
    """Names and command lines of those there are."""
    found = {}
    for name in packages.VIRTIOFSD:
        packages.fetch_virtiofsd(name)
        found[name] = packages.virtiofsd_command(name)
    return found


class Server(v.Server):
    def prepare(self):
        """Before it is started."""

    def start(self, *, fd=None):
        self.prepare()
        self.log = open(os.path.join(self.root, "log"), "w+")
        self.process = subprocess.Popen(
            [*self.program, *self.options, "--socket-path=" + self.path,
             "--shared-dir=" + self.shared], stderr=self.log)
        return self


class Device(v.Device):
    server_class = Server

    def __init__(self, *options, program=None):
        plain, v.Server = v.Server, self.server_class
        try:
            super().__init__(*options, program=program)
        finally:
            v.Server = plain

    def ask(self, opcode, body=b"", nodeid=1, uid=0, gid=0):
        message = bytearray(v.message(opcode, body, nodeid))
        struct.pack_into("<II", message, 24, uid, gid)
        return v.parse(self.queue.ask(bytes(message)))

    def lookup(self, name):
        error, body = self.ask(v.LOOKUP, name.encode() + b"\0")
        assert error == 0, (name, error)
        return struct.unpack_from("<Q", body)[0]

    def create(self, name, uid=0, gid=0):
        return self.ask(v.CREATE, struct.pack(
            "<IIII", os.O_RDWR | os.O_CREAT, 0o100644, 0, 0) + name.encode() +
            b"\0", uid=uid, gid=gid)[0]

    def close(self):
        self.server.process.terminate()
        super().close()
