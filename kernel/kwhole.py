# SPDX-License-Identifier: GPL-2.0-only
"""Build a whole kernel with the series: small, and with the kernel's checkers.

The tree and the objects stay in the cache: when only the change is changed,
only fs/fuse is compiled again.
"""

import copy
import hashlib
import os
import pathlib
import re
import shutil
import sys
import tempfile

import kmodules
import series
from kmodules import (BuildError, COMMON, FetchError, cache_dir, locked,
                      retried, run)

CONFIG = series.HERE / "config"

# Debian's releases, the one with the newest kernel first
SUITES = ("sid", "trixie", "bookworm-backports", "bookworm")


# What a build needs, and the packages with it; the compiler is the guest's
TOOLS = {"make": "make", "flex": "flex", "bison": "bison", "bc": "bc",
         "git": "git", "spatch": "coccinelle", "xz": "xz-utils"}


class MissingTool(BuildError):
    """Something that has to be installed."""


class Whole:
    """What the kernel's make and QEMU need to know of an architecture."""

    def __init__(self, guest, arch, target, image, **more):
        self.guest = copy.copy(COMMON[guest])
        self.guest.name = guest + "-whole"
        self.guest.cpus = more.get("cpus", 2)
        self.guest.timeout = more.get("timeout", 3600)
        self.name = guest
        self.arch = arch
        self.target = target    # of make
        self.image = image      # what QEMU boots


WHOLE = {w.name: w for w in [
    Whole("aarch64", "arm64", "Image", "arch/arm64/boot/Image"),
    Whole("mips64", "mips", "vmlinux", "vmlinux", cpus=1),
]}


def newest():
    """The series of the newest source that Debian has."""
    def work(apt):
        names = [re.fullmatch(r"linux-source-(\d+\.\d+)", n)
                 for n in apt.depends("linux-source")]
        return next(m.group(1) for m in names if m)
    return retried("linux-source", SUITES[0], kmodules.host_arch(), work)


def cached():
    """The newest source that was downloaded before, or None."""
    found = [p.name[len("whole-source-"):] for p in
             (cache_dir() / "kernel-build").glob("whole-source-*")]
    return max(found, default=None,
               key=lambda v: [int(n) for n in v.split(".")])


def source(version):
    """All of the source of a series, such as 7.2, as Debian has it."""
    name = "linux-source-" + version

    def fill(tree, tmp):
        def work(apt):
            return apt.download(name, tmp)
        error = None
        for suite in SUITES:
            try:
                deb = retried(name, suite, kmodules.host_arch(), work)
                break
            except FetchError as e:
                error = e
        else:
            raise error
        run(["dpkg-deb", "-x", deb, tmp / "deb"])
        tar = next((tmp / "deb/usr/src").glob("*.tar.xz"))
        run(["tar", "-xJf", tar, "-C", tree, "--strip-components=1"])
        (tree / ".package").write_text(deb.name + "\n", encoding="ascii")

    return kmodules.fetched("whole-source-" + version, fill)


def fragment(whole):
    """The options that are not those of tinyconfig."""
    return "".join((CONFIG / name).read_text(encoding="ascii")
                   for name in ("common", whole.name))


def digest(*more):
    """Of what decides how the source is changed."""
    h = hashlib.sha256()
    parts = [p for p in series.HERE.iterdir() if p.suffix in
             (".c", ".h", ".cocci", ".rst") or p.name == "series.py"]
    for path in sorted(parts) + sorted((series.HERE / "messages").iterdir()):
        h.update(path.read_bytes())
    for text in more:
        h.update(text.encode())
    return h.hexdigest()[:16]


def apply_series(pristine, tree):
    """As anybody does it: make-series, then git am. All that could be changed
    is newer afterwards than what was made of it."""
    shutil.rmtree(tree / ".git", ignore_errors=True)
    for part in series.PARTS:
        src, dst = pristine / part, tree / part
        if src.is_dir():
            shutil.rmtree(dst)
            shutil.copytree(src, dst, copy_function=shutil.copy)
        elif src.exists():
            dst.unlink()
            shutil.copy(src, dst)

    def git(*args):
        run(["git", "-c", "user.name=build-kernel",
             "-c", "user.email=build-kernel@localhost",
             "-c", "commit.gpgsign=false", *args], cwd=tree)

    with tempfile.TemporaryDirectory() as t:
        run([sys.executable, series.HERE / "make-series", "-o", t, tree])
        git("init", "-q")
        git("add", "-f", *[p for p in series.PARTS if (tree / p).exists()])
        git("commit", "-q", "-m", "base")
        git("am", "-q", *sorted(pathlib.Path(t).glob("000[1-9]*.patch")))


