# SPDX-License-Identifier: BSD-2-Clause
"""vhost-user messages of a hostile monitor: half valid. Any request with any
payload, regions that are not there or lie above each other, rings outside of
them, indices that jump, descriptors that are not what they should be, queues
that start and stop at any time, memory files that shrink."""
import mmap
import os
import select
import socket
import struct

import virtio as v

KNOWN = [*range(1, 45)]
# Those that must be answered and that a virtio-fs device has no answer to:
# they end the connection, so they come seldom.
LAST = {6, 24, 26, 28, 29, 30, 31, 32, 40, 41, 42, 43, 44}
USUAL = [request for request in KNOWN if request not in LAST]
PAGE = 4096


def odd_descriptors(root):
    """Descriptors of many kinds, of which few are what anybody wants."""
    fds = [os.eventfd(0, os.EFD_NONBLOCK), os.eventfd(0),
           os.eventfd(1, os.EFD_SEMAPHORE)]
    full = os.eventfd(0)
    os.eventfd_write(full, (1 << 64) - 2)
    fds.append(full)
    read, write = os.pipe()
    os.set_blocking(write, False)
    try:
        while True:
            os.write(write, bytes(PAGE))
    except BlockingIOError:
        pass
    os.set_blocking(write, True)
    fds += [read, write]
    for path, flags in (("/dev/null", os.O_RDWR), ("/dev/zero", os.O_RDWR),
                        ("/dev/full", os.O_WRONLY), (root, os.O_RDONLY),
                        (root, os.O_PATH), ("/proc/self/status", os.O_RDONLY),
                        (__file__, os.O_RDONLY)):
        fds.append(os.open(path, flags))
    one, other = socket.socketpair()
    poller = select.epoll()
    fds += [one.detach(), other.detach(), os.pidfd_open(os.getpid()),
            os.dup(poller.fileno())]
    poller.close()
    return fds


