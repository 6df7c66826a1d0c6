# SPDX-License-Identifier: BSD-2-Clause
"""The data files of the ABI tables: reading and writing them."""
import os
import types

KINDS = {  # file of each kind and where its values stand
    "open": "open flags: asm/fcntl.h",
    "errno": "error numbers: asm/errno.h",
    "lock": "lock types: asm/fcntl.h",
    "poll": "poll events: asm/poll.h",
    "ioctl": "ioctl encoding: asm/ioctl.h; names: asm/ioctls.h, asm/sockios.h",
}
DECIMAL = ("errno", "lock")


def lines(folder, name):
    with open(os.path.join(folder, name)) as data:
        for line in data:
            words = line.split("#")[0].split()
            if words:
                yield words


def read_abis(folder):
    abis = []
    for word, *rest in lines(folder, "abis.tbl"):
        if word == "abi":
            name, bits, order, page, *groups = rest
            abis.append(types.SimpleNamespace(
                name=name, bits=int(bits), big=order == "big",
                page=int(page), group=dict(zip(KINDS, groups, strict=True)),
                uname=[], alias=[], deb=[], source=[], define=[]))
        else:
            getattr(abis[-1], word).extend(rest)
    return abis


def read_counterparts(folder):
    return dict(lines(folder, "counterparts.tbl"))


def read_groups(folder, kind):
    """{group: {name: value}}, in the order of the file."""
    rows = list(lines(folder, kind + ".tbl"))
    groups = {group: {} for group in rows[0][1:]}
    for name, *values in rows[1:]:
        for group, value in zip(groups, values, strict=True):
            if value != "-":
                groups[group][name] = int(value, 0)
    return groups


def read_plain(folder):
    return {name: int(value, 0) for name, value in lines(folder, "plain.tbl")}


def format_groups(kind, groups, proof):
    text = ("# SPDX-License-Identifier: BSD-2-Clause\n"
            "#\n"
            f"# Linux {KINDS[kind]}.\n"
            "# Derived by generate.py. One column for each group of ABIs "
            "that share them all;\n"
            "# \"-\" where a group lacks the name. Each column was read, with "
            "one result,\n# from:\n")
    for group in groups:
        text += f"#   {group:8} {wrap(proof[kind, group])}\n"
    form = "{}" if kind in DECIMAL else "{:#x}"
    order = list(groups)
    names = {name: None for group in order for name in groups[group]}

    def key(name):
        values = [groups[g].get(name) for g in order]
        return [(v is None, v or 0) for v in values]
    if kind in ("errno", "ioctl"):
        names = sorted(names, key=lambda n: (n[0] != "_", *key(n), n))
    rows = [["name"] + order]
    for name in names:
        rows.append([name] + [form.format(groups[g][name])
                              if name in groups[g] else "-" for g in order])
    width = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        text += " ".join(w.ljust(n) for w, n in zip(row, width)).rstrip()
        text += "\n"
    return text


def wrap(words):
    out, length = "", 12
    for word in dict.fromkeys(words):
        if length + len(word) > 78:
            out, length = out.rstrip() + "\n#            ", 12
        out, length = out + word + " ", length + len(word) + 1
    return out.rstrip()


def format_plain(plain):
    text = ("# SPDX-License-Identifier: BSD-2-Clause\n"
            "#\n"
            "# ioctl numbers of drivers that are older than _IOC(), from "
            "linux/*.h.\n"
            "# Derived by generate.py. The same on every Linux ABI.\n")
    for name, value in sorted(plain.items(), key=lambda p: (p[1], p[0])):
        text += f"{name} {value:#06x}\n"
    return text


def format_all(kinds, plain, proof):
    """{file name: text}; the generic group first, as it is the canonical."""
    files = {}
    for kind, groups in kinds.items():
        order = sorted(groups, key=lambda g: (g != "generic", g))
        files[kind + ".tbl"] = format_groups(
            kind, {g: groups[g] for g in order}, proof)
    files["plain.tbl"] = format_plain(plain)
    return files
