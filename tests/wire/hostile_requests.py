# SPDX-License-Identifier: BSD-2-Clause
"""Requests of a hostile guest: half valid. Numbers of nodes, of handles and of
requests are at times those that it has, at times those that it had, at times
invented; so are names, lengths, positions, flags. The layouts are those of
linux/fuse.h.
"""
import struct

from hostile_host import NAMES

LOOKUP, FORGET, SYMLINK, MKNOD, MKDIR, LINK, OPEN = 1, 2, 6, 8, 9, 13, 14
WRITE, RELEASE, SETXATTR, FLUSH, INIT, OPENDIR = 16, 18, 21, 25, 26, 27
READDIR, RELEASEDIR, GETLK, SETLK, SETLKW, CREATE = 28, 29, 31, 32, 33, 35
INTERRUPT, DESTROY, IOCTL, BATCH_FORGET, TMPFILE = 36, 38, 39, 42, 51
ENTRIES = {LOOKUP, SYMLINK, MKNOD, MKDIR, LINK, CREATE, TMPFILE}
OPENS = {OPEN, OPENDIR}
SILENT = {FORGET, 41, BATCH_FORGET}
RANDOM_OPCODE = 0
COUNTED = {12: "renames", 45: "renames", INTERRUPT: "interrupts",
           SETLKW: "waits for locks", SETXATTR: "attributes set"}

# What follows the header, a letter each: see Guest.part().
BODIES = {
    LOOKUP: "n", FORGET: "c", 3: "b0h", 4: "Vihpopppiiimiuu0", 5: "",
    SYMLINK: "nt", MKNOD: "mi00n", MKDIR: "m0n", 10: "n", 11: "n",
    12: "dnn", LINK: "dn", OPEN: "f0", 15: "hpz0of0", WRITE: "hpw", 17: "",
    RELEASE: "hfbo", 20: "hb0", SETXATTR: "s", 22: "z0x", 23: "z0", 24: "x",
    FLUSH: "h00o", INIT: "I", OPENDIR: "f0", READDIR: "hpz0of0",
    RELEASEDIR: "hfbo", 30: "hb0", GETLK: "hokTib0", SETLK: "hokTib0",
    SETLKW: "hokTib0", 34: "b0", CREATE: "fm00n", INTERRUPT: "q",
    37: "pz0", DESTROY: "", IOCTL: "C", 40: "hlbi", 41: "lpz0ll",
    BATCH_FORGET: "F", 43: "hppb0", 44: "hpz0of0", 45: "db0nn", 46: "hpb0",
    47: "hpdhppl", 48: "hpplp", 49: "iplpl", 50: "l", TMPFILE: "fm00n",
    52: "b0hii", 53: "hpdhppl", RANDOM_OPCODE: "llllll",
}
# How often each: what finds and opens most, what resets all seldom.
WEIGHTS = {LOOKUP: 40, CREATE: 8, OPEN: 14, OPENDIR: 8, READDIR: 8, 44: 8,
           GETLK: 6, SETLK: 12, SETLKW: 8, SETXATTR: 10, RELEASE: 10,
           RELEASEDIR: 6, 4: 5,
           INIT: 0.05, DESTROY: 0.05, 50: 0.1, 20: 0.5, 30: 0.5, 12: 8, 45: 8,
           15: 6, WRITE: 6, MKDIR: 5, INTERRUPT: 6, FORGET: 4}
BAD_NAMES = [b"..", b".", b"", b"a/b", b"../outside/secret", b"/etc/passwd",
             b"..\0a", b"x" * 255, b"x" * 256, b"\xff\xfe", b"a\nb",
             b"../" * 30 + b"etc/passwd"]
XATTRS = [b"user.a", b"user.b", b"security.capability", b"security.selinux",
          b"system.posix_acl_access", b"system.posix_acl_default",
          b"trusted.overlay.opaque", b"user.virtiofs.a", b"user.", b"", b"a",
          b"x" * 256]
COMMANDS = [0x80086601, 0x40086602, 0x801c581f, 0x401c5820, 0xc0185879,
            0x4020940d, 0x40049409, 0xc020660b, 0x5401, 0x541b, 1, 2,
            0x40106614, 0x127b]
MOST_NODES, MOST_HANDLES = 300, 150


