# SPDX-License-Identifier: GPL-2.0-only
"""Build the changed modules for a Debian kernel, with Debian's packages."""

import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import beside
import series

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests" / "guests"))

from guests import GUESTS as COMMON, cache_dir  # noqa: E402
import kcross  # noqa: E402
from kcross import host_arch  # noqa: E402
from packages import (FetchError, fetch_kernel, kernel_dir,  # noqa: E402
                      locked, retried)

MODULES = ("fuse", "cuse", "virtiofs", beside.NAME)

# What the kernel's Makefile calls the architecture
MAKE_ARCH = {"amd64": "x86", "arm64": "arm64", "armhf": "arm",
             "ppc64el": "powerpc", "mips64el": "mips", "s390x": "s390",
             "riscv64": "riscv"}


class BuildError(Exception):
    """A module was not built."""


def run(cmd, **more):
    p = subprocess.run(cmd, check=False, text=True, stdin=subprocess.DEVNULL,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       **more)
    if p.returncode:
        raise BuildError("%s:\n%s" % (" ".join(map(str, cmd)),
                                      p.stdout[-4000:]))
    return p.stdout


class Release:
    """What the name of a kernel package says of it."""

    def __init__(self, package):
        m = re.fullmatch(r"linux-image-(\d+\.\d+)([^_]*?)-"
                         r"((?:cloud-)?[a-z0-9]+|5kc-malta|powerpc64le-64k)"
                         r"_([^_]+)_([^_]+)\.deb", package)
        if not m:
            raise BuildError("%s: not a name of a kernel package" % package)
        self.series, rest, self.flavour, version, self.arch = m.groups()
        self.abi = self.series + rest
        self.version = version.replace("%3a", ":")

    @property
    def headers(self):
        return "linux-headers-%s-%s" % (self.abi, self.flavour)

    @property
    def common(self):
        return "linux-headers-%s-common" % self.abi

    def kbuild(self):
        """Since 6.10 its name has the whole ABI."""
        return ["linux-kbuild-" + self.abi, "linux-kbuild-" + self.series]


def suites_of(guest):
    return [guest.suite] + ([guest.fallback] if guest.fallback else [])


def download(apt, names, version, folder):
    """The first of the names that there is, in this version."""
    error = None
    for name in names:
        try:
            apt.run("apt-get", "-q", "download", "%s=%s" % (name, version),
                    cwd=folder)
        except FetchError as e:
            error = e
            continue
        return next(pathlib.Path(folder).glob(name + "_*.deb"))
    raise error


def fetched(key, fill):
    """A folder of the cache that is there whole or not at all."""
    final = cache_dir() / "kernel-build" / key
    with locked("kernel-build-" + key):
        if not final.is_dir():
            final.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=final.parent) as t:
                tree = pathlib.Path(t) / "tree"
                tree.mkdir()
                fill(tree, pathlib.Path(t))
                tree.rename(final)
    return final


def source(release, suites):
    """fs/fuse and what else is changed, of the very version."""
    def fill(tree, tmp):
        def work(apt):
            return download(apt, ["linux-source-" + release.series],
                            release.version, tmp)
        deb = from_suites("linux-source", suites, host_arch(), work)
        run(["dpkg-deb", "-x", deb, tmp / "deb"])
        tar = next((tmp / "deb" / "usr/src").glob("*.tar.xz"))
        top = "linux-source-" + release.series
        run(["tar", "-xJf", tar, "-C", tree, "--strip-components=1",
             "--wildcards", top + "/fs/fuse", top + "/include/uapi/linux",
             top + "/Makefile", top + "/scripts/checkpatch.pl",
             top + "/scripts/spelling.txt",
             top + "/scripts/const_structs.checkpatch",
             top + "/Documentation/filesystems/fuse*",
             top + "/Documentation/filesystems/index.rst"])
    return fetched("source-" + release.version, fill)


def from_suites(what, suites, arch, work):
    error = None
    for suite in suites:
        try:
            return retried(what, suite, arch, work)
        except FetchError as e:
            error = e
    raise error


# What the tools of a kernel package are linked with
TOOL_LIBRARIES = ("libc6", "libelf1t64", "zlib1g", "libzstd1")


def libraries(suite):
    """A C library as new as the tools that were built with it."""
    def fill(tree, tmp):
        def work(apt):
            return [apt.download(name, tmp) for name in TOOL_LIBRARIES]
        for deb in retried("libc6", suite, host_arch(), work):
            run(["dpkg-deb", "-x", deb, tree])
    return fetched("libraries-" + suite, fill)


def runnable(tree, suite):
    """Let the tools of a newer Debian run on this one."""
    tools = [p for p in (tree / "usr/lib").rglob("*")
             if p.is_file() and not p.is_symlink() and
             p.read_bytes()[:4] == b"\x7fELF"]
    old = [p for p in tools if "not found" in subprocess.run(
        ["ldd", p], check=False, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT).stdout]
    if not old:
        return
    base = libraries(suite)
    loader = next(base.rglob("ld-linux*.so.*"))
    folder = next(base.rglob("libc.so.6")).parent
    for path in old:
        real = path.with_name(path.name + ".real")
        path.rename(real)
        path.write_text('#!/bin/sh\nexec %s --library-path %s "$0.real" '
                        '"$@"\n' % (loader, folder), encoding="utf-8")
        path.chmod(0o755)


