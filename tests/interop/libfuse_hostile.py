# SPDX-License-Identifier: BSD-2-Clause
"""Clients that do not keep to the rules, and servers that do the unusual."""
import pty
import struct
import tty

import fuse_client as fuse
import libfuse
from fuse_client import ABIS, Client

# Untouched, values, byte order, both
CLIENTS = (("x86_64", "arch_id"), ("mips64el", "arch_id"),
           ("s390x", "arch_id"), ("mips64", "offer"))
TRANSPORTS = (fuse.Packets, fuse.Stream)
EAGAIN, EINTR, ENOMEM = 11, 4, 12  # the same wherever these clients are
NODE, RELEASE_NODE = 7, 77
IOCTL, NOTIFY_REPLY = 39, 41
MAX_CALLS = 65536


def helper(version, folder, *options):
    return libfuse.compile_server(
        version, [libfuse.ROOT / "tests/interop/libfuse-server.c"],
        f"{folder}/libfuse-server", *options)


class Helper(libfuse.Server):
    """libfuse-server, for one transport or more."""

    def __init__(self, command, transports, *options, **more):
        fds = [t.other.fileno() for t in transports]
        self.command = [*command, *options, *map(str, fds)]
        self.process = libfuse.start(self.command, fds, **more)
        for transport in transports:
            transport.other.close()


def ask(client, what):
    return client.lookup(what)[2]


def alive(client):
    client.fails("ENOENT", fuse.LOOKUP, body=b"nothing\0")


def malformed_bodies(client):
    """(opcode, body) of requests whose lengths are not so."""
    yield fuse.LOOKUP, b""
    yield fuse.LOOKUP, b"no end"
    yield fuse.GETATTR, b"\0" * 8
    yield fuse.MKDIR, client.pack("II", 0o755, 0) + b"no end"
    yield fuse.SYMLINK, b"one\0two"
    yield fuse.SYMLINK, b"one\0"
    yield fuse.RENAME, client.pack("Q", 1) + b"one\0two"
    yield fuse.CREATE, client.create_body("name", 0)[:-1]
    yield fuse.SETXATTR, client.pack("II", 9, 0) + b"user.a\0value"
    yield fuse.SETXATTR, client.pack("II", 1, 0) + b"user.a"
    yield fuse.GETXATTR, client.pack("II", 0, 0) + b"user.a"
    yield fuse.WRITE, client.write_body(0, 0, b"data", size=5)
    yield fuse.WRITE, client.write_body(0, 0, b"data", size=0xffffffff)
    yield fuse.WRITE, b"\0" * 39
    yield IOCTL, client.pack("QIIQII", 0, 0, 0, 0, 4, 0) + b"dat"
    yield fuse.READ, b"\0" * 39


def malformed(client):
    for opcode, body in malformed_bodies(client):
        error, _ = client.call_raw(opcode, fuse.ROOT, body)
        assert error == -client.errno["EBADMSG"], (opcode, body, error)
    # no answer, no harm
    for count in (2, 0x10000001, 0xffffffff):
        client.send(fuse.BATCH_FORGET, 0,
                    client.pack("II", count, 0) + client.pack("QQ", NODE, 1))
    client.send(fuse.FORGET, NODE, b"\0" * 7)
    alive(client)


def packets_alone(client):
    """What a stream cannot have."""
    transport = client.transport
    for data in (b"x", b"x" * 39):
        transport.send(data)
    body = b"name\0"
    for length in (40, 44, 46, 0x7fffffff, 0xffffffff):
        error, _ = client.call_raw(fuse.LOOKUP, fuse.ROOT, body, length=length)
        assert error == -client.errno["EBADMSG"], (length, error)
    # longer than any buffer
    error, _ = client.call_raw(fuse.WRITE, NODE, client.write_body(
        0, 0, b"d" * (1200 << 10)))
    assert error == -client.errno["EIO"], error
    alive(client)


def before_init(client):
    """Nothing is told before FUSE_INIT, nor is a broken one taken."""
    if client.abi.order == "<":
        error, _ = client.call_raw(fuse.LOOKUP, body=b"name\0")
        assert error == -client.errno["EIO"], error
    for body in (b"\0" * 15, client.pack("IIII", 0, 36, 0, 0),
                 client.pack("IIII", 7, 0x10000, 0, 0)):
        error, _ = client.call_raw(fuse.INIT, 0, body)
        assert error in (-74, -77), error
    # another major number: the server tells its own, and it starts again
    _, payload = client.call_raw(fuse.INIT, 0, client.pack(
        "IIII", 8, 0, 0, 0) + b"\0" * 48)
    assert client.unpack("I", payload) == (7,)


def second_init(client):
    """Neither its own nor one of the other byte order changes anything."""
    for order in "<>":
        body = struct.pack(order + "IIIIII10I", 7, 36, 0, 0, 0, 0, *[0] * 10)
        client.transport.send(struct.pack(
            order + "IIQQIIIHH", 40 + len(body), fuse.INIT, 999, 0, 0, 0, 0, 0,
            0) + body)
        reply = client.transport.receive(order)
        assert struct.unpack(order + "IiQ", reply) == (16, -5, 999), reply
    alive(client)


