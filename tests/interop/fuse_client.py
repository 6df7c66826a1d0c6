# SPDX-License-Identifier: BSD-2-Clause
"""A FUSE client that plays a kernel of any architecture, in plain Python.

It knows docs/protocol.md and linux/fuse.h, and nothing of the programs under
test.
"""
import socket
import struct

TIMEOUT = 120

LOOKUP, FORGET, GETATTR, READLINK, SYMLINK, MKDIR = 1, 2, 3, 5, 6, 9
UNLINK, RMDIR, RENAME, OPEN, READ, WRITE, STATFS = 10, 11, 12, 14, 15, 16, 17
RELEASE, SETXATTR, GETXATTR, LISTXATTR, FLUSH, INIT = 18, 21, 22, 23, 25, 26
OPENDIR, READDIR, RELEASEDIR, CREATE, INTERRUPT = 27, 28, 29, 35, 36
DESTROY, BATCH_FORGET, READDIRPLUS, LSEEK = 38, 42, 44, 46
NO_SUCH_OPCODE = 99

INIT_EXT, MAX_PAGES, BIG_WRITES, READDIRPLUS_FLAG = (1 << 30, 1 << 22, 1 << 5,
                                                     1 << 13)
SETXATTR_EXT = 1 << 29
ROOT = 1

# asm-generic, asm-arm64, asm-mips: fcntl.h and errno.h
GENERIC_FLAGS = dict(O_CREAT=0x40, O_EXCL=0x80, O_TRUNC=0x200, O_APPEND=0x400,
                     O_NONBLOCK=0x800, O_DIRECT=0x4000, O_LARGEFILE=0x8000,
                     O_DIRECTORY=0x10000, O_NOFOLLOW=0x20000,
                     O_NOATIME=0x40000)
ARM_FLAGS = dict(GENERIC_FLAGS, O_DIRECTORY=0x4000, O_NOFOLLOW=0x8000,
                 O_DIRECT=0x10000, O_LARGEFILE=0x20000)
MIPS_FLAGS = dict(O_CREAT=0x100, O_EXCL=0x400, O_TRUNC=0x200, O_APPEND=0x8,
                  O_NONBLOCK=0x80, O_DIRECT=0x8000, O_LARGEFILE=0x2000,
                  O_DIRECTORY=0x10000, O_NOFOLLOW=0x20000, O_NOATIME=0x40000)
GENERIC_ERRNO = dict(ENOENT=2, EIO=5, EBADF=9, EEXIST=17, ENOTDIR=20,
                     EISDIR=21, EINVAL=22, EFBIG=27, ENAMETOOLONG=36,
                     ENOSYS=38, ENOTEMPTY=39, ENODATA=61, EBADMSG=74)
MIPS_ERRNO = dict(GENERIC_ERRNO, ENAMETOOLONG=78, ENOSYS=89, ENOTEMPTY=93,
                  EBADMSG=77)


class Abi:
    def __init__(self, name, order, flags, errno):
        self.name, self.order = name, order
        self.flags, self.errno = flags, errno


ABIS = {abi.name: abi for abi in (
    Abi("x86_64", "<", GENERIC_FLAGS, GENERIC_ERRNO),
    Abi("aarch64", "<", ARM_FLAGS, GENERIC_ERRNO),
    Abi("s390x", ">", GENERIC_FLAGS, GENERIC_ERRNO),
    Abi("mips64", ">", MIPS_FLAGS, MIPS_ERRNO),
    Abi("mips64el", "<", MIPS_FLAGS, MIPS_ERRNO),
)}


class Closed(Exception):
    """The server has closed the connection."""


class Failed(Exception):
    """The server's error, by name and as it was on the wire."""

    def __init__(self, name, number):
        super().__init__(f"{name} ({number})")
        self.name, self.number = name, number


def arch_id(name):
    value = 0x811c9dc5
    for byte in name.encode():
        value = (value ^ byte) * 0x01000193 & 0xffffffff
    return value or 1


class Packets:
    """A socket that keeps messages whole."""

    kind = socket.SOCK_SEQPACKET

    def __init__(self):
        self.sock, self.other = socket.socketpair(socket.AF_UNIX, self.kind)
        self.sock.settimeout(TIMEOUT)
        for end in (self.sock, self.other):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)

    def send(self, data):
        self.sock.send(data)

    def receive(self, _order):
        try:
            data = self.sock.recv(2 << 20)
        except ConnectionResetError:
            data = b""
        if not data:
            raise Closed
        return data

    def close(self):
        self.sock.close()
        self.other.close()


class Stream(Packets):
    """One that does not."""

    kind = socket.SOCK_STREAM

    def send(self, data):
        self.sock.sendall(data)

    def exactly(self, length):
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

    def receive(self, order):
        head = self.exactly(4)
        length, = struct.unpack(order + "I", head)
        assert 16 <= length <= 2 << 20, length
        return head + self.exactly(length - 4)


