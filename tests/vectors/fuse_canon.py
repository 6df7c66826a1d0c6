# SPDX-License-Identifier: BSD-2-Clause
"""A translator of FUSE messages, written from docs/protocol.md alone.

It knows nothing of libcrossfuse; the tests hold the two against each other.
"""
import types

import fuse_spec
import fuse_values as values
from fuse_values import NoCounterpart

EBADMSG, ENOSYS, ENOTTY, EINVAL, EPROTO = 74, 38, 25, 22, 71  # canonical
INIT, CUSE_INIT = 26, 4096
SETXATTR, GETXATTR, LISTXATTR, IOCTL, POLL = 21, 22, 23, 39, 40
EXT, MAX_PAGES, SETXATTR_EXT = 1 << 30, 1 << 22, 1 << 29
OLDEST, NEWEST = 12, 47
IN_HEADER = ((0, 4), (4, 4), (8, 8), (16, 8), (24, 4), (28, 4), (32, 4),
             (36, 2), (38, 2))
OUT_HEADER = ((0, 4), (4, 4), (8, 8))


class Refused(Exception):
    """Not translated; the argument is a canonical error number."""


def malformed(unless):
    if not unless:
        raise Refused(EBADMSG)


class Bytes:
    """A message with a byte order to read in and one to write."""

    def __init__(self, data, big_in, big_out):
        self.at = bytearray(data)
        self.order_in = "big" if big_in else "little"
        self.order_out = "big" if big_out else "little"
        self.swap = big_in != big_out

    def get(self, at, width):
        return int.from_bytes(self.at[at:at + width], self.order_in)

    def put(self, at, width, value):
        self.at[at:at + width] = value.to_bytes(width, self.order_out)

    def turn(self, at, width):
        if self.swap:
            self.at[at:at + width] = self.at[at:at + width][::-1]


CANON_ARCH = 1 << 62


def offer_bits(minor):
    """3.2"""
    return CANON_ARCH | (1 << 40 if minor <= 40 else 0)


def read_init(message, code):
    """Major, minor, flags and arch_id of a FUSE_INIT or CUSE_INIT: 3.1"""
    body = len(message.at) - 40
    malformed(body >= 16 and message.get(0, 4) == len(message.at))
    major, minor = message.get(40, 4), message.get(44, 4)
    malformed(0 < major <= 0xFFFF and minor <= 0xFFFF)
    flags, arch_id = message.get(52, 4), 0
    if minor < 36 and not flags & EXT:
        body = 16
    if flags & EXT and body >= 20:
        flags |= message.get(56, 4) << 32
    if body >= 24 and code == INIT:
        arch_id = message.get(60, 4)
    return major, minor, flags, arch_id


