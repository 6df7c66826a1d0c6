# SPDX-License-Identifier: BSD-2-Clause
"""Reads the protocol: include/crossfuse/wire.h and data/messages.tbl."""
import os
import re
from types import SimpleNamespace as Thing

HERE = os.path.dirname(os.path.abspath(__file__))
HEADER = os.path.join(HERE, "..", "..", "include", "crossfuse", "wire.h")
TABLE = os.path.join(HERE, "data", "messages.tbl")
INTEGERS = {f"{sign}int{8 * width}_t": width
            for sign in ("", "u") for width in (1, 2, 4, 8)}
TAILS = ("two names", "name bytes", "name", "bytes", "data", "dirents plus",
         "dirents", "ioctl", "array")


def plain(text):
    """C without comments."""
    return re.sub(r"/\*.*?\*/", " ", text, flags=re.DOTALL)


def members(text, prefix):
    """{struct: [(field, its type, count or None)...]} of a header."""
    structs = {}
    for name, body in re.findall(r"\bstruct (\w+) \{([^{}]*)\}", plain(text)):
        if name.startswith(prefix):
            structs[name.removeprefix(prefix)] = [
                (field, kind, count and int(count)) for kind, field, count in
                re.findall(r"((?:struct )?\w+)\s+(\w+)(?:\[(\d*)\])?;", body)]
    return structs


class Protocol:
    """struct: {name: its flattened fields and size}; opcodes, notifies."""

    def __init__(self):
        with open(HEADER, encoding="ascii") as file:
            text = plain(file.read())
        self.code = {name: int(value) for name, value in
                     re.findall(r"\bCF_(\w+) = (\d+)", text)}
        self.members = members(text, "cf_")
        self.kind, self.since, self.short, self.called = {}, {}, {}, {}
        self.opcodes, self.notifies, rows = [], [], []
        with open(TABLE, encoding="ascii") as file:
            for line in file:
                words = line.split("#")[0].split()
                if words and words[0] in ("opcode", "notify"):
                    rows.append(words)
                elif words:
                    self.remark(*words)
        self.struct = {name: self.flatten(name) for name in self.members}
        for words in rows:
            self.message(*words)

    def remark(self, what, name, *words):
        place = self.since if what == "since" else self.kind
        if what in ("kind", "since"):
            struct, field = name.split(".", 1)
            place[struct, field] = (" ".join(words) if what == "kind"
                                    else int(words[0]))
        else:
            {"short": self.short, "called": self.called}[what][name] = (
                " ".join(words))

    def flatten(self, struct, owner=None):
        """The integers of a struct, those of structs in it among them."""
        fields, at = [], 0
        for name, kind, count in self.members[struct]:
            if kind.startswith("struct cf_"):
                inner = self.flatten(kind.removeprefix("struct cf_"),
                                     owner or struct)
                fields += [Thing(**{**vars(f), "name": f"{name}.{f.name}",
                                    "at": at + f.at}) for f in inner.fields]
                at += inner.size
                continue
            width = INTEGERS[kind]
            assert at % width == 0, (struct, name)
            fields.append(Thing(
                name=name, at=at, width=width * (count or 1),
                kind="bytes" if count else "number", unit=width,
                since=self.since.get((struct, name), 0)))
            at += fields[-1].width
        for field in fields:
            field.kind = self.kind.get((struct, field.name), field.kind)
        return Thing(name=struct, fields=fields, size=at)

    def message(self, what, name, minor, *words):
        request, colon, reply = " ".join(words).partition(":")
        code = ("NOTIFY_" if what == "notify" else "") + name
        (self.notifies if what == "notify" else self.opcodes).append(Thing(
            name=name, symbol="CF_" + code, code=self.code[code],
            minor=0 if minor == "-" else int(minor), answered=bool(colon),
            request=self.layout(request), reply=self.layout(reply)))

    def layout(self, text):
        """A struct, a tail, what counts it, extensions."""
        found = Thing(struct=None, tail="none", count=None, element=None,
                      ext=False)
        words = text.split()
        if words and words[0] in self.struct:
            found.struct = words.pop(0)
        if words and words[-1] == "ext":
            found.ext = bool(words.pop())
        if "of" in words:
            found.count = self.field(found.struct, words.pop())
            words.pop()
        rest = " ".join(words)
        found.tail = next((t for t in TAILS if rest.startswith(t)), "none")
        rest = rest.removeprefix(found.tail).strip()
        if found.tail == "array":
            found.element, rest = rest, ""
        assert not rest, text
        return found

    def field(self, struct, name):
        return next(f for f in self.struct[struct].fields if f.name == name)

    def shortest(self, struct):
        """Bytes of its oldest form that is still spoken."""
        return (self.field(struct, self.short[struct]).at
                if struct in self.short else self.struct[struct].size)

    def title(self, struct):
        """As linux/fuse.h calls it."""
        return self.called.get(struct, "fuse_" + struct)

    def element_size(self, element):
        return INTEGERS.get(element) or self.struct[element].size


def runs(fields):
    """(width, count, offset) of integers that stand one behind the other."""
    found = []
    for field in fields:
        if field.kind == "bytes":
            continue
        if found and (found[-1][0] == field.width and
                      sum(found[-1][1:2]) * field.width + found[-1][2]
                      == field.at):
            found[-1][1] += 1
        else:
            found.append([field.width, 1, field.at])
    return found
