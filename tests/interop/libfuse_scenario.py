# SPDX-License-Identifier: BSD-2-Clause
"""What clients of several architectures see of two real libfuse servers."""
import os
import pathlib
import stat
import tempfile

import fuse_client as fuse
import libfuse
from fuse_client import ABIS, Client

TRANSPORTS = (fuse.Packets, fuse.Stream)
CLIENTS = (("aarch64", "offer"), ("aarch64", "arch_id"),
           ("aarch64", "legacy"), ("s390x", "offer"), ("s390x", "arch_id"),
           ("s390x", "legacy"), ("mips64", "offer"), ("mips64", "arch_id"),
           ("mips64", "legacy"), ("mips64el", "legacy"),
           ("x86_64", "offer"), ("x86_64", "legacy"))
BIG = bytes(i * 7 & 0xff for i in range(300000))


def start(transport, abi, how, minor=36):
    client = Client(transport, ABIS[abi], how)
    client.init(minor)
    # An architecture with this machine's own values is not answered.
    assert client.answered == (how == "offer" and
                               abi != os.uname().machine), client.answered
    return client


def let_it_be_known(client):
    """A legacy client has to be seen opening directories and files."""
    for _ in range(4):
        client.listing()
        node = client.lookup("seen")[0]
        handle = client.open(node, client.open_flags("O_LARGEFILE"))
        client.release(node, handle)


def errors(client):
    """Numbers that differ between architectures, and some that do not."""
    client.fails("ENOENT", fuse.LOOKUP, body=b"nothing\0")
    client.fails("ENOSYS", fuse.NO_SUCH_OPCODE)
    directory = client.mkdir("full")[0]
    client.release(*client.create("file", client.open_flags(
        "O_CREAT", "O_LARGEFILE", mode=1), directory))
    client.fails("ENOTEMPTY", fuse.RMDIR, body=b"full\0")
    client.call(fuse.UNLINK, directory, b"file\0")
    client.call(fuse.RMDIR, body=b"full\0")
    flags = client.open_flags("O_CREAT", "O_EXCL", "O_LARGEFILE", mode=2)
    client.fails("ENAMETOOLONG", fuse.CREATE,
                 body=client.create_body("n" * 300, flags))


def files(client):
    """Creates, writes, reads; returns (node, handle) of an open file."""
    flags = client.open_flags("O_CREAT", "O_EXCL", "O_LARGEFILE", mode=2)
    node, handle = client.create("made", flags)
    client.fails("EEXIST", fuse.CREATE, body=client.create_body("made", flags))
    done = 0
    while done < len(BIG):
        part = BIG[done:done + min(client.max_write, 128 << 10)]
        assert client.write(node, handle, done, part) == len(part)
        done += len(part)
    back = b""
    while len(back) < len(BIG):
        part = client.read(node, handle, len(back), 100000)
        assert part
        back += part
    assert back == BIG
    assert client.read(node, handle, len(BIG), 4096) == b""
    mode, size = client.getattr(node)
    assert (stat.S_IFMT(mode), size) == (stat.S_IFREG, len(BIG)), (mode, size)
    # O_APPEND on one machine is O_EXCL or O_TRUNC on another.
    other = client.open(node, client.open_flags("O_APPEND", "O_LARGEFILE",
                                                mode=1))
    assert client.getattr(node)[1] == len(BIG)
    client.release(node, other)
    other = client.open(node, client.open_flags("O_TRUNC", "O_LARGEFILE",
                                                mode=1))
    assert client.getattr(node)[1] == 0
    client.release(node, other)
    return node, handle


def lists(client):
    for i in range(200):
        client.release(*client.create(f"entry-{i}", client.open_flags(
            "O_CREAT", "O_LARGEFILE", mode=1)))
    names = {f"entry-{i}" for i in range(200)} | {"seen"}
    found = client.listing()
    assert names <= set(found), names - set(found)
    assert all(found[n] == stat.S_IFREG >> 12 for n in names)
    for name in names:
        client.call(fuse.UNLINK, body=name.encode() + b"\0")
    assert not names & set(client.listing())


def memory(command, transport_class, abi, how):
    transport = transport_class()
    with libfuse.Server(command, transport) as server:
        client = start(transport, abi, how)
        client.release(*client.create("seen", client.open_flags(
            "O_CREAT", "O_LARGEFILE", mode=1)))
        let_it_be_known(client)
        errors(client)
        client.fails("ENOSYS", fuse.GETXATTR,
                     body=client.pack("II", 0, 0) + b"user.a\0")
        node, handle = files(client)
        # An aarch64 O_DIRECT is elsewhere an O_DIRECTORY.
        client.release(node, client.open(node, client.open_flags(
            "O_DIRECT", "O_LARGEFILE", mode=2)))
        client.release(node, handle)
        client.forget(node)
        client.call(fuse.UNLINK, body=b"made\0")
        lists(client)
        # The end of the connection is the end of the server.
        transport.sock.close()
        assert server.wait() == 0, server.process.returncode