class Session:
    """One connection. CLIENT: what the administrator says, or None."""

    def __init__(self, spec, server, client=None, policy="translate",
                 server_page=4096):
        self.spec, self.server, self.said = spec, server, client
        self.policy, self.server_page = policy, server_page
        self.client, self.big = None, server.big
        self.minor, self.setxattr_ext = 0, False
        self.answered = self.untouched = False

    def words(self):
        """How it is set up, for the test vectors."""
        return (f"{self.server.name} {self.said.name if self.said else '-'} "
                f"{self.policy} {self.server_page}")

    # What both sides are.

    def taken_for(self):
        return self.client or self.server

    def server_big(self):
        return self.big if self.untouched else self.server.big

    def same(self):
        """Nothing differs: any message but INIT passes as it is."""
        return self.untouched or (self.big == self.server.big and
                                  not values.differ(self.taken_for(),
                                                    self.server))

    # Requests.

    def request(self, data):
        """(call, translated bytes); or Refused."""
        call = types.SimpleNamespace(opcode=0, unique=0, flags=0, big=self.big,
                                     asks_size=False, ioctl=None)
        malformed(len(data) >= 40)
        raw = bytes(data[4:8])
        for code in (INIT, CUSE_INIT):
            for order in ("little", "big"):
                if raw == code.to_bytes(4, order):
                    return self.init(call, code, data, order == "big")
        message = Bytes(data, self.big, self.server_big())
        call.opcode, call.unique = message.get(4, 4), message.get(8, 8)
        malformed(message.get(0, 4) == len(data))
        op = self.spec.opcode.get(call.opcode)
        if self.untouched:
            return call, bytes(data)
        if not op:
            if message.swap:
                raise Refused(ENOSYS)
            return call, bytes(data)
        todo = self.check_request(call, op, message)
        if self.same():
            return call, bytes(data)
        self.translate_request(call, op, message, todo)
        return call, bytes(message.at)

    def check_request(self, call, op, message):
        layout = op.request
        size = layout.size
        if call.opcode == SETXATTR and not self.setxattr_ext:
            size = 8
        malformed(len(message.at) >= 40 + size)
        todo = [(at, width) for at, width in IN_HEADER]
        todo += [(40 + f.at, f.width) for f in layout.fields
                 if f.kind != "bytes" and f.at < size]
        todo += self.tail(layout, message, 40, size, message.get(36, 2) * 8)
        if call.opcode in (GETXATTR, LISTXATTR):
            call.asks_size = message.get(40, 4) == 0
        return todo

    def translate_request(self, call, op, message, todo):
        layout = op.request
        if call.opcode == IOCTL:
            value, more = self.ioctl_request(call, message)
            todo += more
        elif layout.special:
            value = self.value(layout.special.kind, self.taken_for(),
                               self.server,
                               message.get(40 + layout.special.at, 4), EINVAL)
        for at, width in todo:
            message.turn(at, width)
        if layout.special:
            message.put(40 + layout.special.at, 4, value)

    def value(self, kind, a, b, old, fault):
        try:
            return {"open flags": values.open_flags, "lock": values.lock,
                    "poll": values.poll}[kind](self.spec, a, b, old)
        except NoCounterpart:
            raise Refused(fault) from None

    def tail(self, layout, message, head, size, extlen):
        """Checks what follows the fixed part; its integers, to be turned."""
        start, end = head + size, len(message.at)
        count = element = None
        if layout.count:
            field, element = layout.count
            count = message.get(head + field.at, 4)
        if layout.tail == "none":
            malformed(start == end)
        elif layout.tail in ("data", "ioctl"):
            malformed(count is None or count == end - start)
        elif layout.tail == "array":
            malformed(count * element == end - start)
            return [(at, 8) for at in range(start, end, 8)]
        elif layout.tail == "name" and count is not None:
            malformed(message.at.find(0, start) == end - 1 == start + count)
        elif layout.tail in ("name", "two names", "name, bytes"):
            names = 2 if layout.tail == "two names" else 1
            for _ in range(names):
                start = message.at.find(0, start) + 1
                malformed(start)
            if layout.tail == "name, bytes":
                malformed(end - start == count)
            elif layout.ext:
                return self.extensions(message, start, extlen)
            else:
                malformed(start == end)
        elif layout.tail.startswith("dirents") and message.swap:
            return self.records(message, start, layout.tail != "dirents")
        return []

    def extensions(self, message, start, extlen):
        end = len(message.at)
        if self.minor >= 38:
            malformed(extlen == end - start)
        elif self.minor < 36:
            malformed(start == end)
        todo, at = [], start
        while at < end:
            malformed(end - at >= 8)
            size, kind = message.get(at, 4), message.get(at + 4, 4)
            malformed(8 <= size <= end - at)
            todo += [(at, 4), (at + 4, 4)]
            if kind <= 31:
                todo += self.contexts(message, at + 8, at + size, kind)
            elif kind == 32:
                malformed(size >= 12)
                count = message.get(at + 8, 4)
                malformed(count * 4 <= size - 12)
                todo += [(at + 8 + 4 * i, 4) for i in range(count + 1)]
            else:
                malformed(not message.swap)
            at = min(end, at + (size + 7) // 8 * 8)
        return todo

    @staticmethod
    def contexts(message, start, end, count):
        todo, at = [], start
        for _ in range(count):
            malformed(end - at >= 8)
            name_end = message.at.find(0, at + 8, end) + 1
            malformed(name_end)
            size = message.get(at, 4)
            malformed(size <= end - name_end)
            todo += [(at, 4), (at + 4, 4)]
            length = name_end + size - at
            at = min(end, at + (length + 7) // 8 * 8)
        malformed(end - at < 8)
        return todo

    def records(self, message, start, plus):
        todo, at, end = [], start, len(message.at)
        before = self.spec.struct["fuse_entry_out"] if plus else (0, [])
        while at < end:
            entry = at + before[0]
            if end - entry < 24:
                break
            name = message.get(entry + 16, 4)
            length = (before[0] + 24 + name + 7) // 8 * 8
            malformed(0 < name <= 4095)
            todo += [(at + f.at, f.width) for f in before[1]]
            todo += [(entry, 8), (entry + 8, 8), (entry + 16, 4),
                     (entry + 20, 4)]
            at += length
        return todo

    # ioctl: section 6.

    def ioctl_request(self, call, message):
        old, flags = message.get(52, 4), message.get(48, 4)
        sizes = message.get(64, 4), message.get(68, 4)
        bits = 32 if flags & 9 else self.taken_for().bits
        any_payload = not message.swap and bits == self.server.bits
        try:
            cmd, payload = self.ioctl_number(old)
        except NoCounterpart:
            raise Refused(ENOTTY) from None
        forms = payload[0] if payload else {}
        if not any_payload and any(n and n not in forms for n in sizes):
            raise Refused(ENOTTY)
        call.ioctl = (any_payload, forms)
        return cmd, self.payload(forms, 72, sizes[0])

    def ioctl_number(self, old):
        """The receiver's number, and the payload by the canonical one."""
        spec, client, server = self.spec, self.taken_for(), self.server
        try:
            canonical = values.ioctl(spec, client, spec.canonical, old)
        except NoCounterpart:
            return values.ioctl(spec, client, server, old), None
        payload = spec.payload.get((canonical >> 8 & 0xFF, canonical & 0xFF))
        size = canonical >> 16 & 0x3FFF
        if payload and payload[1] and size in (4, 8):
            sized = (canonical & ~(0x3FFF << 16)) | server.bits // 8 << 16
            if sized != canonical:
                return values.ioctl(spec, spec.canonical, server,
                                    sized), payload
        return values.ioctl(spec, client, server, old), payload

    @staticmethod
    def payload(forms, at, size):
        todo = []
        for width in forms.get(size, []):
            if width > 1:
                todo.append((at, width))
            at += width
        return todo

    def ioctl_reply(self, call, message):
        rest = len(message.at) - 32
        if message.get(20, 4) & 4:
            return [(at, 8) for at in range(32, len(message.at), 8)]
        any_payload, forms = call.ioctl
        malformed(any_payload or not rest or rest in forms)
        return self.payload(forms, 32, rest)

    # Replies and notifications.

    def error(self, number):
        """A number, 0 or negative, of the server as the client has it."""
        return -values.errno(self.spec, self.server, self.taken_for(),
                             -number)

    def check_reply_header(self, call, message):
        malformed(len(message.at) >= 16)
        malformed(message.get(0, 4) == len(message.at))
        malformed(message.get(8, 8) == call.unique)
        error = message.get(4, 4)
        error -= error >> 31 << 32
        malformed(-4095 <= error <= 0)
        malformed(not error or len(message.at) == 16)
        return error

    def reply(self, call, data):
        """Translated bytes; or Refused."""
        big = call.big
        message = Bytes(data, self.server.big, big)
        if self.untouched:
            message = Bytes(data, big, big)
        error = self.check_reply_header(call, message)
        if self.untouched:
            return bytes(data)
        op = self.spec.opcode.get(call.opcode)
        if not error and call.opcode == INIT:
            return self.init_reply(message)
        todo = list(OUT_HEADER)
        value = special = None
        if not error and op:
            todo += self.check_reply(call, op.reply, message)
        if self.same():
            return bytes(data)
        if not error and op:
            special = op.reply.special
            value, more = self.translate_reply(call, op.reply, message)
            todo += more
        for at, width in todo:
            message.turn(at, width)
        message.put(4, 4, self.error(error) & 0xFFFFFFFF)
        if special:
            message.put(16 + special.at, 4, value)
        return bytes(message.at)

    def check_reply(self, call, layout, message):
        size = layout.size
        if call.opcode in (GETXATTR, LISTXATTR):
            if call.asks_size:
                malformed(len(message.at) == 16 + size)
            else:
                size = 0
        malformed(len(message.at) >= 16 + size)
        todo = [(16 + f.at, f.width) for f in layout.fields
                if f.kind != "bytes" and f.at < size]
        if call.opcode == IOCTL and message.get(20, 4) & 4:
            count = message.get(24, 4) + message.get(28, 4)
            malformed(count <= 256 and len(message.at) == 32 + count * 16)
        return todo + self.tail(layout, message, 16, size, 0)

    def translate_reply(self, call, layout, message):
        todo, value = [], None
        if call.opcode == IOCTL:
            todo += self.ioctl_reply(call, message)
            result = message.get(16, 4)
            if result - (1 << 32) >= -4095:
                result = self.error(result - (1 << 32)) & 0xFFFFFFFF
            return result, todo
        value = None
        if layout.special:
            value = self.value(layout.special.kind, self.server,
                               self.taken_for(),
                               message.get(16 + layout.special.at, 4), EBADMSG)
        return value, todo

    def notify(self, data):
        message = Bytes(data, self.server_big(), self.big)
        malformed(len(data) >= 16 and message.get(0, 4) == len(data))
        malformed(not message.get(8, 8))
        code = message.get(4, 4)
        malformed(0 < code < 1 << 31)
        if self.untouched:
            return bytes(data)
        if code not in self.spec.notify:
            if message.swap:
                raise Refused(ENOSYS)
            return bytes(data)
        layout = self.spec.notify[code].layout
        malformed(len(data) >= 16 + layout.size)
        todo = list(OUT_HEADER)
        todo += [(16 + f.at, f.width) for f in layout.fields
                 if f.kind != "bytes"]
        todo += self.tail(layout, message, 16, layout.size, 0)
        for at, width in todo:
            message.turn(at, width)
        return bytes(message.at)

    def own_error(self, call, error):
        """A reply of the translator's own; ERROR is canonical, positive."""
        number = values.errno(self.spec, self.spec.canonical,
                              self.taken_for(), error)
        reply = Bytes(bytes(16), False, call.big)
        reply.put(0, 4, 16)
        reply.put(4, 4, -number & 0xFFFFFFFF)
        reply.put(8, 8, call.unique)
        return bytes(reply.at)

    # Handshake: section 3.

    def init(self, call, code, data, big):
        call.opcode, call.big = code, big
        message = Bytes(data, big, self.server.big)
        body = len(data) - 40
        call.unique = message.get(8, 8)
        major, minor, flags, arch_id = read_init(message, code)
        bits = offer_bits(minor)
        self.big, self.minor, self.major = big, minor, major
        self.flags, self.arch_id = flags, arch_id
        self.setxattr_ext = self.answered = self.untouched = False
        self.client = None
        if major == 7:
            if minor < OLDEST and self.policy != "ignore":
                raise Refused(EPROTO)
            self.decide(bool(arch_id and flags & bits))
        if self.untouched:
            return call, bytes(data)
        for at, width in IN_HEADER:
            message.turn(at, width)
        fields = self.spec.opcode[code].request.fields
        for field in fields:
            if field.kind != "bytes" and field.at + field.width <= body:
                message.turn(40 + field.at, field.width)
        if arch_id:
            upper = Bytes(message.at, self.server.big, self.server.big)
            upper.put(56, 4, upper.get(56, 4) & ~(bits >> 32))
            upper.put(60, 4, 0)
            return call, bytes(upper.at)
        return call, bytes(message.at)

    def decide(self, offered):
        named = self.spec.by_id.get(self.arch_id)
        client = named or self.said
        same = client and not values.differ(client, self.server)
        if self.policy == "ignore":
            self.untouched = True
            self.client = client
        elif offered:
            self.client = client
            if not (named and same):
                self.answered, self.client = True, self.spec.canonical
        elif self.policy == "refuse":
            if not same or self.big != self.server.big:
                raise Refused(EPROTO)
            self.client = client
        elif self.arch_id and not client:
            raise Refused(EPROTO)
        else:
            self.client = client

    def init_reply(self, message):
        body = len(message.at) - 16
        malformed(body >= 8)
        inner = Bytes(message.at, self.server.big, self.server.big)
        if self.major == 7 and inner.get(16, 4) == 7:
            malformed(inner.get(20, 4) >= OLDEST)
            if body >= 24:
                self.answer(inner, body)
        message.at = inner.at
        for at, width in OUT_HEADER:
            message.turn(at, width)
        for field in self.spec.opcode[INIT].reply.fields:
            if field.kind != "bytes" and field.at + field.width <= body:
                message.turn(16 + field.at, field.width)
        return bytes(message.at)

    def answer(self, reply, body):
        flags = reply.get(28, 4)
        if self.answered and body < 36:
            named = self.spec.by_id.get(self.arch_id)
            self.answered = False
            malformed(named)
            self.client = named
        if flags & EXT and body >= 36:
            flags |= reply.get(48, 4) << 32
        self.setxattr_ext = bool(flags & self.flags & SETXATTR_EXT)
        if flags & MAX_PAGES and body >= 30:
            reply.put(44, 2, self.pages(reply.get(44, 2)))
        if reply.get(20, 4) > NEWEST:
            reply.put(20, 4, NEWEST)
        if body < 36:
            return
        bits = offer_bits(self.minor)
        now = flags & ~bits
        if self.answered:
            now |= self.flags & bits | EXT
        if now != flags:
            reply.put(28, 4, now & 0xFFFFFFFF)
            reply.put(48, 4, now >> 32)

    def pages(self, count):
        page = 4096 if self.answered else self.client and self.client.page
        if not page:
            return count
        return min(0xFFFF, -(-count * self.server_page // page))


class Client(Session):
    """The client's part: one that translates its own messages."""

    def __init__(self, spec, arch, policy="translate", page=0):
        plain = types.SimpleNamespace(**vars(arch))
        super().__init__(spec, plain, arch, policy, page)
        self.own, self.client, self.page = arch, arch, page or arch.page
        self.big, self.offered = arch.big, 0

    def words(self):
        return f"- {self.own.name} {self.policy} {self.server_page}"

    def server_big(self):
        return self.big

    def towards(self, arch):
        """What the server is taken for; byte order is the client's: 2.1."""
        self.server = types.SimpleNamespace(**vars(arch))
        self.server.big = self.big

    def ioctl_request(self, call, message):
        """The size may stay (6.7); the payload is the server's (3.6)."""
        call.ioctl = (True, {})
        try:
            return values.ioctl(self.spec, self.own, self.server,
                                message.get(52, 4)), []
        except NoCounterpart:
            raise Refused(ENOTTY) from None

    def init(self, call, code, data, big):
        call.opcode, call.big = code, big
        message, body = Bytes(data, big, big), len(data) - 40
        call.unique = message.get(8, 8)
        major, minor, flags, arch_id = read_init(message, code)
        self.big, self.minor, self.major, self.flags = big, minor, major, flags
        self.setxattr_ext = self.answered = False
        self.towards(self.own)
        if major == 7 and minor < OLDEST:
            raise Refused(EPROTO)
        # Its own offer, or ours in its place; 3.6.
        self.offered = flags & offer_bits(minor) if arch_id else 0
        self.ours = (self.policy != "ignore" and code == INIT and major == 7
                     and body >= 24)
        if self.ours:
            self.offered = CANON_ARCH
            flags = flags & ~offer_bits(minor) | CANON_ARCH | EXT
            message.put(52, 4, flags & 0xFFFFFFFF)
            message.put(56, 4, flags >> 32)
            message.put(60, 4, fuse_spec.arch_id(self.own.name))
        return call, bytes(message.at)

    def init_reply(self, message):
        body = len(message.at) - 16
        malformed(body >= 8)
        if self.major != 7 or message.get(16, 4) != 7:
            return bytes(message.at)
        malformed(message.get(20, 4) >= OLDEST)
        if body < 24:
            return bytes(message.at)
        flags = message.get(28, 4)
        if flags & EXT and body >= 36:
            flags |= message.get(48, 4) << 32
        if flags & offer_bits(self.minor) & ~self.offered:
            raise Refused(EPROTO)
        self.setxattr_ext = bool(flags & self.flags & SETXATTR_EXT)
        if self.ours:
            self.take_answer(message, body, flags)
        if message.get(20, 4) > NEWEST:
            message.put(20, 4, NEWEST)
        return bytes(message.at)

    def take_answer(self, reply, body, flags):
        """The rest of the client sees neither offer nor answer: 3.6."""
        if flags & CANON_ARCH:
            self.answered = True
            self.towards(self.spec.canonical)
            if flags & MAX_PAGES and body >= 30:
                reply.put(44, 2, self.pages(reply.get(44, 2)))
        if body < 36:
            return
        flags &= ~CANON_ARCH
        if not self.flags & EXT:
            flags &= 0xFFFFFFFF & ~EXT
        reply.put(28, 4, flags & 0xFFFFFFFF)
        reply.put(48, 4, flags >> 32)

    def pages(self, count):
        """Rounded down, but to no less than 1: 5.6."""
        if not self.page or not count:
            return count
        return max(1, min(0xFFFF, count * 4096 // self.page))