class Client:
    """HOW: "offer", "arch_id" (alone) or "legacy" (neither)."""

    def __init__(self, transport, abi, how="offer"):
        self.transport, self.abi, self.how = transport, abi, how
        self.unique = 0
        self.canonical = False
        self.answered = None
        self.flags, self.errno = abi.flags, abi.errno
        self.notifications = []

    # Messages

    def pack(self, form, *values):
        return struct.pack(self.abi.order + form, *values)

    def unpack(self, form, data, at=0):
        return struct.unpack_from(self.abi.order + form, data, at)

    def request(self, opcode, node, body, *, unique=None, length=None):
        """The bytes of a request. LENGTH: what the header says of it."""
        if unique is None:
            self.unique += 2
            unique = self.unique
        if length is None:
            length = 40 + len(body)
        return self.pack("IIQQIIIHH", length, opcode, unique, node, 0, 0, 1,
                         0, 0) + body

    def send(self, *args, **more):
        self.transport.send(self.request(*args, **more))
        return more.get("unique", self.unique)

    def receive(self):
        """(unique, error, payload) of the next reply."""
        while True:
            data = self.transport.receive(self.abi.order)
            length, error, unique = self.unpack("IiQ", data)
            assert length == len(data), (length, len(data))
            if unique:
                return unique, error, data[16:]
            self.notifications.append((error, data[16:]))

    def call_raw(self, opcode, node=ROOT, body=b"", **more):
        unique = self.send(opcode, node, body, **more)
        got, error, payload = self.receive()
        assert got == unique, (got, unique)
        assert -4096 < error <= 0, error
        return error, payload

    def call(self, opcode, node=ROOT, body=b"", **more):
        error, payload = self.call_raw(opcode, node, body, **more)
        if error:
            names = [n for n, v in self.errno.items() if v == -error]
            raise Failed(names[0] if names else "?", -error)
        return payload

    def fails(self, name, *args, **more):
        """The call fails with this error, in this client's numbers."""
        try:
            self.call(*args, **more)
        except Failed as e:
            assert e.number == self.errno[name], (str(e), "not", name)
        else:
            raise AssertionError("no error, wanted " + name)

    def open_flags(self, *names, mode=0):
        return mode | sum(self.flags[n] for n in names)

    # Operations

    def init(self, minor=36, flags=BIG_WRITES | MAX_PAGES | READDIRPLUS_FLAG):
        bit = 40 if minor <= 40 else 62
        flags |= INIT_EXT
        if self.how == "offer":
            flags |= 1 << bit
        arch = 0 if self.how == "legacy" else arch_id(self.abi.name)
        body = self.pack("IIIIII10I", 7, minor, 1 << 20, flags & 0xffffffff,
                         flags >> 32, arch, *[0] * 10)
        out = self.call(INIT, 0, body)
        major, minor_out, _, low = self.unpack("IIII", out)
        assert (major, len(out)) == (7, 64), (major, len(out))
        self.max_write, = self.unpack("I", out, 20)
        high, = self.unpack("I", out, 32)
        got = low | (high << 32 if low & INIT_EXT else 0)
        self.answered = bool(got >> bit & 1)
        assert self.how == "offer" or not self.answered
        if self.answered:
            self.flags, self.errno = GENERIC_FLAGS, GENERIC_ERRNO
        return minor_out

    def entry(self, payload):
        node, = self.unpack("Q", payload)
        size, = self.unpack("Q", payload, 40 + 8)
        mode, = self.unpack("I", payload, 40 + 60)
        return node, mode, size

    def lookup(self, name, parent=ROOT):
        return self.entry(self.call(LOOKUP, parent, name.encode() + b"\0"))

    def getattr(self, node):
        payload = self.call(GETATTR, node, self.pack("IIQ", 0, 0, 0))
        return (*self.unpack("I", payload, 16 + 60),
                *self.unpack("Q", payload, 16 + 8))

    def create_body(self, name, flags, mode=0o100644):
        return self.pack("IIII", flags, mode, 0o022, 0) + name.encode() + b"\0"

    def create(self, name, flags, parent=ROOT):
        payload = self.call(CREATE, parent, self.create_body(name, flags))
        assert len(payload) == 128 + 16
        return self.entry(payload)[0], *self.unpack("Q", payload, 128)

    def mkdir(self, name, parent=ROOT):
        return self.entry(self.call(
            MKDIR, parent, self.pack("II", 0o755, 0) + name.encode() + b"\0"))

    def open(self, node, flags, opcode=OPEN):
        return self.unpack("Q", self.call(opcode, node,
                                          self.pack("II", flags, 0)))[0]

    def release(self, node, handle, opcode=RELEASE):
        self.call(opcode, node, self.pack("QIIQ", handle, 0, 0, 0))

    def write_body(self, handle, offset, data, size=None):
        return self.pack("QQIIQII", handle, offset,
                         len(data) if size is None else size, 0, 0, 1,
                         0) + data

    def write(self, node, handle, offset, data):
        payload = self.call(WRITE, node, self.write_body(handle, offset, data))
        return self.unpack("I", payload)[0]

    def read_body(self, handle, offset, size):
        return self.pack("QQIIQII", handle, offset, size, 0, 0, 0, 0)

    def read(self, node, handle, offset, size):
        return self.call(READ, node, self.read_body(handle, offset, size))

    def forget(self, node, count=1):
        self.send(FORGET, node, self.pack("Q", count))

    def listing(self, node=ROOT, plus=False):
        """{name: type} of a directory."""
        # as opendir(3) does
        handle = self.open(node, self.open_flags("O_DIRECTORY", "O_NONBLOCK",
                                                 "O_LARGEFILE"),
                           OPENDIR)
        found, offset = {}, 0
        while True:
            payload = self.call(READDIRPLUS if plus else READDIR, node,
                                self.read_body(handle, offset, 4096))
            if not payload:
                break
            at = 0
            while at < len(payload):
                if plus:
                    at += 128
                _, offset, length, kind = self.unpack("QQII", payload, at)
                name = payload[at + 24:at + 24 + length]
                assert len(name) == length
                found[name.decode()] = kind
                at += 24 + (length + 7 & ~7)
        self.release(node, handle, RELEASEDIR)
        return found

    def destroy(self):
        self.call(DESTROY, 0)