def headers(release, suites):
    """Headers of the kernel, and this machine's programs that use them."""
    def fill(tree, tmp):
        def own(apt):
            return [download(apt, [release.headers], release.version, tmp)]

        def shared(apt):
            return [download(apt, [release.common], release.version, tmp),
                    download(apt, release.kbuild(), release.version, tmp)]

        debs = from_suites(release.headers, suites, release.arch, own)
        debs += from_suites(release.common, suites, host_arch(), shared)
        for deb in debs:
            run(["dpkg-deb", "-x", deb, tree])
        # The packages are meant for /; here they are somewhere else. What
        # finds its place by a variable needs no change.
        for path in (tree / "usr/src").glob("linux-headers-*/Makefile"):
            text = path.read_text(encoding="utf-8")
            path.write_text(re.sub(r"(?<![\w)])/usr/(src|lib)/",
                                   str(fixed(tree)) + r"/usr/\1/", text),
                            encoding="utf-8")

        runnable(tree, suites[-1])

    key = "headers-%s-%s" % (release.abi, release.flavour)

    def fixed(_):
        return cache_dir() / "kernel-build" / key

    return fetched(key, fill)


def digest():
    """Of everything that decides what is built."""
    h = hashlib.sha256()
    for path in sorted(HERE.iterdir()):
        if path.suffix in (".c", ".h", ".cocci") or path.name in (
                "series.py", "kmodules.py", "kcross.py", "beside.py"):
            h.update(path.read_bytes())
    return h.hexdigest()[:16]


def prepare(release, suites, folder, change=True):
    """A folder that make can build modules in."""
    tree = source(release, suites)
    work = folder / "linux"
    work.mkdir()
    series.copy_parts(tree, work)
    if change:
        series.apply_all(work)
    # The header must be found before the one of the headers package, which
    # is the kernel's as it is
    uapi = folder / "uapi" / "linux"
    uapi.mkdir(parents=True)
    shutil.copy(work / series.UAPI, uapi / "fuse.h")
    with open(work / "fs/fuse/Makefile", "a", encoding="utf-8") as f:
        f.write("\nNOSTDINC_FLAGS += -I%s\n" % uapi.parent)
    return work / "fs/fuse"


def config(release, suites):
    """The kernel's configuration."""
    path = headers(release, suites) / "usr/src" / release.headers / ".config"
    return path.read_text(encoding="utf-8")


def older(compiler, text):
    """Whether a compiler is older than the one that made the kernel."""
    m = re.search(r"^CONFIG_GCC_VERSION=(\d+)$", text, re.M)
    major = int(run([compiler, "-dumpversion"]).split(".")[0])
    return bool(m) and major < int(m.group(1)) // 10000


def toolchain(guest):
    """What stands before "gcc" in the name of the compiler."""
    suite = getattr(guest, "toolchain", None)
    if suite:
        key = "toolchain-%s-%s" % (suite, guest.triplet)
        final = cache_dir() / "kernel-build" / key
        tree = fetched(key, lambda tree, tmp: kcross.compiler(
            tree, tmp, final, suite, guest.triplet))
        return "%s/usr/bin/%s-" % (tree, guest.triplet)
    if not shutil.which(guest.compiler):
        raise BuildError("%s is not installed (packages %s)" %
                         (guest.compiler, " ".join(guest.compiler_packages)))
    return guest.triplet + "-"


def sparse(suite="sid"):
    """The kernel's static checker, of a release that knows newer kernels."""
    final = cache_dir() / "kernel-build" / ("sparse-" + suite)
    return fetched(final.name, lambda tree, tmp: kcross.sparse(
        tree, tmp, final, suite)) / "usr/bin/sparse"


def make(guest, release, suites, folder, *more):
    """Run the kernel's make; returns what it printed."""
    prefix = toolchain(guest)
    tree = headers(release, suites)
    jobs = os.environ.get("CROSSFUSE_KERNEL_JOBS", "2")
    cmd = ["make", "-C", tree / "usr/src" / release.headers,
           "M=%s" % folder, "ARCH=" + MAKE_ARCH[release.arch], "-j" + jobs,
           "CONFIG_FUSE_FS=m", "CONFIG_CUSE=m", "CONFIG_VIRTIO_FS=m",
           "KBUILD_MODPOST_WARN=1"]
    cmd += ["CC=%sgcc" % prefix, "CONFIG_DEBUG_INFO_BTF_MODULES="]
    if older(prefix + "gcc", config(release, suites)):
        # Without an option that the kernel's compiler has, functions are not
        # where the function tracer of some architectures needs them
        cmd += ["CONFIG_CC_HAS_MIN_FUNCTION_ALIGNMENT=", "CC_FLAGS_FTRACE="]
    if release.arch != host_arch():
        cmd.append("CROSS_COMPILE=" + prefix)
    return run(cmd + list(more) + ["modules"])


def built_in(release, suites):
    """Whether the kernel has FUSE in itself rather than as a module."""
    return "CONFIG_FUSE_FS=y" in config(release, suites)


def modules(guest, change=True):
    """Folder with the modules of a guest, built if they are not there."""
    fetch_kernel(guest)
    release = Release((kernel_dir(guest) / "package").read_text(
        encoding="ascii").strip())
    suites = suites_of(guest)
    final = (cache_dir() / "kernel-modules" /
             ("%s-%s-%s" % (release.version, release.flavour,
                            digest() if change else "unchanged")))
    with locked("kernel-modules-%s" % guest.name):
        if not final.is_dir():
            final.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=final.parent) as t:
                tmp = pathlib.Path(t)
                folder = prepare(release, suites, tmp, change)
                if built_in(release, suites):
                    beside.rename(folder)
                log = make(guest, release, suites, folder)
                out = tmp / "out"
                out.mkdir()
                (out / "log").write_text(log, encoding="utf-8")
                for name in MODULES:
                    built = folder / (name + ".ko")
                    if built.exists():
                        shutil.copy(built, out)
                if not list(out.glob("fuse*.ko")):
                    raise BuildError("no fuse.ko was built:\n" + log[-4000:])
                run(["chmod", "-R", "a+rX", out])
                out.rename(final)
    return final