def same_unique(client):
    """Two requests of one number are two requests, each answered by it."""
    client.send(fuse.LOOKUP, fuse.ROOT, b"hold\0", unique=600)
    error, _ = client.call_raw(fuse.LOOKUP, fuse.ROOT, b"other\0", unique=600)
    assert error == -client.errno["ENOENT"], error
    client.send(fuse.FORGET, RELEASE_NODE, client.pack("Q", 1))
    assert client.receive()[:2] == (600, -client.errno["ENOENT"])
    error, _ = client.call_raw(fuse.LOOKUP, fuse.ROOT, b"other\0", unique=600)
    assert error == -client.errno["ENOENT"], error


def interrupts(client):
    client.send(fuse.LOOKUP, fuse.ROOT, b"hold\0", unique=700)
    client.send(fuse.INTERRUPT, 0, client.pack("Q", 700), unique=701)
    assert client.receive()[:2] == (700, -EINTR)
    # Of two of one number the latest is meant.
    for _ in range(2):
        client.send(fuse.LOOKUP, fuse.ROOT, b"hold\0", unique=704)
    for _ in range(2):
        client.send(fuse.INTERRUPT, 0, client.pack("Q", 704), unique=705)
        assert client.receive()[:2] == (704, -EINTR)
    # Of what is not there, not yet or no longer: to be tried again.
    for i in range(0, 600, 2):
        client.send(fuse.INTERRUPT, 0, client.pack("Q", 5000 + i),
                    unique=5001 + i)
        assert client.receive()[:2] == (5001 + i, -EAGAIN)
    alive(client)


def left_waiting(client):
    """Requests that the server never answers, when the client goes."""
    for i in range(100):
        client.send(fuse.LOOKUP, fuse.ROOT, b"hold\0", unique=9000 + i)


def extended_xattrs(command, version):
    """A longer struct, where both sides agree on it."""
    for abi, asked in (("s390x", False), ("s390x", True), ("x86_64", False),
                       ("x86_64", True)):
        agreed = asked and version.version() >= "3.17"
        transport = fuse.Packets()
        with Helper(command, [transport]) as server:
            client = Client(transport, ABIS[abi], "offer")
            client.init(flags=fuse.SETXATTR_EXT if asked else 0)
            extra = b"\0" * 8 if agreed else b""
            for value, size, wanted in ((b"val", 3, 3), (b"value", 5, 5),
                                        (b"value", 6, 74), (b"", 1, 74)):
                error, _ = client.call_raw(
                    fuse.SETXATTR, NODE, client.pack("II", size, 0) + extra +
                    b"user.a\0" + value)
                assert error == -wanted, (agreed, value, size, error)
            transport.sock.close()
            assert server.wait() == 0, server.process.returncode


class Terminal(fuse.Stream):
    """A stream that is no socket, as a serial port is."""

    def __init__(self):
        master, slave = pty.openpty()
        tty.setraw(slave)
        self.master = open(master, "r+b", buffering=0)
        self.other = open(slave, "r+b", buffering=0)

    def send(self, data):
        while data:
            data = data[self.master.write(data):]

    def exactly(self, length):
        data = b""
        while len(data) < length:
            data += self.master.read(length - len(data))
        return data


def terminal(command):
    transport = Terminal()
    with Helper(command, [transport]) as server:
        client = Client(transport, ABIS["mips64"], "offer")
        client.init()
        content = bytes(range(256)) * 8
        assert client.write(NODE, 0, 0, content) == len(content)
        assert client.read(NODE, 0, 0, len(content)) == content
        alive(client)
        malformed(client)
        server.process.kill()


def bounded(client):
    """The last one that fits, and the first that does not."""
    transport = client.transport
    for i in range(MAX_CALLS):
        transport.send(client.request(fuse.LOOKUP, fuse.ROOT, b"hold\0",
                                      unique=1 << 20 | i))
    error, _ = client.call_raw(fuse.LOOKUP, fuse.ROOT, b"hold\0")
    assert error == -ENOMEM, error
    client.send(fuse.FORGET, RELEASE_NODE, client.pack("Q", 1))
    seen = {client.receive()[:2] for _ in range(MAX_CALLS)}
    wanted = -client.errno["ENOENT"]
    assert seen == {(1 << 20 | i, wanted) for i in range(MAX_CALLS)}
    alive(client)


def wrong_replies(client):
    """What is too short is EIO, for a client of this machine's kind as well."""
    error, payload = client.call_raw(fuse.LOOKUP, body=b"short\0")
    assert (error, payload) == (-client.errno["EIO"], b""), error
    alive(client)


def notifications(client):
    client.notifications.clear()
    client.fails("ENOENT", fuse.LOOKUP, body=b"notify\0")
    codes = [code for code, _ in client.notifications]
    assert codes == [2, 3, 4, 5], codes
    inode, entry, store, retrieve = [d for _, d in client.notifications]
    assert client.unpack("Qqq", inode) == (NODE, 3, 4)
    assert client.unpack("QI", entry) == (NODE, 5) and b"entry\0" in entry
    assert client.unpack("QQI", store)[:3] == (NODE, 9, 5)
    assert store.endswith(b"store")
    unique, node, offset, size = client.unpack("QQQI", retrieve)
    assert (node, offset, size) == (NODE, 6, 8)
    client.transport.send(client.request(
        NOTIFY_REPLY, NODE, client.pack("QQIIQQ", 0, 6, 8, 0, 0, 0) +
        b"8 bytes.", unique=unique))
    assert ask(client, "retrieved") == 8