def flags_of(server, path):
    """O_* of all descriptors that the server has open on a file."""
    folder = pathlib.Path(f"/proc/{server.process.pid}")
    found = []
    for entry in (folder / "fd").iterdir():
        try:
            if os.readlink(entry) != str(path):
                continue
            text = (folder / "fdinfo" / entry.name).read_text("ascii")
        except FileNotFoundError:
            continue
        found.append(int(text.split("flags:")[1].split()[0], 8))
    return [f for f in found if not f & os.O_PATH]


def host_flags(server, client, node, path, names):
    handle = client.open(node, client.open_flags(*names, mode=2))
    found = flags_of(server, path)
    assert len(found) == 1, found
    wanted = os.O_RDWR
    for name in names:
        wanted |= getattr(os, name) or 0o100000
    # a 64-bit kernel adds O_LARGEFILE to all; O_CLOEXEC shows too
    mask = ~(0o100000 | os.O_CLOEXEC)
    assert found[0] & mask == wanted & mask, (names, oct(found[0]))
    client.release(node, handle)


def direct_io(folder):
    try:
        os.close(os.open(folder / "seen", os.O_RDONLY | os.O_DIRECT))
    except OSError:
        return False
    return True


def has_xattrs(path):
    try:
        os.setxattr(path, "user.a", b"first")
    except OSError:
        return False
    return True


def xattrs(client, node, path):
    client.call(fuse.SETXATTR, node,
                client.pack("II", 5, 0) + b"user.b\0" + b"value")
    assert os.getxattr(path, "user.b") == b"value"
    name = b"user.a\0"
    size = client.call(fuse.GETXATTR, node, client.pack("II", 0, 0) + name)
    assert client.unpack("II", size) == (5, 0)
    assert client.call(fuse.GETXATTR, node,
                       client.pack("II", 100, 0) + name) == b"first"
    names = client.call(fuse.LISTXATTR, node, client.pack("II", 100, 0))
    assert {b"user.a", b"user.b"} <= set(names.split(b"\0")), names
    client.fails("ENODATA", fuse.GETXATTR, node,
                 client.pack("II", 100, 0) + b"user.c\0")


def passthrough(command, transport_class, abi, how):
    transport = transport_class()
    with tempfile.TemporaryDirectory() as t:
        folder = pathlib.Path(t)
        (folder / "seen").touch()
        (folder / "link").symlink_to("seen")
        with libfuse.Server(command, transport, "-o",
                            f"source={folder},cache=never,xattr") as server:
            client = start(transport, abi, how, minor=44)
            let_it_be_known(client)
            errors(client)
            node, handle = files(client)
            assert (folder / "made").stat().st_mode == 0o100644
            client.write(node, handle, 0, BIG[:5000])
            assert (folder / "made").read_bytes() == BIG[:5000]
            client.release(node, handle)
            for names in (["O_APPEND"], ["O_NONBLOCK"], ["O_NOATIME"],
                          ["O_APPEND", "O_NONBLOCK"]):
                host_flags(server, client, node, folder / "made",
                           [*names, "O_LARGEFILE"])
            if direct_io(folder):
                host_flags(server, client, node, folder / "made",
                           ["O_DIRECT", "O_LARGEFILE"])
            if has_xattrs(folder / "made"):
                xattrs(client, node, folder / "made")
            link = client.lookup("link")[0]
            assert client.call(fuse.READLINK, link) == b"seen"
            assert client.listing() == client.listing(plus=True)
            assert set(client.listing()) == {".", "..", "seen", "link", "made"}
            lists_on_host(client, folder)
            transport.sock.close()
            assert server.wait() == 0, server.process.returncode


def lists_on_host(client, folder):
    lists(client)
    assert sorted(os.listdir(folder)) == ["link", "made"]


def configured(version, folder):
    """What the server's author said about the client."""
    known = libfuse.passthrough(
        version, folder, config="&(struct crossfuse_config){ .no_detect = "
        "true, .client = crossfuse_abi_by_name(\"mips64\") }")
    transport = fuse.Packets()
    with tempfile.TemporaryDirectory() as t, libfuse.Server(
            known, transport, "-o", f"source={t},cache=never") as server:
        client = start(transport, "mips64", "legacy")
        errors(client)
        files(client)
        transport.sock.close()
        assert server.wait() == 0, server.process.returncode
    strict = libfuse.passthrough(
        version, folder, config="&(struct crossfuse_config){ .policy = "
        "CROSSFUSE_REFUSE }")
    transport = fuse.Packets()
    with libfuse.Server(strict, transport) as server:
        for abi, how in (("mips64", "legacy"), ("aarch64", "arch_id")):
            try:
                start(transport, abi, how)
            except fuse.Failed as e:
                assert e.number == 71, e  # EPROTO of both
            else:
                raise AssertionError("not refused")
        # and is there for one who can
        assert start(transport, "mips64", "offer").answered
        transport.sock.close()
        assert server.wait() == 0, server.process.returncode


def run(version):
    with tempfile.TemporaryDirectory() as folder:
        servers = ((memory, libfuse.memory_fs(version, folder)),
                   (passthrough, libfuse.passthrough(version, folder)))
        for scenario, command in servers:
            for transport in TRANSPORTS:
                for abi, how in CLIENTS:
                    print(scenario.__name__, transport.__name__, abi, how,
                          flush=True)
                    scenario(command, transport, abi, how)
        print("configured", flush=True)
        configured(version, folder)