class Guest:
    """What one guest knows, and the requests that it makes up from it."""

    def __init__(self, random, order):
        self.random, self.order = random, order
        self.unique = 2
        self.nodes, self.handles, self.stale = [1], [], [0, 1, 2, 1 << 63]
        self.waiting = {}  # unique of what is under way: opcode, node
        self.codes = list(BODIES)
        self.weights = [WEIGHTS.get(code, 2) for code in self.codes]

    def forget_all(self):
        """After a reset: the numbers that it had are stale."""
        self.stale = (self.nodes + [h for _, h in self.handles] +
                      self.stale)[:400]
        self.nodes, self.handles = [1], []
        self.waiting.clear()

    def pack(self, form, *values):
        return struct.pack(self.order + form, *values)

    def any64(self):
        draw = self.random
        return draw.choice((0, 1, 2, draw.randrange(300),
                            1 << draw.randrange(64),
                            (1 << 64) - 1 - draw.randrange(3),
                            (1 << 63) - 1, draw.getrandbits(64)))

    def position(self):
        if self.random.random() < 0.7:
            return self.random.randrange(1 << 16)
        return self.any64()

    def name(self):
        if self.random.random() < 0.85:
            return self.random.choice(NAMES).encode()
        return self.random.choice(BAD_NAMES)

    def node(self):
        lot = self.random.random()
        if lot < 0.03:
            return self.any64()
        return self.random.choice(self.stale if lot < 0.08 else self.nodes)

    def handle(self, node):
        """One of this node's as a rule; else another's, an old one, none."""
        lot = self.random.random()
        if lot < 0.85 and self.handles:
            mine = [h for n, h in self.handles[-40:] if n == node]
            return self.random.choice(mine) if mine and lot < 0.8 else \
                self.random.choice(self.handles)[1]
        return self.random.choice(self.stale) if lot < 0.93 else self.any64()

    def flags(self):
        """Any bits, of whatever architecture; access modes and O_CREAT."""
        draw = self.random
        value = draw.choice((0, 1, 2, 2, 2, 3))
        for _ in range(draw.choice((0, 0, 1, 2, 4))):
            value |= 1 << draw.randrange(6, 26)
        return value if draw.random() < 0.97 else draw.getrandbits(32)

    def part(self, letter, node):
        draw, pack = self.random, self.pack
        if letter == "0":
            return pack("I", 0 if draw.random() < 0.9 else
                        draw.getrandbits(32))
        if letter == "i":
            return pack("I", draw.getrandbits(32) >> draw.randrange(32))
        if letter == "b":
            return pack("I", draw.randrange(8) if draw.random() < 0.9 else
                        draw.getrandbits(32))
        if letter == "V":
            return pack("I", draw.getrandbits(12))
        if letter == "u":
            return pack("I", draw.choice((0, 1000, 65534, 0xffffffff)))
        if letter == "z":
            return pack("I", draw.choice((0, 24, 300, 4096, 16384, 16384,
                                          1 << 20, 0xffffffff)))
        if letter == "m":
            kind = draw.choice((0o100000, 0o40000, 0o10000, 0o20000,
                                0o140000, 0, 0o170000))
            return pack("I", kind | draw.getrandbits(12))
        if letter == "f":
            return pack("I", self.flags())
        if letter == "k":
            return pack("QQ", draw.choice((0, 0, 5, self.any64())),
                        draw.choice((9, 9, (1 << 63) - 1, self.any64())))
        if letter == "T":
            return pack("I", draw.choice((0, 1, 1, 2, 2, 3, 99)))
        if letter == "h":
            return pack("Q", self.handle(node))
        if letter == "d":
            return pack("Q", self.node())
        if letter == "o":
            return pack("Q", draw.randrange(6) if draw.random() < 0.9 else
                        self.any64())
        if letter == "p":
            return pack("Q", self.position())
        if letter in "lc":
            return pack("Q", self.any64() if letter == "l" else
                        draw.choice((1, 1, 1, 2, 1 << 63)))
        if letter == "q":
            return pack("Q", draw.choice(list(self.waiting) or [4]))
        if letter == "n":
            return self.name() + b"\0"
        if letter == "t":
            return draw.choice((b"../outside", b"/etc", b"a", b"x" * 4095,
                                b"")) + b"\0"
        if letter == "x":
            return draw.choice(XATTRS) + b"\0"
        return self.special(letter, node)

    def special(self, letter, node):
        draw, pack = self.random, self.pack
        data = draw.randbytes(draw.choice((0, 1, 8, 28, 100, 4000)))
        size = len(data) if draw.random() < 0.93 else draw.getrandbits(32)
        if letter == "w":
            return pack("IIQII", size, draw.randrange(8), 0, self.flags(),
                        0) + data
        if letter == "s":
            name = draw.choice(XATTRS) if draw.random() < 0.6 else \
                b"user.%d" % draw.randrange(10000)
            long = pack("II", draw.randrange(3), 0) \
                if draw.random() < 0.5 else b""
            return pack("II", size, draw.randrange(3)) + long + name + \
                b"\0" + data
        if letter == "C":
            value = draw.choice((data, pack("Q", 0x40), pack("I", 0x40),
                                 pack("Q", 0x10 if draw.random() < .05 else 0),
                                 bytes(28)))
            command = draw.choice(COMMANDS) if draw.random() < 0.8 else \
                draw.getrandbits(32)
            return pack("QIIQII", self.handle(node), draw.randrange(32),
                        command, self.any64(), len(value), draw.choice(
                            (len(value), 4, 8, 0, 5000, 0xffffffff))) + value
        if letter == "F":
            count = draw.randrange(20)
            lie = count if draw.random() < 0.9 else draw.getrandbits(32)
            return pack("II", lie, 0) + b"".join(
                pack("QQ", self.node(), draw.choice((0, 1, 1 << 60)))
                for _ in range(count))
        assert letter == "I"
        return pack("IIII", draw.choice((7, 7, 7, 7, 6, 8, 0)),
                    draw.choice((38, 36, 31, 23, 12, 9, 8, 45, 0xffffffff)),
                    draw.getrandbits(32), draw.getrandbits(32)) + \
            draw.choice((b"", draw.randbytes(48), bytes(48)))

    def extension(self):
        """Groups or security contexts, with counts that may lie."""
        draw = self.random
        count = draw.randrange(4)
        groups = [draw.getrandbits(16) for _ in range(count)]
        if draw.random() < 0.2:
            count = draw.getrandbits(32)
        body = self.pack(f"II{len(groups)}I", draw.choice((0, 1, 31, 32)),
                         count, *groups)
        size = -(4 + len(body)) % 8
        body += bytes(size)
        return self.pack("I", draw.choice(
            (4 + len(body), 4 + len(body), draw.getrandbits(32)))) + body

    def request(self, code=None):
        """The opcode, the node, the unique, the bytes."""
        draw = self.random
        if code is None:
            code = draw.choices(self.codes, self.weights)[0]
        node = self.node()
        chosen = None
        if code in (RELEASE, RELEASEDIR) and self.handles and \
                draw.random() < 0.8:
            node, handle = self.handles.pop(draw.randrange(len(self.handles)))
            chosen = self.pack("QIIQ", handle, 0, draw.randrange(4),
                                  draw.randrange(6))
        elif code == LOOKUP and draw.random() < 0.1:
            chosen = b"..\0"
        elif code in (GETLK, SETLK, SETLKW) and self.handles and \
                draw.random() < 0.8:
            # The same few files again and again, so that some wait.
            node, handle = draw.choice(self.handles[:8])
            chosen = self.pack("QQQQIIII", handle, draw.randrange(6), 0,
                                  9, draw.choice((0, 1, 1, 2, 3)), 1, 0, 0)
        elif code == FORGET and len(self.nodes) > 9:
            node = self.nodes.pop(draw.randrange(1, len(self.nodes)))
        body = chosen or b"".join(self.part(letter, node)
                                     for letter in BODIES[code])
        return self.finish(code, node, body)

    def finish(self, code, node, body):
        draw = self.random
        lot = draw.random()
        extlen = 0
        if lot < 0.02:
            body = body[:draw.randrange(len(body) + 1)]
        elif lot < 0.04:
            body += draw.randbytes(draw.randrange(100))
        elif lot < 0.06 and body:
            at = draw.randrange(len(body))
            body = body[:at] + draw.randbytes(1) + body[at + 1:]
        elif lot < 0.12:
            extension = self.extension()
            extlen = len(extension) // 8
            body += extension
        elif lot < 0.13:
            extlen = draw.getrandbits(16)
        opcode = draw.getrandbits(32) if code == RANDOM_OPCODE else code
        order = self.order
        if draw.random() < 0.0003:
            order = "<" if order == ">" else ">"
        self.unique += 2
        unique = self.unique
        length = 40 + len(body)
        if draw.random() < 0.0003:
            length = draw.getrandbits(32)
        user = draw.choice((0, 0, 0, 1000, draw.getrandbits(32)))
        return code, node, unique, struct.pack(
            order + "IIQQIIIHH", length, opcode, unique, node, user, user,
            draw.randrange(1, 9999), extlen, 0) + body

    def learn(self, unique, reply):
        """Takes note of nodes and handles; returns the inode found, or 0."""
        code, node = self.waiting.pop(unique, (None, None))
        if len(reply) < 16 or reply[4:8] != bytes(4):
            return 0
        read = lambda at: struct.unpack_from(self.order + "Q", reply, at)[0]
        inode = 0
        if code in ENTRIES and len(reply) >= 16 + 128:
            node, inode = read(16), read(16 + 40)
            if node:
                self.nodes.append(node)
            if code in (CREATE, TMPFILE) and len(reply) >= 16 + 136:
                self.handles.append((node, read(16 + 128)))
        elif code in OPENS and len(reply) == 32:
            self.handles.append((node, read(16)))
        return inode

    def burst(self, count):
        """COUNT requests; more of what lets go where it holds much."""
        for _ in range(count):
            code = None
            if len(self.handles) > MOST_HANDLES:
                code = RELEASE
            elif len(self.nodes) > MOST_NODES:
                code = FORGET
            yield self.request(code)