def wrong(wanted, got):
    """Options that the kernel's configuration did not take."""
    have = set(got.splitlines())
    for line in wanted.splitlines():
        m = re.fullmatch(r"(CONFIG_\w+)=n", line)
        if m and any(l.startswith(m.group(1) + "=") for l in have):
            yield line
        elif not m and line.startswith("CONFIG_") and line not in have:
            yield line


def configure(whole, make, objects):
    """tinyconfig and the fragment; unchanged it costs no compilation."""
    key = objects / ".fragment"
    text = fragment(whole)
    if key.exists() and key.read_text(encoding="ascii") == text:
        return
    run(make + ["tinyconfig"])
    with open(objects / ".config", "a", encoding="ascii") as f:
        f.write(text)
    run(make + ["olddefconfig"])
    bad = list(wrong(text, (objects / ".config").read_text(encoding="utf-8")))
    if bad:
        raise BuildError("not taken by the kernel's configuration: " +
                         " ".join(bad))
    key.write_text(text, encoding="ascii")


def need_tools(guest):
    tools = dict(TOOLS)
    tools[guest.compiler] = " ".join(guest.compiler_packages)
    missing = ["%s (%s)" % t for t in tools.items() if not shutil.which(t[0])]
    if missing:
        raise MissingTool("not installed, with their packages: " +
                          ", ".join(missing))


def compile_kernel(whole, tree, objects):
    jobs = os.environ.get("CROSSFUSE_KERNEL_JOBS", "2")
    guest = whole.guest
    make = ["nice", "-n", "10", "make", "-C", tree, "O=%s" % objects,
            "ARCH=" + whole.arch, "CROSS_COMPILE=%s-" % guest.triplet,
            "LOCALVERSION=-canon", "KBUILD_BUILD_USER=crossfuse",
            "KBUILD_BUILD_HOST=localhost", "-j" + jobs]
    configure(whole, make, objects)
    return run(make + [whole.target])


def build(whole, version, broken, final):
    """Make it in the folder that is kept, then put aside what QEMU needs."""
    need_tools(whole.guest)
    pristine = source(version)
    work = cache_dir() / "kernel-build" / ("whole-%s-%s" % (version,
                                                            whole.name))
    tree, objects = work / "tree", work / "objects"
    objects.mkdir(parents=True, exist_ok=True)
    if not (tree / "Makefile").exists():
        # What is changed below is a new file; what is not changed stays
        # shared with the source
        new = work / "new"
        shutil.rmtree(new, ignore_errors=True)
        run(["cp", "-al", pristine, new])
        new.rename(tree)
    apply_series(pristine, tree)
    if broken:
        broken(tree)
    log = compile_kernel(whole, tree, objects)
    with tempfile.TemporaryDirectory(dir=final.parent) as t:
        out = pathlib.Path(t) / "out"
        (out / "modules").mkdir(parents=True)
        (out / "log").write_text(log, encoding="utf-8")
        shutil.copy(objects / ".config", out / "config")
        shutil.copy(pristine / ".package", out / "package")
        shutil.copy(objects / whole.image, out / "vmlinuz")
        if whole.image == "vmlinux":
            run([whole.guest.triplet + "-strip", "-g", out / "vmlinuz"])
        run(["chmod", "-R", "a+rX", out])
        out.rename(final)


def kernel(whole, mistake="", broken=None, version=None):
    """Folder with the kernel of an architecture, built if it is not there.

    broken: makes a mistake, which that text tells from others, in the tree."""
    version = version or cached() or newest()
    if not re.fullmatch(r"\d+\.\d+", version):
        raise BuildError("%s: not a series of kernels, such as 7.2" % version)
    final = (cache_dir() / "kernel-whole" /
             ("%s-%s-%s" % (version, whole.name,
                            digest(fragment(whole), mistake))))
    with locked("kernel-whole-" + whole.name):
        if not final.is_dir():
            final.parent.mkdir(parents=True, exist_ok=True)
            build(whole, version, broken, final)
    return final