class Messages:
    def __init__(self, draw, front):
        self.draw, self.front = draw, front
        self.sent = 0
        self.fds = odd_descriptors("/")
        self.memory = []
        for size in 1 << 20, 1 << 20, PAGE, 100, 0:
            fd = os.memfd_create("hostile", os.MFD_ALLOW_SEALING)
            os.ftruncate(fd, size)
            self.memory.append(fd)
        self.map = mmap.mmap(self.memory[0], 1 << 20)

    def close(self):
        self.map.close()
        for fd in self.fds + self.memory:
            os.close(fd)

    def fd(self, memory):
        """One of the right kind as a rule."""
        if self.draw.random() < 0.1:
            return self.draw.choice(self.fds + self.memory)
        if memory:
            return self.draw.choice(self.memory[:2])
        return self.draw.choice(self.fds[:2])

    def address(self):
        draw = self.draw
        if draw.random() < 0.85:
            return v.USER + draw.randrange(0, 1 << 20, 16)
        return draw.choice((0, v.USER - 8, v.USER + (1 << 20) - 16,
                            (1 << 64) - 16, draw.getrandbits(64)))

    def region(self):
        """Of the same few places, so that they meet."""
        draw = self.draw
        if draw.random() < 0.15:
            return [draw.choice((0, 1, PAGE, 1 << 62, draw.getrandbits(64),
                                 (1 << 64) - PAGE)) for _ in range(4)]
        at = draw.choice((0, 0, 1 << 20, 2 << 20, 1 << 19))
        return [v.GUEST + at, draw.choice((1 << 20, 1 << 20, PAGE)),
                v.USER + at, 0]

    def queue(self):
        draw = self.draw
        return draw.randrange(3) if draw.random() < 0.95 else \
            draw.choice((64, 65, 255, 256, 0xffffffff))

    def payload(self, request):
        """The payload and what descriptors come with it."""
        draw, pack = self.draw, self.front.pack
        if request == v.SET_MEM_TABLE:
            count = draw.randrange(4)
            fds = [self.fd(True) for _ in range(count)]
            if draw.random() < 0.05:
                count = draw.getrandbits(32)
            return pack("II", count, 0) + b"".join(
                pack("QQQQ", *self.region()) for _ in fds), fds
        if request in (v.ADD_MEM_REG, v.REM_MEM_REG):
            return pack("QQQQQ", 0, *self.region()), \
                [self.fd(True)] if request == v.ADD_MEM_REG else []
        if request in (v.SET_VRING_KICK, v.SET_VRING_CALL, v.SET_VRING_ERR):
            none = draw.random() < 0.1
            return pack("Q", self.queue() | 0x100 * none), \
                [] if none else [self.fd(False)]
        if request == v.SET_VRING_ADDR:
            return pack("IIQQQQ", self.queue(), draw.choice((0, 0, 1)),
                        self.address(), self.address(), self.address(),
                        self.address()), []
        if request in (v.SET_VRING_NUM, v.SET_VRING_BASE, v.GET_VRING_BASE,
                       v.SET_VRING_ENABLE):
            return pack("II", self.queue(), draw.choice(
                (0, 1, 1, 64, 256, 1024, 32768, 65536,
                 draw.getrandbits(32)))), []
        if request in (v.SET_FEATURES, v.SET_PROTOCOL_FEATURES):
            return pack("Q", draw.choice(
                (v.VERSION_1 | v.PROTOCOL_FEATURES | v.EVENT_IDX | v.INDIRECT,
                 v.MQ | v.REPLY_ACK | v.RESET | v.MEM_SLOTS,
                 draw.getrandbits(64)))), []
        if request in (v.GET_CONFIG, v.SET_CONFIG):
            size = draw.randrange(300)
            return pack("III", draw.getrandbits(9), size, 0) + bytes(size), []
        if request == v.SET_BACKEND_REQ_FD:
            return b"", [self.fd(False)]
        return draw.randbytes(draw.choice((0, 0, 8, 40))), []

    def drain(self):
        """Answers are thrown away; the end of the connection is not."""
        while select.select([self.front.sock], [], [], 0)[0]:
            if not self.front.sock.recv(1 << 16):
                raise v.Closed

    def random_message(self):
        draw = self.draw
        lot = draw.random()
        request = draw.choice(USUAL if lot < 0.985 else KNOWN) \
            if lot < 0.995 else draw.getrandbits(draw.choice((6, 16, 16, 32)))
        payload, fds = self.payload(request)
        lot = draw.random()
        if lot < 0.01:
            payload = payload[:draw.randrange(len(payload) + 1)]
        elif lot < 0.02:
            payload += draw.randbytes(draw.randrange(64))
        if draw.random() < 0.03:
            fds = [draw.choice(self.fds) for _ in range(draw.randrange(9))]
        flags = 1 if draw.random() < 0.5 else 9
        if draw.random() < 0.002:
            flags = draw.getrandbits(32)
        self.send(request, payload, fds, flags)

    def send(self, request, payload, fds=(), flags=1):
        self.sent += 1
        self.front.send(request, payload, fds, flags)
        self.drain()

    def start(self):
        """A device that is set up well, so that there is more to break."""
        pack = self.front.pack
        self.send(v.SET_PROTOCOL_FEATURES, pack(
            "Q", v.MQ | v.REPLY_ACK | v.RESET | v.MEM_SLOTS | v.BACKEND_REQ))
        self.send(v.SET_FEATURES, pack(
            "Q", v.VERSION_1 | v.PROTOCOL_FEATURES | v.EVENT_IDX |
            v.INDIRECT))
        self.send(v.SET_MEM_TABLE, pack("IIQQQQ", 1, 0, v.GUEST, 1 << 20,
                                        v.USER, 0), [self.memory[0]])
        for i in range(2):
            at = v.USER + i * 0x10000
            self.send(v.SET_VRING_NUM, pack("II", i, 64))
            self.send(v.SET_VRING_BASE, pack("II", i, 0))
            self.send(v.SET_VRING_ADDR, pack("IIQQQQ", i, 0, at, at + 0x2000,
                                             at + 0x1000, 0))
            self.send(v.SET_VRING_CALL, pack("Q", i), [self.fd(False)])
            self.send(v.SET_VRING_KICK, pack("Q", i), [self.fds[0]])
            self.send(v.SET_VRING_ENABLE, pack("II", i, 1))

    def scribble(self):
        """In the rings and the requests, while they are looked at."""
        draw = self.draw
        request = struct.pack("<IIQQIIIHH", 56, 3, 2, 1, 0, 0, 0, 0, 0)
        self.map[0x80000:0x80000 + 56] = request + bytes(16)
        for i in range(2):
            at = i * 0x10000
            for number in range(8):
                self.map[at + 16 * number:at + 16 * number + 16] = \
                    struct.pack("<QIHH", v.GUEST + 0x80000 +
                                draw.choice((0, 0, 4096)),
                                draw.choice((56, 56, 120, 1 << 31)),
                                draw.randrange(4), draw.randrange(9))
            index = draw.getrandbits(16) if draw.random() < 0.3 else \
                draw.randrange(64)
            self.map[at + 0x1002:at + 0x1004] = struct.pack("<H", index)
        os.eventfd_write(self.fds[0], 1)

    def run(self, count):
        if self.draw.random() < 0.9:
            self.start()
        for _ in range(count):
            self.random_message()
            if self.draw.random() < 0.2:
                self.scribble()
            if self.draw.random() < 0.002:
                os.ftruncate(self.memory[1], 0)
