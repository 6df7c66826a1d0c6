# SPDX-License-Identifier: BSD-2-Clause
"""Random messages, most of them sound, some of them broken."""
import fuse_canon
import fuse_values as values
from fuse_values import NoCounterpart

INIT, CUSE_INIT, IOCTL = fuse_canon.INIT, fuse_canon.CUSE_INIT, fuse_canon.IOCTL


class Writer:
    """Random messages of one side: RNG, whose values, which byte order."""

    def __init__(self, spec, rng, arch, big):
        self.spec, self.rng, self.arch = spec, rng, arch
        self.order = "big" if big else "little"

    def int(self, value, width):
        return (value & (1 << 8 * width) - 1).to_bytes(width, self.order)

    def any(self, width):
        rng = self.rng
        return rng.choice((rng.getrandbits(8 * width), rng.getrandbits(4), 0,
                           (1 << 8 * width) - 1))

    def bytes(self, most=24):
        return self.rng.randbytes(self.rng.randrange(most))

    def name(self):
        return bytes(self.rng.randrange(1, 256)
                     for _ in range(self.rng.choice((0, 1, 3, 8, 30)))) + b"\0"

    def length(self, value):
        """A length or a count, wrong now and then."""
        if self.rng.random() < 0.04:
            value = self.rng.choice((value + 1, value - 1, 0, value * 4))
        return self.int(value, 4)

    # Single values.

    def bits(self, known):
        rng = self.rng
        if rng.random() < 0.1:
            return rng.getrandbits(32)
        out = 0
        for bit in rng.choices(list(known), k=rng.randrange(6)):
            out |= bit
        return out | (1 << rng.randrange(32) if rng.random() < 0.1 else 0)

    def special(self, kind):
        group = self.arch.group
        if kind == "open flags":
            known = self.spec.open[group["open"]]
            whole = (known["__O_SYNC"] | known["O_DSYNC"],
                     known["__O_TMPFILE"] | known["O_DIRECTORY"])
            return self.bits((*known.values(), *whole, 1, 2, 3, 0x20,
                              0x4000000))
        if kind == "poll":
            return self.bits([v for _, v in self.spec.poll[group["poll"]]])
        assert kind == "lock"
        if self.rng.random() < 0.05:
            return self.rng.randrange(12)
        return self.rng.choice(self.spec.lock[group["lock"]])[1]

    def error(self):
        """Negative, or 0."""
        known = [n for _, n in self.spec.errno[self.arch.group["errno"]] if n]
        return -self.rng.choice((self.rng.choice(known),
                                 self.rng.randrange(4096),
                                 self.rng.choice((1133, 512, 511, 4095, 11))))

    def ioctl(self):
        """A number, and a length that may go with it."""
        rng, spec = self.rng, self.spec
        kind = rng.randrange(5)
        if kind == 0:
            named = spec.named[self.arch.group["ioctl"]]
            return rng.choice([n for _, n in named if n]), rng.choice((0, 4))
        if kind == 1:
            return rng.choice(sorted(spec.plain)), 0
        if kind == 2:
            return rng.getrandbits(rng.choice((16, 32))), rng.choice((0, 8))
        (key, nr), (forms, _) = rng.choice(sorted(spec.payload.items()))
        size = rng.choice(list(forms))
        cmd = rng.randrange(4) << 30 | size << 16 | key << 8 | nr
        if key == 0x54:
            cmd &= 0xFFFF
        try:
            cmd = values.ioctl(spec, spec.canonical, self.arch, cmd)
        except NoCounterpart:
            pass
        return cmd, size

    # Messages.

    def fixed(self, layout, given):
        out = b""
        for field in layout.fields:
            if field.name in given:
                out += self.int(given[field.name], field.width)
            elif field.kind == "bytes":
                out += self.rng.randbytes(field.width)
            elif field.kind == "number":
                out += self.int(self.any(field.width), field.width)
            else:
                out += self.int(self.special(field.kind), field.width)
        return out

    def tail(self, layout):
        """The tail, and what its length field says."""
        rng, kind = self.rng, layout.tail
        if kind == "name":
            name = self.name()
            return name, len(name) - 1
        if kind == "two names":
            return self.name() + self.name(), 0
        if kind == "name, bytes":
            value = self.bytes()
            return self.name() + value, len(value)
        if kind in ("data", "bytes"):
            value = self.bytes(60)
            return value, len(value)
        if kind == "array":
            count = rng.randrange(5)
            return rng.randbytes(count * layout.count[1]), count
        if kind.startswith("dirents"):
            records = b"".join(self.record(kind != "dirents")
                               for _ in range(rng.randrange(4)))
            if rng.random() < 0.2:
                records = records[:rng.randrange(len(records) + 1)]
            return records, 0
        return b"", 0

    def record(self, plus):
        name = self.name()[:-1] or b"x"[self.rng.random() < 0.05:]
        out = self.rng.randbytes(128) if plus else b""
        out += self.int(self.any(8), 8) + self.int(self.any(8), 8)
        out += self.length(len(name)) + self.int(self.any(4), 4) + name
        return out + self.rng.randbytes(-len(out) % 8)

    def extensions(self):
        out = b""
        for _ in range(self.rng.choice((1, 1, 2))):
            kind = self.rng.choice((0, 1, 2, 32, 32, 40))
            body = b""
            if kind == 32:
                count = self.rng.randrange(5)
                body = self.length(count) + self.rng.randbytes(4 * count)
            elif kind < 32:
                for _ in range(kind):
                    value = self.bytes()
                    body += self.length(len(value)) + self.rng.randbytes(4)
                    body += self.name() + value
                    body += bytes(-len(body) % 8)
            else:
                body = self.bytes()
            out += self.length(8 + len(body)) + self.int(kind, 4) + body
            out += bytes(-len(out) % 8)
        return out

    def request(self, op, short_setxattr):
        layout, given, ext = op.request, {}, b""
        tail, count = self.tail(layout)
        if op.code == IOCTL:
            cmd, size = self.ioctl()
            count = self.rng.choice((0, size))
            tail = self.rng.randbytes(count)
            given = {"cmd": cmd, "out_size": self.rng.choice((0, size)),
                     "flags": self.rng.choice((0, 0, 0, 8, 9, 2))}
        if layout.count:
            given[layout.count[0].name] = count
        body = self.fixed(layout, given)
        if op.code == fuse_canon.SETXATTR and short_setxattr:
            body = body[:8]
        if layout.ext and self.rng.random() < 0.4:
            ext = self.extensions()
        body += tail + ext
        extlen = self.rng.choice((0, self.rng.getrandbits(16)) +
                                 8 * (len(ext) // 8,))
        return self.in_header(op.code, len(body), extlen) + body

    def in_header(self, code, body, extlen=0):
        return (self.int(40 + body, 4) + self.int(code, 4)
                + self.rng.randbytes(28) + self.int(extlen, 2)
                + self.rng.randbytes(2))

    def out_header(self, unique, body, error=0):
        return (self.int(16 + body, 4) + self.int(error, 4)
                + self.int(unique, 8))

    def reply(self, op, call):
        if self.rng.random() < 0.25:
            return self.out_header(call.unique, 0, self.error())
        layout = op.reply
        tail, _ = self.tail(layout)
        body = self.fixed(layout, {"result": self.rng.choice(
            (0, 5, self.error()))}) if layout.struct else b""
        if op.code in (fuse_canon.GETXATTR, fuse_canon.LISTXATTR):
            body, tail = (body, b"") if call.asks_size else (b"", tail)
        if op.code == IOCTL:
            body, tail = self.ioctl_reply(body, call)
        return self.out_header(call.unique, len(body + tail)) + body + tail

    def ioctl_reply(self, body, call):
        forms = call.ioctl[1] if call.ioctl else {}
        counts, flags = (0, 0), 0
        tail = self.rng.randbytes(self.rng.choice((0, *forms)))
        if self.rng.random() < 0.2:
            flags, counts = 4, (self.rng.randrange(3), self.rng.randrange(3))
            tail = self.rng.randbytes(16 * sum(counts))
        body = body[:4] + self.int(flags, 4) + b"".join(
            self.int(count, 4) for count in counts)
        return body, tail

    def notify(self, op):
        tail, count = self.tail(op.layout)
        given = {op.layout.count[0].name: count} if op.layout.count else {}
        body = self.fixed(op.layout, given) + tail
        return self.out_header(0, len(body), op.code) + body

    # Handshakes.

    def init(self, arch_id, known_minor):
        rng = self.rng
        code = CUSE_INIT if rng.random() < 0.03 else INIT
        minor = rng.choice((11, 12, 31, 35, 36, 37, 38, 40, 41, 45, 47,
                            47 if known_minor else 60))
        flags = rng.getrandbits(64)
        if rng.random() < 0.9:
            flags |= 1 << 30
        if rng.random() < 0.6:
            flags |= 1 << 40 | 1 << 62
        body = self.int(rng.choice((7,) * 9 + (8,)), 4) + self.int(minor, 4)
        body += self.int(0x20000, 4) + self.int(flags, 4)
        body += self.int(flags >> 32, 4) + self.int(arch_id, 4)
        body += rng.randbytes(40 + 8)
        body = body[:rng.choice((64,) * 8 + (16, 20, 24, 28, 72))]
        return self.in_header(code, len(body)) + body

    def init_reply(self, op, call):
        rng = self.rng
        if op.code == CUSE_INIT:
            return self.reply(op, call)
        flags = rng.getrandbits(64) | (rng.random() < 0.9) << 30
        flags |= (rng.random() < 0.9) << 22
        body = self.fixed(op.reply, {
            "major": rng.choice((7,) * 9 + (6,)), "flags": flags,
            "minor": rng.choice((11, 12, 31, 38, 45, 47, 60)), "flags2": flags >> 32,
            "max_pages": rng.choice((0, 1, 3, 16, 256, 65535))})
        body += rng.randbytes(8)
        body = body[:rng.choice((64,) * 8 + (8, 24, 30, 36, 72))]
        return self.out_header(call.unique, len(body)) + body


def broken(rng, message, big):
    """The message with something wrong in it, or not."""
    order = "big" if big else "little"
    out = bytearray(message)
    for _ in range(rng.choice((1, 1, 2))):
        kind = rng.randrange(6)
        if kind == 0:
            out = out[:rng.randrange(len(out) + 1)]
        elif kind == 1:
            out += rng.randbytes(rng.randrange(1, 17))
        elif len(out) > 16:
            at = rng.randrange(16, len(out))
            if kind == 2:
                out[at] = rng.choice((0, 1, 255, rng.randrange(256)))
            elif kind == 3:
                at -= at % 4
                size = len(out[at:at + 4])
                out[at:at + size] = rng.choice(
                    (0, 1, len(out), 31, 32, 2 ** 32 - 1)
                ).to_bytes(4, order)[-size:]
            elif kind == 4:
                out[at:at + 1] = b""
            else:
                at = rng.randrange(16)
                out[at] ^= 1 << rng.randrange(8)
    if rng.random() < 0.9 and len(out) >= 4:
        out[:4] = len(out).to_bytes(4, order)
    return bytes(out)
