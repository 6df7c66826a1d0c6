#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Fills the tables of docs/protocol.md: values with what libcrossfuse makes of
them, messages from the source that its own tables are made of.

    docs/generate.py           writes docs/protocol.md
    docs/generate.py --check   compares, and tells what is not as it should be

docs/dump.c, which is compiled with the library here, asks it for the values;
lib/message/wire.py reads the messages.
"""
import difflib
import glob
import json
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(ROOT, "lib", "message"))
import wire  # noqa: E402

PROTOCOL = wire.Protocol()
TEXT = os.path.join(ROOT, "docs", "protocol.md")

# linux/fs.h and its like; the library tells the numbers.
PAYLOAD_NAMES = {
    (0x00, 2): "FIGETBSZ", (0x15, 0): "FS_IOC_GETFSUUID",
    (0x15, 1): "FS_IOC_GETFSSYSFSPATH", (0x54, 0x1b): "FIONREAD",
    (0x54, 0x21): "FIONBIO", (0x54, 0x52): "FIOASYNC",
    (0x54, 0x60): "FIOQSIZE", (0x58, 31): "FS_IOC_FSGETXATTR",
    (0x58, 32): "FS_IOC_FSSETXATTR", (0x58, 121): "FITRIM",
    (0x66, 1): "FS_IOC_GETFLAGS", (0x66, 2): "FS_IOC_SETFLAGS",
    (0x76, 1): "FS_IOC_GETVERSION", (0x76, 2): "FS_IOC_SETVERSION",
    (0x94, 9): "FICLONE", (0x94, 13): "FICLONERANGE",
    (0x94, 49): "FS_IOC_GETFSLABEL", (0x94, 50): "FS_IOC_SETFSLABEL",
}


def dump():
    with tempfile.TemporaryDirectory() as folder:
        program = os.path.join(folder, "dump")
        sources = glob.glob(os.path.join(ROOT, "lib", "*", "*.c"))
        subprocess.run(
            [os.environ.get("CC", "cc"), "-std=gnu11", "-O1", "-I",
             os.path.join(ROOT, "include"), "-o", program,
             os.path.join(ROOT, "docs", "dump.c")] + sorted(sources),
            check=True)
        return json.loads(subprocess.run([program], check=True,
                                         stdout=subprocess.PIPE).stdout)


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |"
              for row in rows]
    return "\n".join(lines) + "\n"


def hexes(row):
    return ["-" if value < 0 else f"{value:#x}" for value in row]


def architectures(data):
    head = ("name, arch_id", "long", "byte order", "page", "open flags",
            "errno", "lock", "poll", "ioctl")
    rows = []
    for abi in data["abis"]:
        names = ", ".join(f"{name} {number:#010x}"
                          for name, number in abi["ids"])
        rows.append((names, abi["bits"], "big" if abi["big"] else "little",
                     abi["page"] or "", *abi["groups"]))
    return table(head, rows)


def values(kind, form):
    rows = [[name] + form(row) for name, *row in kind["rows"]]
    return table(["name"] + kind["groups"], rows)


def decimals(row):
    return ["-" if value < 0 else value for value in row]


def open_input(data):
    return table(("group", "bit", "is"),
                 [(group, f"{bit:#x}", name)
                  for group, bit, name in data["open"]["input"]])


def encoding(data):
    head = ("group", "bits of direction", "none", "write", "read",
            "bits of size")
    rows = []
    for group, none, write, read, without, size in data["ioctl"]["encoding"]:
        three = without < 14
        shift = 0 if three else 1
        rows.append((group, 3 if three else 2, none >> shift, write >> shift,
                     read >> shift,
                     without if size == without
                     else f"{without}; {size} with write or read"))
    return table(head, rows)


def plain(data):
    words = [f"{number:#06x} {name}" for name, number in
             data["ioctl"]["plain"]]
    lines, line = [], ""
    for word in words:
        if line and len(line) + len(word) + 2 > 79:
            lines.append(line + ",")
            line = word
        else:
            line = f"{line}, {word}" if line else word
    return "\n".join(lines + [line]) + "\n"


def parts_text(parts):
    """[4, 4, 1, 1, 1]: "2 of 4, 3 bytes"."""
    words, at = [], 0
    while at < len(parts):
        end = at
        while end < len(parts) and parts[end] == parts[at]:
            end += 1
        count = end - at
        words.append(f"{count} bytes" if parts[at] == 1
                     else f"{count} of {parts[at]}")
        at = end
    return ", ".join(words)


def payloads(data):
    rows = []
    for payload in data["payloads"]:
        name = PAYLOAD_NAMES[payload["type"], payload["nr"]]
        forms = payload["forms"]
        rows.append((name, f"{payload['type']:#04x}", payload["nr"],
                     " or ".join(str(form["size"]) for form in forms),
                     " or ".join(parts_text(form["parts"]) for form in forms),
                     "yes" if payload["long"] else ""))
    return table(("name", "type", "nr", "length", "integers, in order",
                  "*long*"), rows)


def tail(layout):
    return "name, bytes" if layout.tail == "name bytes" else layout.tail


def part(layout):
    return (layout.struct and PROTOCOL.title(layout.struct) or "",
            tail(layout))


def opcodes(_):
    rows = []
    for op in PROTOCOL.opcodes:
        reply = part(op.reply) if op.answered else ("no reply", "")
        rows.append((op.code, op.name, op.minor or "", *part(op.request),
                     "ext" if op.request.ext else "", *reply))
    return table(("code", "name", "since", "request", "its tail", "ext",
                  "reply", "its tail"), rows)


def notifications(_):
    return table(("code", "name", "since", "fixed part", "tail"),
                 [(op.code, op.name, op.minor or "", *part(op.request))
                  for op in PROTOCOL.notifies])


def counts(_):
    """Which field counts a tail, and what."""
    rows = []
    for what, ops in (("request", PROTOCOL.opcodes),
                      ("notification", PROTOCOL.notifies)):
        for op in ops:
            layout = op.request
            if not layout.count:
                continue
            says = {"data": "bytes of the data",
                    "name bytes": "bytes behind the name",
                    "ioctl": "bytes of the payload",
                    "name": "bytes of the name, its NUL not among them",
                    }.get(layout.tail)
            if layout.element:
                struct = PROTOCOL.struct.get(layout.element)
                inside = (", ".join(f.name for f in struct.fields)
                          if struct else "one integer")
                says = (f"elements of {PROTOCOL.element_size(layout.element)}"
                        f" bytes ({inside})")
            rows.append((f"{op.name} {what}", layout.count.name, says))
    return table(("message", "field", "what it counts"), rows)


def fields(name):
    found = PROTOCOL.struct[name].fields
    wide = 4 if any(f.since for f in found) else 3
    return table(("field", "offset", "bytes", "since")[:wide],
                 [(f.name, f.at, f.width, f.since or "")[:wide]
                  for f in found])


def structs(_):
    seen = {}
    for op in PROTOCOL.opcodes + PROTOCOL.notifies:
        for layout in (op.request, op.reply):
            if layout.struct:
                seen[layout.struct] = PROTOCOL.struct[layout.struct]
    text = ""
    for name, struct in seen.items():
        text += f"\n`{PROTOCOL.title(name)}`, {struct.size} bytes\n\n"
        text += table(("field", "offset", "bytes", "kind", "since"),
                      [(f.name, f.at, f.width, f.kind, f.since or "")
                       for f in struct.fields])
    return text[1:]


def detection(data):
    kind = data["open"]
    row = {name: values for name, *values in kind["rows"]}
    return table(("group", "O_LARGEFILE", "O_DIRECTORY"),
                 [(group, f"{row['O_LARGEFILE'][k]:#x}",
                   f"{row['O_DIRECTORY'][k]:#x}")
                  for k, group in enumerate(kind["groups"])])


TABLES = {
    "architectures": architectures,
    "open-flags": lambda data: values(data["open"], hexes),
    "open-flags-input": open_input,
    "errno": lambda data: values(data["errno"], decimals),
    "lock": lambda data: values(data["lock"], decimals),
    "poll": lambda data: values(data["poll"], hexes),
    "ioctl-encoding": encoding,
    "ioctl-names": lambda data: values(data["ioctl"], hexes),
    "ioctl-plain": plain,
    "ioctl-payloads": payloads,
    "opcodes": opcodes,
    "notifications": notifications,
    "counts": counts,
    "structs": structs,
    "in-header": lambda data: fields("in_header"),
    "out-header": lambda data: fields("out_header"),
    "extension": lambda data: fields("ext_header"),
    "context": lambda data: fields("secctx"),
    "groups": lambda data: fields("supp_groups"),
    "dirent": lambda data: fields("dirent"),
    "detection": detection,
}


def fill(text, data):
    found = []

    def one(match):
        found.append(match[1])
        return (f"<!-- generated:{match[1]} -->\n\n{TABLES[match[1]](data)}\n"
                "<!-- end -->\n")
    text = re.sub(r"<!-- generated:([\w-]+) -->\n.*?<!-- end -->\n", one, text,
                  flags=re.DOTALL)
    if sorted(found) != sorted(TABLES):
        raise SystemExit("protocol.md: not each table once: "
                         + ", ".join(sorted(set(found) ^ set(TABLES))))
    return text


def main():
    check = sys.argv[1:] == ["--check"]
    if sys.argv[1:] and not check:
        raise SystemExit("usage: generate.py [--check]")
    with open(TEXT) as file:
        old = file.read()
    new = fill(old, dump())
    if not check:
        with open(TEXT, "w") as file:
            file.write(new)
    elif old != new:
        sys.stdout.writelines(difflib.unified_diff(
            old.splitlines(True), new.splitlines(True), "docs/protocol.md",
            "as the library has it"))
        raise SystemExit("docs/protocol.md is not what docs/generate.py makes")


main()
