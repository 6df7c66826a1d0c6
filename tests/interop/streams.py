# SPDX-License-Identifier: BSD-2-Clause
"""crossfuse listen: and raw FUSE peers, for the tests of byte streams."""

import contextlib
import os
import pathlib
import socket
import struct
import subprocess
import time

import mounted

INIT, STATFS, GETATTR = 26, 17, 3
ENOTCONN = 107


@contextlib.contextmanager
def started(log, *words):
    """crossfuse with WORDS; its log is LOG. It must end well."""
    log = pathlib.Path(log)
    with open(log, "wb") as out:
        process = subprocess.Popen(mounted.crossfuse() + list(words),
                                   stdin=subprocess.DEVNULL, stdout=out,
                                   stderr=out)
    try:
        yield process
    finally:
        process.terminate()
        try:
            status = process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError("still there: " + log.read_text()) from None
    assert status == 0, "status %d: %s" % (status, log.read_text())


def wait_until(true, what, seconds=20):
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, what
        time.sleep(0.02)


@contextlib.contextmanager
def listening(base, name, server, *options, kind="unix"):
    """A server at BASE/NAME; its address and its log."""
    path, log = base / name, base / (name + ".log")
    with started(log, "listen:%s:%s" % (kind, path), server, *options):
        wait_until(lambda: "waiting for clients" in log.read_text(),
                   "does not listen")
        yield "%s:%s" % (kind, path), log


def connect(path, kind=socket.SOCK_STREAM):
    peer = socket.socket(socket.AF_UNIX, kind)
    peer.settimeout(20)
    peer.connect(str(path))
    return peer


def request(opcode, unique, body=b"", node=1, length=None):
    return struct.pack("<IIQQIIIHH", 40 + len(body)
                       if length is None else length, opcode, unique, node,
                       0, 0, os.getpid(), 0, 0) + body


def init(unique=2):
    return request(INIT, unique, struct.pack("<IIII", 7, 36, 1 << 17, 0) +
                   bytes(48))


def reply(unique, body=b"", error=0, length=None):
    return struct.pack("<IiQ", 16 + len(body) if length is None else length,
                       error, unique) + body


def init_reply(unique, max_write=1 << 20):
    return reply(unique, struct.pack("<IIIIHHIIHHIII", 7, 36, 1 << 17, 0, 16,
                                     12, max_write, 1, 0, 0, 0, 0, 0) +
                 bytes(20))


def receive(peer, length):
    data = b""
    while len(data) < length:
        more = peer.recv(length - len(data))
        if not more:
            raise EOFError(data)
        data += more
    return data


def message(peer):
    """The next one, whole."""
    start = receive(peer, 4)
    return start + receive(peer, struct.unpack("<I", start)[0] - 4)


def ended(peer):
    """The other side has closed the connection, or will."""
    try:
        while peer.recv(65536):
            pass
    except ConnectionResetError:
        pass
    return True
