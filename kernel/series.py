# SPDX-License-Identifier: GPL-2.0-only
"""Make the change in a Linux source tree, patch by patch."""

import pathlib
import re
import shutil
import subprocess

HERE = pathlib.Path(__file__).resolve().parent

UAPI = "include/uapi/linux/fuse.h"
FUSE = "fs/fuse"
DOCS = "Documentation/filesystems"

# The protocol's bit: the one that was proposed was taken by 7.41, and servers
# answer it as what it became
CANON_BIT = 62

# What the hooks go into; spatch is slow on files that need none
HOOKED = ["fuse_i.h", "fuse_dev_i.h", "dev.h", "dev.c", "inode.c", "ioctl.c"]


class SeriesError(Exception):
    """The tree is not one that the change fits."""


def substitute(path, pattern, replacement):
    """Replace the only match of a pattern; it is an error if there is none."""
    text = path.read_text(encoding="utf-8")
    text, count = re.subn(pattern, replacement, text, flags=re.M)
    if count != 1:
        raise SeriesError("%s: %d places match %r" % (path, count, pattern))
    path.write_text(text, encoding="utf-8")


def spatch(tree, script, files, *options):
    files = [f for f in files if (tree / FUSE / f).exists()]
    # No "-D name" but for virtual rules that are wanted
    cmd = ["spatch", "--very-quiet", "--in-place", "--sp-file",
           str(HERE / script), *options, *files]
    p = subprocess.run(cmd, cwd=tree / FUSE, check=False, text=True,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if p.returncode:
        raise SeriesError("spatch %s: %s" % (script, p.stderr.strip()))


def require(tree, name, *patterns):
    """What spatch did not match it leaves alone without a word."""
    text = (tree / FUSE / name).read_text(encoding="utf-8")
    for pattern in patterns:
        count = len(re.findall(pattern, text))
        if count != 1:
            raise SeriesError("%s/%s: %d places have %r after the hooks" %
                              (FUSE, name, count, pattern))


def has_channel(tree):
    path = tree / FUSE / "fuse_dev_i.h"
    return path.exists() and "struct fuse_chan {" in path.read_text(
        encoding="utf-8")


def edit_edquot(tree):
    spatch(tree, "edquot.cocci", ["dev.c", "dev_uring.c"])
    require(tree, "dev.c", r"-EDQUOT")


def edit_uapi(tree):
    path = tree / UAPI
    substitute(path, r"^ \*/\n\n#ifndef _LINUX_FUSE_H$",
               " *  - add arch_id to fuse_init_in, add FUSE_CANON_ARCH init "
               "flag\n */\n\n#ifndef _LINUX_FUSE_H")
    substitute(path, r"^(\tuint32_t\tflags2;\n)\tuint32_t\tunused\[11\];$",
               r"\1\tuint32_t\tarch_id;\n\tuint32_t\tunused[10];")
    # The comment on the flags ends right before the first of them
    substitute(path, r"^ \*/\n#define FUSE_ASYNC_READ\t",
               " * FUSE_CANON_ARCH: what differs between architectures is in "
               "the form of\n *\t\t    asm-generic, and max_pages in units of "
               "4096 bytes\n */\n#define FUSE_ASYNC_READ\t")
    text = path.read_text(encoding="utf-8")
    last = re.findall(r"^#define FUSE_\w+\s+\(1ULL << \d+\)$", text, re.M)
    flags = [l for l in last if "UNIQUE" not in l]
    if not flags:
        raise SeriesError(UAPI + ": no flags above bit 31")
    substitute(path, "^" + re.escape(flags[-1]) + "$",
               flags[-1].replace("\\", r"\\") +
               "\n#define FUSE_CANON_ARCH\\t\\t(1ULL << %d)" % CANON_BIT)


def add_files(tree):
    for name in ("canon.c", "canon.h", "canon_values.h"):
        shutil.copy(HERE / name, tree / FUSE / name)
    if not (tree / FUSE / "fuse_dev_i.h").exists():
        substitute(tree / FUSE / "canon.c", r'^#include "fuse_dev_i.h"\n', "")
    path = tree / FUSE / "Makefile"
    lines = path.read_text(encoding="utf-8").splitlines()
    own = [n for n, l in enumerate(lines) if re.match(r"fuse-y\s*\+?:?=", l)]
    if not own:
        raise SeriesError(FUSE + "/Makefile: no fuse-y")
    lines.insert(own[-1] + 1, "fuse-y += canon.o")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def document_flag(tree):
    name = "fuse_dev_i.h"
    if not (tree / FUSE / name).exists():
        name = "fuse_i.h"
    substitute(tree / FUSE / name, r"^( \* @?)FR_ASYNC:(\t+)(.*)$",
               r"\1FR_ASYNC:\2\3\n\1FR_CANON:\2arguments are in canonical "
               "form")


def edit_canon(tree):
    add_files(tree)
    options = ["-D", "channel"] if has_channel(tree) else []
    spatch(tree, "canon.cocci", HOOKED, *options)
    document_flag(tree)
    include = r'#include "canon.h"'
    owner = "fch" if has_channel(tree) else "fc"
    require(tree, "inode.c", include, r"fuse_canon_answer\(",
            r"fuse_canon_arch_id\(", r"flags \|= FUSE_CANON_ARCH")
    require(tree, "ioctl.c", include, r"fuse_canon_ioctl_ok\(")
    require(tree, "dev.c", include, r"fuse_canon_request\(",
            r"if \(%s->canon_arch\)\n\s+oh.error = fuse_canon_error\(" % owner)
    if len(re.findall(r"fuse_canon_reply\(", (tree / FUSE / "dev.c").read_text(
            encoding="utf-8"))) != 2:
        raise SeriesError("fs/fuse/dev.c: not both ends of a request")
    require(tree, "fuse_i.h", r"canon_arch:1")
    requests = "fuse_dev_i.h"
    if not (tree / FUSE / requests).exists():
        requests = "fuse_i.h"
    require(tree, requests, r"\tFR_CANON,", r"u32 canon_saved;")
    if has_channel(tree):
        require(tree, "inode.c", r"\.canon_arch = fc->canon_arch")
        require(tree, "dev.c", r"->canon_arch = param->canon_arch")


def edit_docs(tree):
    folder = tree / DOCS / "fuse"
    if not folder.is_dir():
        folder = tree / DOCS
    shutil.copy(HERE / "fuse-canon.rst", folder / "fuse-canon.rst")
    substitute(folder / "index.rst", r"^   fuse-io$",
               "   fuse-canon\n   fuse-io")


# Message file, and what the patch does
PATCHES = [
    ("1-edquot", edit_edquot),
    ("2-uapi", edit_uapi),
    ("3-canon", edit_canon),
    ("4-doc", edit_docs),
]

# What is copied out of a tree to be changed
PARTS = [FUSE, UAPI, DOCS + "/fuse", DOCS + "/index.rst"]


def copy_parts(tree, target):
    if not (tree / FUSE / "fuse_i.h").exists():
        raise SeriesError("%s: no Linux source tree" % tree)
    for part in PARTS:
        src, dst = tree / part, target / part
        if src.is_dir():
            shutil.copytree(src, dst, ignore=shutil.ignore_patterns(
                "*.o", "*.ko", "*.mod*", ".*", "*.a", "modules.order"))
        elif src.exists():
            dst.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(src, dst)


def apply_all(tree):
    """Make the whole change in place, as build-modules does."""
    for _, edit in PATCHES[:3]:
        edit(tree)
