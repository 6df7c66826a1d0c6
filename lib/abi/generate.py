#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Derives the tables of Linux's constants from the kernel's uapi headers.

    generate.py            rewrite data/*.tbl and tables.c
    generate.py --check    compare instead; exit 1 where they differ
    generate.py --tables   tables.c alone, from data/*.tbl; needs no headers

data/abis.tbl and data/counterparts.tbl are written by hand; they say which
headers belong to which ABI. All other data comes from those headers: from
Debian's linux-libc-dev-*-cross where there is one, else from the kernel's
source (linux-source-6.1). The preprocessor of the host's C compiler expands the
macros, with no predefined macro of its own; this script evaluates the result.
"""
import argparse
import difflib
import os
import re
import subprocess
import sys
import tarfile
import tempfile

import emit
import tables

HERE = os.path.dirname(os.path.abspath(__file__))
HEADERS = """linux/types.h asm/fcntl.h asm/errno.h asm/poll.h asm/ioctl.h
asm/termios.h asm/termbits.h asm/ioctls.h asm/sockios.h linux/serial.h
""".split()
# Headers of drivers with numbers older than _IOC(); their names and the upper
# byte of the numbers. The same everywhere.
PLAIN_HEADERS = """linux/sockios.h linux/wireless.h linux/cdrom.h linux/hdreg.h
linux/kd.h linux/vt.h linux/loop.h linux/lp.h linux/fb.h linux/i2c-dev.h
""".split()
PLAIN = re.compile("SIO.* (89|8b)|CDROM.* 53|DVD_.* 53|HDIO_.* 3|LOOP_.* 4c|"
                   "(KD|GIO_|PIO_).* 4b|VT_.* 56|LP.* 6|FBIO.* 46|I2C_.* 7")
ORDER = {True: "__MIPSEB__ __ARMEB__ __AARCH64EB__ __XTENSA_EB__".split(),
         False: "__MIPSEL__ __ARMEL__ __MICROBLAZEEL__ __XTENSA_EL__".split()}
# Numbers that stand for a range of private ones: how many.
RANGES = {"SIOCDEVPRIVATE": 16, "SIOCPROTOPRIVATE": 16, "SIOCIWFIRSTPRIV": 32}
OPEN = """O_CREAT O_EXCL O_NOCTTY O_TRUNC O_APPEND O_NONBLOCK O_DSYNC __O_SYNC
FASYNC O_DIRECT O_LARGEFILE O_DIRECTORY O_NOFOLLOW O_NOATIME O_CLOEXEC O_PATH
__O_TMPFILE""".split()
# Values that are made of others; the library's code knows them.
OPEN_WHOLE = "O_ACCMODE O_RDONLY O_WRONLY O_RDWR O_SYNC O_TMPFILE".split()
OPEN_ALIAS = ["O_NDELAY"]
LOCK = "F_RDLCK F_WRLCK F_UNLCK".split()
# What linux/eventpoll.h's mangle_poll() lets through, and POLLREMOVE.
POLL = """POLLIN POLLPRI POLLOUT POLLERR POLLHUP POLLNVAL POLLRDNORM POLLRDBAND
POLLWRNORM POLLWRBAND POLLMSG POLLREMOVE POLLRDHUP""".split()
IOC = """_IOC_NONE _IOC_WRITE _IOC_READ _IOC_NRBITS _IOC_TYPEBITS _IOC_SIZEBITS
_IOC_DIRBITS""".split()
# Names that a later 6.1 no longer defines, and that nothing used.
REMOVED = "ENOSYM EREMOTERELEASE".split()
# Bits and argument values that asm/ioctls.h also defines.
NO_IOCTL = re.compile(r"TIOCPKT_|TIOCM_|TIOCSER_TEMT|__|_")


class Headers:
    """One set of uapi headers and the macros of the ABI that reads them."""

    def __init__(self, abi, where, paths):
        self.abi, self.where = abi, where
        self.command = ["cc", "-undef", "-nostdinc", "-D__linux__",
                        "-D__user=", "-D__force=", "-D__signed__=signed",
                        "-D_LINUX_IF_H"]  # wants the C library's socket.h
        self.command += ["-m32" if abi.bits == 32 else "-m64"]
        self.command += [f"-D{d}" if "=" in d else f"-D{d}=1"
                         for d in abi.define + ORDER[abi.big]]
        own = subprocess.run(["cc", "-print-file-name=include"], text=True,
                             capture_output=True, check=True).stdout.strip()
        for path in paths + [own]:
            self.command += ["-isystem", path]
        self.sizes = {}
        self.common = self.include(HEADERS)

    def run(self, arguments, text):
        done = subprocess.run(self.command + arguments + ["-x", "c", "-"],
                              input=text, text=True, capture_output=True)
        if done.returncode:
            sys.exit(f"{self.abi.name}, {self.where}:\n{done.stderr}")
        return done.stdout

    @staticmethod
    def include(headers):
        lines = "".join(f"#include <{header}>\n" for header in headers)
        return "typedef long long loff_t;\ntypedef int pid_t;\n" + lines

    def names(self, headers):
        """Names of the macros without arguments that one header defines."""
        found = self.run(["-E", "-dM"], self.include(headers))
        return re.findall(r"^#define ([A-Za-z_]\w*) \S", found, re.M)

    def sizeof(self, types):
        """Sizes; without those of types that the headers do not declare."""
        for kind in sorted(types - self.sizes.keys()):
            text = f"{self.common}const int size = sizeof({kind});\n"
            done = subprocess.run(
                self.command + ["-w", "-S", "-o", "-", "-x", "c", "-"],
                input=text, text=True, capture_output=True)
            value = re.search(r"\.long\s+(\d+)", done.stdout)
            self.sizes[kind] = int(value[1]) if not done.returncode else None

    def values(self, names, headers=None):
        """{name: value} of those names that come to a number.

        Sizes of types are known for the common headers only.
        """
        text = self.include(headers) if headers else self.common
        text += "".join(f'@"{name}" {name}\n' for name in names)
        expanded = dict(re.findall(r'^@"(\S+)" (.*)$',
                                   self.run(["-E", "-P"], text), re.M))
        if not headers:
            self.sizeof(set(re.findall(r"sizeof\s*\(([^()]+)\)",
                                       " ".join(expanded.values()))))
        found = {}
        for name in names:
            value = evaluate(expanded.get(name, ""), self.sizes)
            if value is not None:
                found[name] = value & 0xffffffff
        return found


def evaluate(text, sizes):
    """The value of a constant C expression, or None."""
    text = re.sub(r"sizeof\s*\(([^()]+)\)",
                  lambda m: str(sizes.get(m[1]) or "?"), text)
    text = re.sub(r"'(.)'", lambda m: str(ord(m[1])), text)
    text = re.sub(r"\(\s*(?:unsigned|signed|int|long|\s)+\)", "", text)
    text = re.sub(r"\b(0[xX][0-9a-fA-F]+|\d+)[uUlL]*\b", r"\1", text)
    text = re.sub(r"\b0([0-7]+)\b", r"0o\1", text)
    if not re.fullmatch(r"(?:0x[0-9a-fA-F]+|0o[0-7]+|\d+|[-+*|&~<>() ])+",
                        text, re.I):
        return None
    try:
        return eval(text, {"__builtins__": {}})
    except (SyntaxError, TypeError):
        return None


def unpack_source(archive, folder):
    """The uapi headers out of a kernel source archive."""
    wanted = re.compile(r"[^/]+/(arch/\w+/)?include/uapi/")
    with tarfile.open(archive) as tar:
        for member in tar:
            if not member.isfile() or not wanted.match(member.name):
                continue
            path = os.path.join(folder, member.name.split("/", 1)[1])
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as out:
                out.write(tar.extractfile(member).read())


def source_paths(folder, arch):
    """Include folders of one architecture in a kernel's source."""
    extra = os.path.join(folder, "extra", arch)
    own = os.path.join(folder, "arch", arch, "include/uapi")
    generic = os.path.join(folder, "include/uapi")
    os.makedirs(os.path.join(extra, "asm"), exist_ok=True)
    os.makedirs(os.path.join(extra, "linux"), exist_ok=True)
    # What the kernel's own build generates or strips.
    for name in ("compiler.h", "compiler_types.h"):
        open(os.path.join(extra, "linux", name), "w").close()
    for name in os.listdir(os.path.join(generic, "asm-generic")):
        if not os.path.exists(os.path.join(own, "asm", name)):
            with open(os.path.join(extra, "asm", name), "w") as out:
                out.write(f"#include <asm-generic/{name}>\n")
    return [extra, own, generic]


def find_headers(abi, root, source):
    for triplet in abi.deb:
        path = os.path.join(root, triplet, "include")
        if not os.path.isdir(path):
            sys.exit(f"{path}: not there; install linux-libc-dev-*-cross")
        yield Headers(abi, triplet, [path])
    for arch in abi.source:
        yield Headers(abi, f"arch/{arch}", source_paths(source(), arch))


def read_kinds(headers):
    """All values of one set of headers, kind by kind."""
    opens = [n for n in headers.names(["asm/fcntl.h"])
             if re.match(r"(__)?O_[A-Z]|FASYNC$", n)
             and n != "O_TMPFILE_MASK"]
    strange = set(opens) - set(OPEN + OPEN_WHOLE + OPEN_ALIAS)
    if strange:
        sys.exit(f"{headers.where}: unknown open flags {sorted(strange)}")
    errnos = [n for n in headers.names(["asm/errno.h"])
              if re.fullmatch(r"E[A-Z0-9]+", n)]
    ioctls = [n for n in headers.names(["asm/ioctls.h", "asm/sockios.h"])
              if re.match(r"TC|TIOC|FIO|SIOC", n) and not NO_IOCTL.match(n)]
    ioctls = [n for n in ioctls if not n.endswith("_NEW")]
    flags = headers.values(OPEN + OPEN_WHOLE + OPEN_ALIAS)
    # sparc64 has only the bit that the others have beside O_NONBLOCK.
    flags["O_NDELAY"] |= flags["O_NONBLOCK"]
    return {"open": flags,
            "errno": headers.values(errnos),
            "lock": headers.values(LOCK),
            "poll": headers.values(POLL),
            "ioctl": headers.values(IOC) | headers.values(ioctls)}


def read_plain(headers):
    own = headers.names(["asm/sockios.h"])
    names = [n for n in headers.names(PLAIN_HEADERS)
             if n not in own and re.match("[A-Z]", n)]
    values = headers.values(names, PLAIN_HEADERS)
    plain = {name: value for name, value in values.items()
             if PLAIN.fullmatch(f"{name} {value >> 8:x}")}
    # Depend on the size of time_t; the numbers have names of their own.
    for name in ("LPSETTIMEOUT", "SIOCGSTAMP", "SIOCGSTAMPNS"):
        plain.pop(name, None)
    for name, count in RANGES.items():
        for i in range(1, count):
            plain[f"{name}+{i}"] = plain[name] + i
    return plain


def gather(abis, root, source):
    """({kind: {group: {name: value}}}, plain); every ABI must agree."""
    kinds = {kind: {} for kind in tables.KINDS}
    proof, plain = {}, None
    for abi in abis:
        for headers in find_headers(abi, root, source):
            found = read_kinds(headers)
            for kind, values in found.items():
                group = abi.group[kind]
                known = kinds[kind].setdefault(group, values)
                proof.setdefault((kind, group), []).append(headers.where)
                compare(headers, kind, group, known, values)
            numbers = read_plain(headers)
            plain = numbers if plain is None else plain
            compare(headers, "plain", "generic", plain, numbers)
    return kinds, plain, proof


def compare(headers, kind, group, known, values):
    for name in (known.keys() | values.keys()) - set(REMOVED):
        if known.get(name) != values.get(name):
            sys.exit(f"{headers.abi.name} ({headers.where}) is not of {kind} "
                     f"group {group}: {name} is {values.get(name)}, not "
                     f"{known.get(name)}")


def derive(root, archive):
    """{file name: text} of the data files."""
    abis = tables.read_abis(os.path.join(HERE, "data"))
    with tempfile.TemporaryDirectory() as folder:
        def source():
            if os.path.isdir(archive):
                return archive_overlay(archive, folder)
            if not os.path.exists(os.path.join(folder, "include")):
                if not os.path.exists(archive):
                    sys.exit(f"{archive}: not there; install linux-source-6.1")
                unpack_source(archive, folder)
            return folder
        return tables.format_all(*gather(abis, root, source))


def archive_overlay(archive, folder):
    """A scratch folder that shows an unpacked source, which stays as it is."""
    for name in ("arch", "include"):
        if not os.path.exists(os.path.join(folder, name)):
            os.symlink(os.path.join(os.path.abspath(archive), name),
                       os.path.join(folder, name))
    return folder


def store(path, text, check):
    """Writes a file, or compares it; whether it was the same."""
    try:
        with open(path) as old_file:
            old = old_file.read()
    except FileNotFoundError:
        old = ""
    if old == text:
        return True
    if not check:
        with open(path, "w") as out:
            out.write(text)
        return True
    name = os.path.relpath(path, HERE)
    sys.stderr.writelines(difflib.unified_diff(
        old.splitlines(True), text.splitlines(True), name, name + ", derived"))
    return False


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--tables", action="store_true")
    parser.add_argument("--headers", default="/usr", metavar="DIR",
                        help="holds TRIPLET/include (default /usr)")
    parser.add_argument("--source", metavar="PATH",
                        default="/usr/src/linux-source-6.1.tar.xz",
                        help="the kernel's source, packed or not")
    options = parser.parse_args()
    data, same = os.path.join(HERE, "data"), True
    if not options.tables:
        derived = derive(options.headers, options.source)
        for name, text in derived.items():
            same &= store(os.path.join(data, name), text, options.check)
    text = emit.emit(data)
    same &= store(os.path.join(HERE, "tables.c"), text, options.check)
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