def data(client):
    assert ask(client, "splice") == 0
    content = bytes(i * 13 & 0xff for i in range(100000))
    assert client.write(NODE, 0, 77, content) == len(content)
    assert client.read(NODE, 0, 77, len(content)) == content
    assert client.read(NODE, 0, 177, 70000) == content[100:70100]
    assert client.call(fuse.READLINK, NODE) == b"a target in many pieces"


def unique_zero(client):
    """Some clients count from 0. It is not taken for a notification."""
    transport = client.transport
    transport.send(client.request(fuse.LOOKUP, fuse.ROOT, b"nothing\0",
                                  unique=0))
    reply = transport.receive(client.abi.order)
    assert client.unpack("IiQ", reply) == (16, -client.errno["ENOENT"], 0)


def end_of_stream(command, client_class):
    """A length that makes no sense is the end of a stream."""
    for length in (0, 39, 0x80000000, 0xffffffff):
        transport = fuse.Stream()
        with Helper(command, [transport]) as server:
            client = client_class(transport)
            client.init()
            client.send(fuse.LOOKUP, fuse.ROOT, b"name\0", length=length)
            assert ended(client)
            assert server.wait() == 0


def cut_off(command, client_class):
    """A connection that ends within a message."""
    for part in (1, 39, 40, 44):
        transport = fuse.Stream()
        with Helper(command, [transport]) as server:
            client = client_class(transport)
            client.init()
            transport.send(client.request(fuse.LOOKUP, fuse.ROOT,
                                          b"name\0")[:part])
            transport.sock.close()
            assert server.wait() == 0


def gone(command):
    """A client that leaves while it is being answered."""
    for transport_class in TRANSPORTS:
        transport = transport_class()
        with Helper(command, [transport]) as server:
            client = Client(transport, ABIS["mips64"], "offer")
            client.init()
            for i in range(50):
                client.send(fuse.READ, NODE, client.read_body(0, 0, 100000))
            transport.sock.close()
            # An error of its writing, or the end: no signal in any case.
            assert server.wait() >= 0, server.process.returncode


def byte_by_byte(client):
    """A stream may bring a message in any pieces."""
    for byte in client.request(fuse.LOOKUP, fuse.ROOT, b"nothing\0",
                               unique=900):
        client.transport.send(bytes([byte]))
    assert client.receive()[:2] == (900, -client.errno["ENOENT"])
    several = b"".join(client.request(fuse.LOOKUP, fuse.ROOT, b"nothing\0",
                                      unique=1000 + i) for i in range(50))
    client.transport.send(several)
    for i in range(50):
        assert client.receive()[0] == 1000 + i


def ended(client):
    try:
        client.receive()
    except fuse.Closed:
        return True
    return False


def several_sessions(command):
    """As many as fit, each with a client of its own; one more is refused."""
    kinds = [CLIENTS[i % len(CLIENTS)] for i in range(16)]
    transports = [TRANSPORTS[i % 2]() for i in range(16)]
    fds = [t.other.fileno() for t in transports]
    with Helper(command, transports) as server:
        clients = [Client(t, ABIS[abi], how)
                   for t, (abi, how) in zip(transports, kinds)]
        for client in clients:
            client.init()
        for client, fd in zip(clients, fds):
            assert ask(client, "fd") == fd
            data(client)
        for transport in transports:
            transport.sock.close()
        assert server.wait() == 0
    transports = [fuse.Packets() for _ in range(17)]
    with Helper(command, transports) as server:
        assert server.wait() == 3


def run_client(command, transport_class, abi, how, options=()):
    transport = transport_class()
    with Helper(command, [transport], *options) as server:
        client = Client(transport, ABIS[abi], how)
        before_init(client)
        client.init()
        alive(client)
        malformed(client)
        if transport_class is fuse.Packets:
            packets_alone(client)
        else:
            byte_by_byte(client)
        second_init(client)
        same_unique(client)
        unique_zero(client)
        wrong_replies(client)
        notifications(client)
        data(client)
        interrupts(client)
        left_waiting(client)
        transport.sock.close()
        assert server.wait() == 0, server.process.returncode


def run(command, version):
    for transport in TRANSPORTS:
        for abi, how in CLIENTS:
            print(transport.__name__, abi, how, flush=True)
            run_client(command, transport, abi, how)
    print("ends", flush=True)
    for abi, how in CLIENTS[1:3]:
        end_of_stream(command, lambda t, a=abi, h=how: Client(t, ABIS[a], h))
        cut_off(command, lambda t, a=abi, h=how: Client(t, ABIS[a], h))
    gone(command)
    extended_xattrs(command, version)
    terminal(command)
    print("sessions", flush=True)
    several_sessions(command)
