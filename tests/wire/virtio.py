# SPDX-License-Identifier: BSD-2-Clause
"""A vhost-user front end with a virtio-fs driver, in plain Python.

It shares nothing with the program under test: the numbers are those of QEMU's
docs/interop/vhost-user.rst, of virtio 1.2 and of linux/fuse.h.
"""
import mmap
import os
import select
import signal
import socket
import struct
import subprocess
import tempfile
import time

CROSSFUSE = os.environ.get("CROSSFUSE", "build/src/crossfuse").split()
EXTRA = os.environ.get("CROSSFUSE_ARGS", "").split()


# vhost-user requests
GET_FEATURES, SET_FEATURES, SET_OWNER, RESET_OWNER = 1, 2, 3, 4
SET_MEM_TABLE, SET_VRING_NUM, SET_VRING_ADDR, SET_VRING_BASE = 5, 8, 9, 10
GET_VRING_BASE, SET_VRING_KICK, SET_VRING_CALL, SET_VRING_ERR = 11, 12, 13, 14
GET_PROTOCOL_FEATURES, SET_PROTOCOL_FEATURES = 15, 16
GET_QUEUE_NUM, SET_VRING_ENABLE, SET_BACKEND_REQ_FD = 17, 18, 21
GET_CONFIG, SET_CONFIG, GET_INFLIGHT_FD, RESET_DEVICE = 24, 25, 31, 34
GET_MAX_MEM_SLOTS, ADD_MEM_REG, REM_MEM_REG = 36, 37, 38

VERSION_1, EVENT_IDX, INDIRECT = 1 << 32, 1 << 29, 1 << 28
PROTOCOL_FEATURES = 1 << 30
MQ, REPLY_ACK, BACKEND_REQ, CONFIG = 1 << 0, 1 << 3, 1 << 5, 1 << 9
BACKEND_SEND_FD, RESET, MEM_SLOTS = 1 << 10, 1 << 13, 1 << 15

F_NEXT, F_WRITE, F_INDIRECT = 1, 2, 4

# FUSE
LOOKUP, FORGET, GETATTR, OPEN, READ, RELEASE = 1, 2, 3, 14, 15, 18
WRITE, INIT, SETLK, SETLKW, CREATE = 16, 26, 32, 33, 35

GUEST, USER = 0x40000000, 0x7f0000000000
MEMORY = 4 << 20
TIMEOUT = 20


class Closed(Exception):
    """The back end has closed the connection."""


