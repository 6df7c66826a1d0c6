# SPDX-License-Identifier: BSD-2-Clause
"""The guest's programs and its initramfs."""

import hashlib
import os
import shutil
import subprocess
import tempfile

from guests import HERE, cache_dir

FLAGS = ["-O2", "-static", "-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra",
         "-Wshadow", "-Wstrict-prototypes"]
LARGE = ["-D_FILE_OFFSET_BITS=64", "-D_TIME_BITS=64"]

# These see what a program without large-file support sees.
SMALL_FILES = {"probe_small.c"}


class BuildError(Exception):
    pass


class Missing(Exception):
    """Something that has to be installed; the test is skipped."""


def _compile(compiler, sources, out):
    with tempfile.TemporaryDirectory() as tmp:
        objects = []
        for source in sources:
            flags = FLAGS + ([] if source.name in SMALL_FILES else LARGE)
            obj = os.path.join(tmp, source.stem + ".o")
            objects.append(obj)
            _run([compiler] + flags + ["-c", str(source), "-o", obj])
        _run([compiler, "-static", "-o", str(out)] + objects)


def _run(cmd):
    p = subprocess.run(cmd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       text=True, check=False)
    if p.returncode:
        raise BuildError("%s\n%s" % (" ".join(cmd), p.stdout))


def program(name, compiler, packages):
    """A static program, built once for each state of its sources."""
    if not shutil.which(compiler):
        raise Missing("%s (packages %s)" % (compiler, " ".join(packages)))
    sources = sorted(HERE.glob("probe*.c" if name == "probe" else name + ".c"))
    digest = hashlib.sha256(compiler.encode())
    for path in sources + [HERE / "probe.h"] + [HERE / "build.py"]:
        digest.update(path.read_bytes())
    folder = cache_dir() / "programs"
    folder.mkdir(parents=True, exist_ok=True)
    final = folder / ("%s-%s-%s" % (name, compiler, digest.hexdigest()[:16]))
    if not final.exists():
        fd, tmp = tempfile.mkstemp(dir=folder)
        os.close(fd)
        try:
            _compile(compiler, sources, tmp)
            os.chmod(tmp, 0o755)
            os.rename(tmp, final)
        except BaseException:
            os.unlink(tmp)
            raise
    return final


class Cpio:
    """An archive in the kernel's "newc" format."""

    def __init__(self):
        self.parts = []
        self.inode = 1

    def add(self, name, mode, data=b"", device=(0, 0)):
        raw = name.encode() + b"\0"
        fields = [self.inode, mode, 0, 0, 1, 0, len(data), 0, 0, *device,
                  len(raw), 0]
        head = b"070701" + b"".join(b"%08X" % f for f in fields)
        self.inode += 1
        self.parts += [self._padded(head + raw), self._padded(data)]

    @staticmethod
    def _padded(data):
        return data + b"\0" * (-len(data) % 4)

    def bytes(self):
        self.add("TRAILER!!!", 0)
        return b"".join(self.parts)


def initramfs(kernel, programs, script):
    """The archive with which a guest boots.

    kernel: folder of the unpacked kernel; programs: name -> path."""
    cpio = Cpio()
    for folder in ("dev", "proc", "sys", "tmp", "bin", "modules", "share"):
        cpio.add(folder, 0o040755)
    cpio.add("dev/console", 0o020600, device=(5, 1))
    cpio.add("dev/null", 0o020666, device=(1, 3))
    for name, path in programs.items():
        cpio.add(name, 0o100755, path.read_bytes())
    for path in sorted((kernel / "modules").iterdir()):
        cpio.add("modules/" + path.name, 0o100644, path.read_bytes())
    cpio.add("script", 0o100644, ("\n".join(script) + "\n").encode())
    return cpio.bytes()
