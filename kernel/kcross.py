# SPDX-License-Identifier: GPL-2.0-only
"""Tools of a newer Debian than this machine's, run with its own C library.

The headers of a newer kernel may want an assembler, and a checker, that this
Debian does not have.
"""

import os
import re
import subprocess

from packages import FetchError, retried, unpack


def host_arch():
    return subprocess.run(["dpkg", "--print-architecture"], check=True,
                          stdout=subprocess.PIPE, text=True).stdout.strip()


def _packages(apt, triplet):
    """The compiler, the assembler, and the libraries that they need."""
    meta = "gcc-" + triplet.replace("_", "-")
    gcc = [n for n in apt.depends(meta) if re.fullmatch(r"gcc-\d+-.*", n)]
    if not gcc:
        raise FetchError("%s: names no compiler" % meta)
    names = {gcc[0], gcc[0].replace("gcc-", "cpp-", 1),
             "binutils-" + triplet.replace("_", "-")}
    todo = sorted(names)
    while todo:
        for name in apt.depends(todo.pop()):
            if name.startswith("lib") and name not in names and \
                    not name.endswith(("-cross", "-dev")):
                names.add(name)
                todo.append(name)
    return gcc[0].split("-")[1], sorted(names)


def _is_program(path):
    return (path.is_file() and not path.is_symlink() and
            ".so" not in path.name and os.access(path, os.X_OK) and
            path.read_bytes()[:4] == b"\x7fELF")


def wrap(path, final, loader, folder):
    """Let a script take the place of a program, which starts it with the
    loader and the libraries in FOLDER. FINAL: where it will be."""
    path.rename(path.with_name(path.name + ".real"))
    path.write_text('#!/bin/sh\nexec %s --library-path %s %s.real "$@"\n' %
                    (loader, folder, final), encoding="utf-8")
    path.chmod(0o755)


def _unpack(tree, final, debs):
    """Make the programs of packages, one of them libc6, run from FINAL."""
    for deb in debs:
        unpack(deb, tree)
    loader = next(tree.rglob("ld-linux*.so.*"))
    folder = next(tree.rglob("libc.so.6")).parent
    for path in sorted((tree / "usr").rglob("*")):
        if path != loader and _is_program(path):
            wrap(path, final / path.relative_to(tree),
                 final / loader.relative_to(tree),
                 final / folder.relative_to(tree))


def compiler(tree, tmp, final, suite, triplet):
    """Put the compiler of a release into TREE, which will be FINAL."""
    def work(apt):
        version, names = _packages(apt, triplet)
        return version, [apt.download(n, tmp) for n in names]

    version, debs = retried("gcc of " + suite, suite, host_arch(), work)
    _unpack(tree, final, debs)
    name = tree / "usr/bin" / (triplet + "-gcc")
    if not name.exists():
        name.symlink_to("%s-gcc-%s" % (triplet, version))


def sparse(tree, tmp, final, suite):
    """The same for sparse, which has to know the newest attributes."""
    def work(apt):
        return [apt.download(n, tmp) for n in ("sparse", "libc6")]

    _unpack(tree, final, retried("sparse of " + suite, suite, host_arch(),
                                 work))