class Server:
    """A crossfuse of its own with a directory of its own, or what BEHIND
    names."""

    def __init__(self, *options, program=None, behind=None):
        self.temporary = tempfile.TemporaryDirectory()
        self.root = self.temporary.name
        self.shared = os.path.join(self.root, "shared")
        self.path = os.path.join(self.root, "socket")
        os.mkdir(self.shared)
        self.options = options
        self.behind = behind
        self.program = program or CROSSFUSE
        self.process = None
        self.log = None

    def start(self, *, fd=None):
        self.log = open(os.path.join(self.root, "log"), "w+")
        where = [f"--fd={fd}", "virtio:"] if fd is not None else \
            ["virtio:" + self.path]
        sandbox = ["--sandbox=none"]
        if any("sandbox" in o for o in self.options) or self.behind:
            sandbox = []
        self.process = subprocess.Popen(
            [*self.program, *self.options, *sandbox, *EXTRA, *where,
             self.behind or "dir:" + self.shared],
            stderr=self.log, pass_fds=[fd] if fd is not None else [])
        return self

    def connect(self):
        until = time.monotonic() + TIMEOUT
        while True:
            sock = socket.socket(socket.AF_UNIX)
            try:
                sock.connect(self.path)
                return sock
            except OSError:
                sock.close()
                if self.process.poll() is not None or \
                        time.monotonic() > until:
                    raise RuntimeError("no server: " + self.output())
                time.sleep(0.01)

    def output(self):
        with open(self.log.name) as log:
            return log.read()

    def wait_for_output(self, text, times=1):
        until = time.monotonic() + TIMEOUT
        while self.output().count(text) < times:
            if time.monotonic() > until:
                raise AssertionError(f"{text!r} not in {self.output()!r}")
            time.sleep(0.01)

    def open_files(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def wait(self):
        return self.process.wait(TIMEOUT)

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.log:
            self.log.close()
        self.temporary.cleanup()


class FrontEnd:
    """Messages. ORDER '>' plays a peer of the other byte order."""

    def __init__(self, sock, order="="):
        self.sock, self.order = sock, order
        sock.settimeout(TIMEOUT)
        self.ack = False

    def pack(self, form, *values):
        return struct.pack(self.order + form, *values)

    def unpack(self, form, data):
        return struct.unpack(self.order + form, data)

    def send(self, request, payload=b"", fds=(), flags=1):
        socket.send_fds(self.sock,
                        [self.pack("III", request, flags, len(payload)) +
                         payload], fds)

    def read(self, length):
        data = b""
        while len(data) < length:
            try:
                part = self.sock.recv(length - len(data))
            except ConnectionResetError:
                part = b""
            if not part:
                raise Closed
            data += part
        return data

    def receive(self, request):
        got, flags, size = self.unpack("III", self.read(12))
        assert got == request and flags == 5, (got, flags)
        return self.read(size)

    def ask(self, request, payload=b""):
        self.send(request, payload)
        return self.receive(request)

    def ask_u64(self, request):
        return self.unpack("Q", self.ask(request))[0]

    def tell(self, request, payload=b"", fds=()):
        """Sends; if acknowledgements are negotiated, whether it failed."""
        self.send(request, payload, fds, 9 if self.ack else 1)
        if not self.ack:
            return 0
        return self.unpack("Q", self.receive(request))[0]

    def must(self, request, payload=b"", fds=()):
        failed = self.tell(request, payload, fds)
        assert failed == 0, (request, failed)

    def negotiate(self, features=VERSION_1 | EVENT_IDX | INDIRECT |
                  PROTOCOL_FEATURES, protocol=None):
        self.ask_u64(GET_FEATURES)
        offered = self.ask_u64(GET_PROTOCOL_FEATURES)
        protocol = offered if protocol is None else protocol
        self.send(SET_PROTOCOL_FEATURES, self.pack("Q", protocol))
        self.ack = bool(protocol & REPLY_ACK)
        self.must(SET_OWNER)
        self.must(SET_FEATURES, self.pack("Q", features))


class Memory:
    """The guest's: a file of several regions, all in one mapping here."""

    def __init__(self, size=MEMORY):
        self.fd = os.memfd_create("guest")
        os.ftruncate(self.fd, size)
        self.map = mmap.mmap(self.fd, size)
        # A guest's kernel is there long before it starts a ring.
        self.map[size - 1] = 1

    def table(self, front, regions=((GUEST, MEMORY, USER, 0),)):
        return front.pack("II", len(regions), 0) + b"".join(
            front.pack("QQQQ", *region) for region in regions)

    def give(self, front):
        front.must(SET_MEM_TABLE, self.table(front), [self.fd])

    def close(self):
        self.map.close()
        os.close(self.fd)


class Queue:
    """A split virtqueue at OFFSET of the memory; a page for each part."""

    def __init__(self, front, memory, index, num=64, event_idx=True):
        self.front, self.memory, self.index = front, memory, index
        self.num, self.event_idx = num, event_idx
        self.offset = index * 0x10000
        self.buffers = 0x100000 + index * 0x80000
        self.kick = os.eventfd(0, os.EFD_NONBLOCK)
        self.call = os.eventfd(0, os.EFD_NONBLOCK)
        self.err = os.eventfd(0, os.EFD_NONBLOCK)
        self.avail_idx = self.used_idx = 0

    @property
    def map(self):
        return self.memory.map

    def start(self, base=0, enable=True):
        front, at = self.front, USER + self.offset
        state = lambda n: front.pack("II", self.index, n)
        front.must(SET_VRING_NUM, state(self.num))
        front.must(SET_VRING_BASE, state(base))
        front.must(SET_VRING_ADDR, front.pack(
            "IIQQQQ", self.index, 0, at, at + 0x2000, at + 0x1000, 0))
        vector = front.pack("Q", self.index)
        front.must(SET_VRING_ERR, vector, [self.err])
        front.must(SET_VRING_CALL, vector, [self.call])
        front.must(SET_VRING_KICK, vector, [self.kick])
        if enable:
            front.must(SET_VRING_ENABLE, state(1))
        return self

    def clear(self):
        self.map[self.offset:self.offset + 0x3000] = bytes(0x3000)
        self.avail_idx = self.used_idx = 0

    def stop(self):
        reply = self.front.ask(GET_VRING_BASE,
                               self.front.pack("II", self.index, 0))
        index, base = self.front.unpack("II", reply)
        assert index == self.index
        return base

    def desc(self, number, addr, length, flags=0, following=0):
        at = self.offset + number * 16
        self.map[at:at + 16] = struct.pack("<QIHH", addr, length, flags,
                                           following)

    def offer(self, head):
        at = self.offset + 0x1000
        slot = at + 4 + 2 * (self.avail_idx % self.num)
        self.map[slot:slot + 2] = struct.pack("<H", head)
        self.avail_idx = (self.avail_idx + 1) & 0xffff
        self.map[at + 2:at + 4] = struct.pack("<H", self.avail_idx)

    def notify(self):
        os.eventfd_write(self.kick, 1)

    def used(self):
        at = self.offset + 0x2000
        return struct.unpack("<H", self.map[at + 2:at + 4])[0]

    def reap(self):
        """The next used element: its head and length; None without one."""
        until = time.monotonic() + TIMEOUT
        while self.used() == self.used_idx:
            # Ask for an interrupt at the next one, look again, sleep.
            event = self.offset + 0x1000 + 4 + 2 * self.num
            self.map[event:event + 2] = struct.pack("<H", self.used_idx)
            if self.used() != self.used_idx:
                break
            left = until - time.monotonic()
            if left <= 0 or not select.select([self.call], [], [], left)[0]:
                raise AssertionError("no answer from the device")
            os.eventfd_read(self.call)
        at = self.offset + 0x2004 + 8 * (self.used_idx % self.num)
        self.used_idx = (self.used_idx + 1) & 0xffff
        return struct.unpack("<II", self.map[at:at + 8])

    def put(self, request, room=0x10000, slot=0, indirect=False, cut=None):
        """Offers REQUEST with ROOM for the reply in memory of its own."""
        at = self.buffers + slot * 0x20000
        self.map[at:at + len(request)] = request
        parts, begin = [], 0
        for length in cut or [len(request)]:
            parts.append((at + begin, length, 0))
            begin += length
        assert begin == len(request)
        if room:
            parts.append((at + 0x10000, min(room, 16), F_WRITE))
            if room > 16:
                parts.append((at + 0x10010, room - 16, F_WRITE))
        first = slot * 8
        if indirect:
            table = at + 0xf000
            self.desc(first, GUEST + table, 16 * len(parts), F_INDIRECT)
        for i, (where, length, flags) in enumerate(parts):
            if i + 1 < len(parts):
                flags |= F_NEXT
            if indirect:
                self.map[table + 16 * i:table + 16 * i + 16] = struct.pack(
                    "<QIHH", GUEST + where, length, flags, i + 1)
            else:
                self.desc(first + i, GUEST + where, length, flags,
                          first + i + 1)
        self.offer(first)
        return first

    def reply(self, slot, length):
        at = self.buffers + slot * 0x20000 + 0x10000
        return self.map[at:at + length]

    def ask(self, request, **keywords):
        head = self.put(request, **keywords)
        self.notify()
        got, length = self.reap()
        assert got == head, (got, head)
        return self.reply(keywords.get("slot", 0), length)

    def close(self):
        for fd in self.kick, self.call, self.err:
            os.close(fd)


def message(opcode, body=b"", nodeid=1, unique=2):
    return struct.pack("<IIQQIIIHH", 40 + len(body), opcode, unique, nodeid,
                       os.getuid(), os.getgid(), os.getpid(), 0, 0) + body


def parse(reply):
    """The error and the body of a reply."""
    length, error, unique = struct.unpack("<IiQ", reply[:16])
    assert length == len(reply), (length, len(reply))
    assert unique == 2, unique
    return -error, reply[16:]


# What an INIT offers: FUSE_POSIX_LOCKS, FUSE_FLOCK_LOCKS, FUSE_INIT_EXT.
INIT_FLAGS = 1 << 1 | 1 << 10 | 1 << 30


def init(queue, **keywords):
    error, body = parse(queue.ask(message(
        INIT, struct.pack("<IIIII11I", 7, 36, 1 << 17, INIT_FLAGS, 0,
                          *[0] * 11)), **keywords))
    assert error == 0, error
    return body


class Device:
    """A server with a front end that has started two queues and said INIT."""

    def __init__(self, *options, order="=", features=None, program=None,
                 num=64, behind=None):
        # Tests put servers of their own in its place, which know no BEHIND.
        more = {"behind": behind} if behind else {}
        self.server = Server(*options, program=program, **more).start()
        self.front = FrontEnd(self.server.connect(), order)
        self.front.negotiate(**({"features": features} if features else {}))
        self.memory = Memory()
        self.memory.give(self.front)
        event = not features or bool(features & EVENT_IDX)
        self.queues = [Queue(self.front, self.memory, i, num, event).start()
                       for i in range(2)]
        self.high, self.queue = self.queues
        init(self.queue)

    def restart(self):
        """What a guest that reboots does."""
        for queue in self.queues:
            queue.stop()
        for queue in self.queues:
            queue.clear()
            queue.start()
        init(self.queue)

    def close(self):
        for queue in self.queues:
            queue.close()
        self.front.sock.close()
        self.memory.close()
        self.server.close()
