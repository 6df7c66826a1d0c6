# SPDX-License-Identifier: BSD-2-Clause
"""Reads docs/protocol.md: its tables, as another implementation would."""
import os
import re
import types

HERE = os.path.dirname(os.path.abspath(__file__))
TEXT = os.path.join(HERE, "..", "..", "docs", "protocol.md")
KINDS = ("open", "errno", "lock", "poll", "ioctl")


def number(cell):
    return None if cell in ("", "-") else int(cell, 0)


def tables(text):
    """All tables of a text, each a list of rows of cells, the head first."""
    found, rows = [], []
    for line in text.splitlines() + [""]:
        if line.startswith("|"):
            rows.append([cell.strip() for cell in line.strip("|").split("|")])
        elif rows:
            found.append([rows[0]] + rows[2:])
            rows = []
    return found


class Spec:
    """What the text says, as data."""

    def __init__(self, path=TEXT):
        with open(path) as file:
            text = file.read()
        self.generated = dict(re.findall(
            r"<!-- generated:([\w-]+) -->\n(.*?)<!-- end -->", text,
            re.DOTALL))
        self.read_architectures()
        self.read_values()
        self.read_ioctl()
        self.read_messages(text)

    def table(self, name):
        return tables(self.generated[name])[0]

    def read_architectures(self):
        self.arch, self.by_id = {}, {}
        for names, bits, order, page, *groups in self.table(
                "architectures")[1:]:
            pairs = [pair.split() for pair in names.split(", ")]
            arch = types.SimpleNamespace(
                name=pairs[0][0], bits=int(bits), big=order == "big",
                page=number(page) or 0,
                group=dict(zip(KINDS, groups, strict=True)))
            for name, arch_id in pairs:
                self.arch[name] = arch
                self.by_id[int(arch_id, 16)] = arch
        self.canonical = types.SimpleNamespace(
            name="canonical", bits=64, big=None, page=4096,
            group={kind: "generic" for kind in KINDS})

    def columns(self, name):
        """{group: [(row's name, value or None)...]} of one table."""
        head, *rows = self.table(name)
        return {group: [(row[0], number(row[i])) for row in rows]
                for i, group in enumerate(head) if i}

    def read_values(self):
        self.open = {group: dict(column) for group, column
                     in self.columns("open-flags").items()}
        self.open_input = {group: {} for group in self.open}
        for group, bit, name in self.table("open-flags-input")[1:]:
            self.open_input[group][int(bit, 0)] = name
        self.errno = self.columns("errno")
        self.lock = self.columns("lock")
        self.poll = self.columns("poll")

    def read_ioctl(self):
        self.named = self.columns("ioctl-names")
        self.plain = {int(word.split()[0], 16) for word in
                      self.generated["ioctl-plain"].replace("\n", " ")
                      .strip().split(",")}
        self.encoding = {}
        for group, bits, none, write, read, size in self.table(
                "ioctl-encoding")[1:]:
            self.encoding[group] = types.SimpleNamespace(
                three=bits == "3", none=int(none), write=int(write),
                read=int(read), wide="with" in size)
        self.payload = {}
        for _, kind, nr, lengths, parts, is_long in self.table(
                "ioctl-payloads")[1:]:
            forms = {}
            for length, form in zip(lengths.split(" or "),
                                    parts.split(" or "), strict=True):
                widths = []
                for count, what in re.findall(r"(\d+) (bytes|of \d+)", form):
                    width = 1 if what == "bytes" else int(what[3:])
                    widths += [width] * int(count)
                assert sum(widths) == int(length)
                forms[int(length)] = widths
            self.payload[int(kind, 16), int(nr)] = (forms, is_long == "yes")

    def read_messages(self, text):
        self.struct = {"": (0, [])}
        for name, size, body in re.findall(
                r"^`([\w, ]+)`, (\d+) bytes\n\n(.*?)\n\n",
                self.generated["structs"] + "\n\n", re.DOTALL | re.MULTILINE):
            fields = [types.SimpleNamespace(
                name=row[0], at=int(row[1]), width=int(row[2]), kind=row[3])
                for row in tables(body)[0][1:]]
            self.struct[name] = (int(size), fields)
        counted = {}
        for table in tables(text):
            if table[0] == ["message", "field", "what it counts"]:
                for message, field, what in table[1:]:
                    each = re.search(r"of (\d+) bytes", what)
                    counted[message] = (field, int(each[1]) if each else 1)
        self.opcode, self.notify = {}, {}
        for (code, name, _, req, req_tail, ext, reply,
             reply_tail) in self.table("opcodes")[1:]:
            answered = reply != "no reply"
            self.opcode[int(code)] = types.SimpleNamespace(
                name=name, code=int(code), answered=answered,
                request=self.layout(req, req_tail, ext == "ext",
                                    counted.pop(name + " request", None)),
                reply=self.layout(reply if answered else "",
                                  reply_tail or "none", False, None))
        for code, name, _, fixed, tail in self.table("notifications")[1:]:
            self.notify[int(code)] = types.SimpleNamespace(
                name=name, code=int(code),
                layout=self.layout(fixed, tail, False, counted.pop(
                    name + " notification", None)))
        assert not counted

    def layout(self, name, tail, ext, counted):
        size, fields = self.struct[name]
        kinds = [f for f in fields if f.kind not in ("number", "bytes")]
        assert len(kinds) <= 1
        field = {f.name: f for f in fields}
        count = (field[counted[0]], counted[1]) if counted else None
        return types.SimpleNamespace(
            struct=name, size=size, fields=fields, field=field, tail=tail,
            ext=ext, special=kinds[0] if kinds else None, count=count)


def arch_id(name):
    value = 0x811C9DC5
    for byte in name.encode():
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return value or 1
