# SPDX-License-Identifier: BSD-2-Clause
"""Servers with the adapter, built for this machine's libfuse 3 (Debian 12 has
3.14) and for Debian 13's (3.17), which is fetched and run with its own loader
and C library.
"""
import os
import pathlib
import signal
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("CROSSFUSE_BUILD", ROOT / "build"))
sys.path.insert(0, str(ROOT / "tests/guests"))
sys.dont_write_bytecode = True
import packages  # noqa: E402

NEW_SUITE = "trixie"


class Missing(Exception):
    """What a test needs and this machine has not."""


def skip(what):
    print(what)
    sys.exit(77)


def needs(*files):
    for name in files:
        if not pathlib.Path(name).exists():
            raise Missing(f"{name} is missing (package libfuse3-dev)")


def needs_built(*files):
    for name in files:
        if not pathlib.Path(name).exists():
            raise Missing(f"{name} is missing (build it, see ./check)")


class Libfuse:
    """Where one version is: headers, library, examples, and how to run."""

    def __init__(self, tree):
        self.tree = pathlib.Path(tree)
        self.include = self.tree / "usr/include/fuse3"
        self.examples = self.tree / "usr/share/doc/libfuse3-dev/examples"
        libraries = sorted(self.tree.glob("usr/lib/*/libfuse3.so"))
        needs(self.include / "fuse_lowlevel.h")
        if not libraries:
            raise Missing("libfuse3.so is missing (package libfuse3-dev)")
        self.libraries = libraries[0].parent
        self.own = self.tree != pathlib.Path("/")

    def version(self):
        text = (self.libraries / "pkgconfig/fuse3.pc").read_text("ascii")
        return next(line.split()[1] for line in text.splitlines()
                    if line.startswith("Version:"))

    def loader(self):
        """What comes before a program's name."""
        if not self.own:
            return []
        return [str(sorted(self.tree.glob("usr/lib/*/ld-linux*"))[0]),
                "--library-path", str(self.libraries)]


def system():
    return Libfuse("/")


def fetched(suite=NEW_SUITE):
    final = packages.cache_dir() / ("libfuse-" + suite)
    with packages.locked("libfuse-" + suite):
        if not final.is_dir():
            try:
                fetch(suite, final)
            except packages.FetchError as e:
                raise Missing(f"libfuse of Debian {suite}: {e}") from e
    return Libfuse(final)


def run_with_both(test):
    """TEST(version) with this machine's libfuse, then with the newer one."""
    try:
        for find in system, fetched:
            version = find()
            print("libfuse", version.version(), flush=True)
            test(version)
    except Missing as e:
        skip(e)


def fetch(suite, final):
    arch = subprocess.run(["dpkg", "--print-architecture"], check=True,
                          stdout=subprocess.PIPE, text=True).stdout.strip()
    with tempfile.TemporaryDirectory(dir=packages.cache_dir()) as t:
        tmp = pathlib.Path(t)

        def work(apt):
            names = {"libfuse3-dev", "libc6"} | {
                n for n in apt.depends("libfuse3-dev")
                if n.startswith("libfuse3-")}
            return [apt.download(n, tmp) for n in sorted(names)]

        debs = packages.retried("libfuse3-dev", suite, arch, work)
        out = tmp / "out"
        out.mkdir()
        for deb in debs:
            packages.unpack(deb, out)
        out.rename(final)


def compile_server(libfuse, sources, output, *options):
    """SOURCES with the adapter and libcrossfuse."""
    command = [os.environ.get("CC", "cc"), "-std=gnu11", "-D_GNU_SOURCE",
               "-D_FILE_OFFSET_BITS=64", "-g", "-O1", "-w",
               *options, f"-I{ROOT}/include", f"-I{libfuse.include}",
               f"-I{libfuse.examples}", "-o", str(output),
               *map(str, sources),
               *map(str, sorted((ROOT / "adapters/libfuse").glob("*.c")))]
    if "-fsanitize" in " ".join(options):
        command += ["-fno-sanitize-recover=all"]
        command += map(str, sorted((ROOT / "lib").glob("*/*.c")))
    else:
        command += [str(BUILD / "lib/libcrossfuse.a")]
    command += [str(libfuse.libraries / "libfuse3.so"), "-pthread"]
    if libfuse.own:
        command += ["-Wl,--allow-shlib-undefined"]
    subprocess.run(command, check=True)
    return [*libfuse.loader(), str(output)]


def memory_fs(libfuse, folder, *options):
    return compile_server(libfuse, [ROOT / "examples/memory-fs.c"],
                          pathlib.Path(folder) / "memory-fs", *options)


def passthrough(libfuse, folder, *options, config="NULL"):
    """libfuse's own example, with the one call put in."""
    source = libfuse.examples / "passthrough_ll.c"
    needs(source)
    text = source.read_text("utf-8")
    for old, new in (
            ("#include <fuse_lowlevel.h>\n",
             "#include <fuse_lowlevel.h>\n#include <crossfuse/fuse3.h>\n"),
            ("\tfuse_daemonize(opts.foreground);\n",
             f"\tif (crossfuse_fuse3_session(se, -1, {config}, 0))\n"
             "\t\tgoto err_out3;\n"
             "\tfuse_daemonize(opts.foreground);\n")):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    copy = pathlib.Path(folder) / "passthrough_ll.c"
    copy.write_text(text, encoding="utf-8")
    return compile_server(libfuse, [copy],
                          pathlib.Path(folder) / "passthrough_ll", *options)


def start(command, fds, log=None, env=None):
    with open(log or os.devnull, "ab") as out:
        return subprocess.Popen(
            command, pass_fds=fds, stdin=subprocess.DEVNULL, stdout=out,
            stderr=out if log else None, env=dict(os.environ, **(env or {})))


class Server:
    """A server on a descriptor. Use it in a with statement."""

    def __init__(self, command, transport, *options, **more):
        fd = transport.other.fileno()
        self.command = [*command, "-f", *options, f"/dev/fd/{fd}"]
        self.process = start(self.command, [fd], **more)
        transport.other.close()

    def wait(self):
        return self.process.wait(300)

    def end(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        return self.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
