# SPDX-License-Identifier: BSD-2-Clause
"""Many requests at a time, servers with many threads, and how they end."""
import signal
import socket
import threading

import fuse_client as fuse
import libfuse
from fuse_client import ABIS, Client
from libfuse_hostile import CLIENTS, NODE, TRANSPORTS, Helper

BLOCK = 6000
REQUESTS = 40


def block(i):
    return bytes((i * 31 + j) & 0xff for j in range(BLOCK))


def all_at_once(client, requests):
    """{unique: (error, payload)} of requests that are sent without waiting.

    A thread receives, so that neither side waits for the other for ever.
    """
    answers = {}

    def receive():
        while len(answers) < len(requests):
            unique, error, payload = client.receive()
            assert unique not in answers
            answers[unique] = error, payload

    thread = threading.Thread(target=receive)
    thread.start()
    for unique, (opcode, node, body) in requests.items():
        client.transport.send(client.request(opcode, node, body,
                                             unique=unique))
    thread.join()
    assert set(answers) == set(requests)
    return answers


def mixed(client):
    """As many of each kind, for as many blocks of one file."""
    requests, wanted = {}, {}

    def add(opcode, node, body, error, payload):
        unique = 1000 + 2 * len(requests)
        requests[unique] = opcode, node, body
        wanted[unique] = error, payload

    enoent = -client.errno["ENOENT"]
    for i in range(REQUESTS):
        add(fuse.WRITE, NODE, client.write_body(0, i * BLOCK, block(i)), 0,
            client.pack("II", BLOCK, 0))
        add(fuse.LOOKUP, fuse.ROOT, b"nothing\0", enoent, b"")
        add(fuse.READLINK, NODE, b"", 0, b"a target in many pieces")
        add(fuse.NO_SUCH_OPCODE, NODE, b"", -client.errno["ENOSYS"], b"")
        add(fuse.LOOKUP, fuse.ROOT, b"no end", -client.errno["EBADMSG"], b"")
    assert all_at_once(client, requests) == wanted
    requests.clear()
    wanted.clear()
    for i in range(REQUESTS):
        add(fuse.READ, NODE, client.read_body(0, i * BLOCK, BLOCK), 0,
            block(i))
        add(fuse.LOOKUP, fuse.ROOT, b"nothing\0", enoent, b"")
    assert all_at_once(client, requests) == wanted


def long_answers(client):
    """Longer than what the socket takes at once."""
    content = b"".join(block(i) for i in range(REQUESTS))
    requests = {100 + i: (fuse.READ, NODE, client.read_body(0, i, 100000))
                for i in range(REQUESTS)}
    for unique, answer in all_at_once(client, requests).items():
        start = unique - 100
        assert answer == (0, content[start:start + 100000])


def restarts(client):
    """FUSE_INIT among other requests. What is answered is not certain, but
    everything is."""
    requests = {}
    init = client.pack("IIIIII10I", 7, 36, 0, 0, 0,
                       fuse.arch_id(client.abi.name), *[0] * 10)
    for i in range(REQUESTS):
        for opcode, body in ((fuse.LOOKUP, b"nothing\0"), (fuse.DESTROY, b""),
                             (fuse.LOOKUP, b"nothing\0"), (fuse.INIT, init),
                             (fuse.GETATTR, client.pack("IIQ", 0, 0, 0))):
            requests[2 * len(requests) + 10] = opcode, NODE, body
    all_at_once(client, requests)


def many_threads(command, rounds=3, **more):
    for transport_class in TRANSPORTS:
        for abi, how in CLIENTS:
            transport = transport_class()
            if transport_class is fuse.Stream:
                transport.other.setsockopt(socket.SOL_SOCKET,
                                           socket.SO_SNDBUF, 8192)
            with Helper([*command, "-m"], [transport], **more) as server:
                client = Client(transport, ABIS[abi], how)
                client.init()
                for _ in range(rounds):
                    mixed(client)
                    long_answers(client)
                restarts(client)
                transport.sock.close()
                assert server.wait() == 0, server.process.returncode


def threads_that_wait(command, *options, **more):
    """A signal ends threads that wait for requests, or for a slow client."""
    for transport_class in TRANSPORTS:
        for slow in False, True:
            transport = transport_class()
            with libfuse.Server(command, transport, *options,
                                **more) as server:
                client = Client(transport, ABIS["mips64"], "offer")
                client.init()
                flags = client.open_flags("O_CREAT", mode=2)
                node, handle = client.create("file", flags)
                client.write(node, handle, 0, bytes(100000))
                requests = {2 * i + 100: (
                    fuse.READ, node, client.read_body(handle, 0, 100000))
                    for i in range(40)}
                all_at_once(client, requests)
                if slow:
                    overfill(client, requests)
                assert server.end(signal.SIGTERM) == 0
            transport.close()


def overfill(client, requests):
    """Sends until the server's answers, which nobody reads, block it."""
    sock = client.transport.sock
    sock.settimeout(2)
    try:
        for i in range(20):
            for unique, request in requests.items():
                client.transport.send(client.request(
                    *request, unique=unique + 1000 * i))
    except TimeoutError:
        pass
