#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Writes the test vectors, from the specification alone.

conversations.txt, one command a line, bytes in hexadecimal:

    session SERVER CLIENT POLICY PAGE    a new session; CLIENT - : not said;
                                         SERVER - : with the client's role;
                                         PAGE: of the server's or, with that
                                         role, of the client's, 0: as its
                                         architecture has them
    request BYTES = BYTES                from the client; = what the server gets
    request BYTES ! ERROR                or the canonical error it fails with
    reply ..., notify ...                likewise, from the server
    error NUMBER = BYTES                 the translator's own reply that fails
                                         the last request (canonical number)

A reply answers the request before it.
"""
import os
import random
import sys

sys.dont_write_bytecode = True

import fuse_canon  # noqa: E402
import fuse_random  # noqa: E402
import fuse_spec  # noqa: E402

PATH = os.path.join(fuse_spec.HERE, "conversations.txt")
HEAD = """# SPDX-License-Identifier: BSD-2-Clause
# Made by generate.py, from docs/protocol.md; the format is described there.
"""
# Client, server; all messages of the first, what is special of the others.
ALL = (("aarch64", "x86_64"), ("mips64", "x86_64"), ("sparc64", "aarch64"),
       ("ppc64le", "s390x"))
SOME = (("armv7l", "x86_64"), ("ppc64", "x86_64"), ("mips64el", "x86_64"),
        ("mips", "x86_64"), ("s390x", "x86_64"), ("riscv64", "x86_64"),
        ("alpha", "x86_64"), ("parisc", "x86_64"), ("m68k", "x86_64"),
        ("x86_64", "s390x"), ("x86_64", "mips64el"), ("i386", "sparc64"),
        ("xtensa", "parisc"), ("sh4", "alpha"))
SPECIAL = ("OPEN", "OPENDIR", "CREATE", "READ", "WRITE", "RELEASE", "GETLK",
           "SETLKW", "POLL", "IOCTL", "READDIR", "SETXATTR", "TMPFILE",
           "MKNOD", "BATCH_FORGET")


class File:
    def __init__(self):
        self.lines = [HEAD]

    def session(self, session):
        self.lines.append(f"session {session.words()}\n")

    def message(self, what, data, work):
        try:
            result = work(data)
            call, out = result if isinstance(result, tuple) else (True, result)
            self.lines.append(f"{what} {data.hex()} = {out.hex()}\n")
            return call
        except fuse_canon.Refused as refused:
            self.lines.append(f"{what} {data.hex()} ! {refused.args[0]}\n")
            return None

    def error(self, session, call, number):
        self.lines.append(f"error {number} = "
                          f"{session.own_error(call, number).hex()}\n")


def init(writer, arch_id, flags, minor=45, size=64, major=7):
    body = b"".join(writer.int(v, 4) for v in (
        major, minor, 0x20000, flags & 0xFFFFFFFF, flags >> 32, arch_id))
    body = (body + bytes(40))[:size]
    return writer.in_header(fuse_canon.INIT, len(body)) + body


def init_reply(writer, call, flags, minor=45, size=64, pages=256, major=7):
    layout = writer.spec.opcode[fuse_canon.INIT].reply
    given = {f.name: 0 for f in layout.fields if f.kind != "bytes"}
    given.update(major=major, minor=minor, flags=flags, flags2=flags >> 32,
                 max_pages=pages, max_write=0x100000)
    body = b"".join(writer.int(given[f.name], f.width) if f.name in given
                    else bytes(f.width) for f in layout.fields)[:size]
    return writer.out_header(call.unique, len(body)) + body


def writers(spec, rng, session, arch, big):
    return (fuse_random.Writer(spec, rng, arch, big),
            fuse_random.Writer(spec, rng, session.server,
                               session.server.big))


EXT, PAGES, XATTR = 1 << 30, 1 << 22, 1 << 29
OLD, NEW = 1 << 40, 1 << 62


def handshakes(spec, rng, file):
    """All cases of section 3.4, and the lengths of section 3.1."""
    cases = []
    for server in ("x86_64", "s390x", "mips64el"):
        for name in ("x86_64", "aarch64", "s390x", "riscv64", "mips"):
            for policy in ("translate", "refuse", "ignore"):
                arch_id = fuse_spec.arch_id(name)
                cases += [(server, None, policy, name, arch_id, flags, 45, 64)
                          for flags in (EXT | NEW, EXT, EXT | OLD)]
        cases += [
            (server, None, "translate", "aarch64", 12345, EXT | NEW, 45, 64),
            (server, None, "translate", "aarch64", 12345, EXT, 45, 64),
            (server, "mips64", "translate", "mips64", 12345, EXT, 45, 64),
            (server, "mips64", "translate", "mips64", 0, EXT, 31, 16),
            (server, "s390x", "refuse", "s390x", 0, EXT, 31, 16),
            (server, "alpha", "translate", "alpha", 0, EXT | NEW, 45, 64)]
    name, arch_id = "aarch64", fuse_spec.arch_id("aarch64")
    for minor in (36, 40, 41, 47):
        for flags in (EXT | OLD, EXT | NEW, OLD, NEW, EXT | OLD | NEW):
            cases.append(("x86_64", None, "translate", name, arch_id, flags,
                          minor, 64))
    cases += [("x86_64", None, "translate", name, arch_id, EXT | NEW, 45, n)
              for n in (16, 20, 24, 63, 80)]
    for server, said, policy, name, arch_id, flags, minor, size in cases:
        session = fuse_canon.Session(
            spec, spec.arch[server], said and spec.arch[said], policy)
        client, writer = writers(spec, rng, session, spec.arch[name],
                                 spec.arch[name].big)
        file.session(session)
        call = file.message("request", init(client, arch_id, flags, minor,
                                            size), session.request)
        if not call:
            continue
        if session.untouched:
            writer = fuse_random.Writer(spec, rng, session.server, session.big)
        reply = init_reply(writer, call, rng.choice(
            (EXT | PAGES, PAGES, EXT | PAGES | OLD | NEW)),
            size=rng.choice((64, 64, 64, 24, 8)))
        file.message("reply", reply, lambda data: session.reply(call, data))


def exchanges(spec, rng, file, session, names, client, server):
    known = [number for _, number in spec.errno["generic"] if number]
    for op in spec.opcode.values():
        if op.name in ("INIT", "CUSE_INIT") or (names and op.name not in names):
            continue
        message = client.request(op, not session.setxattr_ext)
        call = file.message("request", message, session.request)
        if not call or not op.answered:
            continue
        file.message("reply", server.reply(op, call),
                     lambda data: session.reply(call, data))
        if rng.random() < 0.3:
            file.error(session, call, rng.choice(known))
    for op in spec.notify.values():
        if not names or rng.random() < 0.2:
            file.message("notify", server.notify(op), session.notify)
    # Where nothing is translated, broken messages may be refused or not.
    for _ in range(0 if session.same() else 10 if names else 40):
        op = rng.choice([op for op in spec.opcode.values()
                         if op.name not in ("INIT", "CUSE_INIT")])
        message = client.request(op, not session.setxattr_ext)
        message = fuse_random.broken(rng, message, session.big)
        file.message("request", message, session.request)


def conversation(spec, rng, file, client, server, names, offered):
    arch = spec.arch[client]
    session = fuse_canon.Session(spec, spec.arch[server])
    ours, theirs = writers(spec, rng, session, arch, arch.big)
    flags = EXT | XATTR | PAGES | (NEW if offered else 0)
    file.session(session)
    call = file.message("request", init(ours, fuse_spec.arch_id(client),
                                        flags), session.request)
    file.message("reply", init_reply(theirs, call, EXT | PAGES | XATTR),
                 lambda data: session.reply(call, data))
    if offered and session.answered:
        ours.arch = spec.canonical
    exchanges(spec, rng, file, session, names, ours, theirs)


def offers(spec, rng, file):
    """What a client says and what it hears, of each kind and minor: 3.1-3.3."""
    cases = []
    for name in ("x86_64", "mips64", "sparc64", "aarch64"):
        for minor in (36, 40, 41, 60):
            bit = OLD if minor <= 40 else NEW
            cases += [(name, "translate", 0, minor, 64, flags, answer)
                      for flags in (0, EXT, EXT | PAGES | XATTR)
                      for answer in (0, EXT | PAGES | bit)]
        cases += [(name, "ignore", 0, 45, 64, EXT, EXT | NEW),
                  (name, "translate", 0, 35, 16, 0, EXT | OLD),
                  (name, "translate", 0, 35, 16, 0, PAGES),
                  (name, "translate", 0, 40, 64, EXT, EXT | NEW),
                  (name, "translate", 0, 41, 64, EXT, EXT | OLD)]
        cases += [(name, "translate", page, 45, 64, EXT, EXT | PAGES | NEW)
                  for page in (512, 4096, 16384, 65536)]
    for name, policy, page, minor, size, flags, answer in cases:
        session = fuse_canon.Client(spec, spec.arch[name], policy, page)
        writer = fuse_random.Writer(spec, rng, session.own, session.own.big)
        file.session(session)
        call = file.message("request", init(writer, 0, flags, minor, size),
                            session.request)
        reply = init_reply(writer, call, answer, minor,
                           rng.choice((64, 64, 64, 36, 24)),
                           rng.choice((0, 1, 3, 16, 256, 65535)))
        file.message("reply", reply, lambda data: session.reply(call, data))


def client_conversation(spec, rng, file, name, names, answered):
    session = fuse_canon.Client(spec, spec.arch[name])
    ours = fuse_random.Writer(spec, rng, session.own, session.own.big)
    file.session(session)
    call = file.message("request", init(ours, 0, EXT | XATTR), session.request)
    file.message("reply", init_reply(ours, call, EXT | XATTR |
                                     (NEW if answered else 0)),
                 lambda data: session.reply(call, data))
    theirs = fuse_random.Writer(spec, rng, session.server, session.big)
    exchanges(spec, rng, file, session, names, ours, theirs)


def write():
    spec, rng, file = fuse_spec.Spec(), random.Random(7), File()
    handshakes(spec, rng, file)
    for pairs, names in ((ALL, None), (SOME, SPECIAL)):
        for client, server in pairs:
            conversation(spec, rng, file, client, server, names, False)
    for client, server in (("s390x", "x86_64"), ("mips64el", "x86_64"),
                           ("armv7l", "sparc64"), ("sparc64", "aarch64")):
        conversation(spec, rng, file, client, server, SPECIAL, True)
    offers(spec, rng, file)
    client_conversation(spec, rng, file, "sparc64", None, True)
    for name in ("aarch64", "ppc64le", "mips", "mips64el", "alpha", "parisc",
                 "m68k", "xtensa", "x86_64"):
        client_conversation(spec, rng, file, name, SPECIAL, True)
    client_conversation(spec, rng, file, "mips64", SPECIAL, False)
    return "".join(file.lines)


def main():
    with open(PATH, "w") as file:
        file.write(write())


main()
