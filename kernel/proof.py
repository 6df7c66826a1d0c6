# SPDX-License-Identifier: GPL-2.0-only
"""Boot Debian's kernels with the changed modules, or with unchanged ones."""

import contextlib
import hashlib
import os
import pathlib
import shutil
import tempfile

import beside
import kguests
import kmodules
import series

import build as programs
import compare
import scenario
from guests import HERE as GUESTS_DIR
from machine import Machine, MachineError
from packages import FetchError
from servers import ServerError

SKIP = 77

# Told to leave out what takes long and finds little
SHORT = False

# An architecture with other open flags, and one where all is different
FEW = ["aarch64", "mips64"]

# Parts of the program that is server and client in a guest
PROGRAM = ("main", "client", "ioctl", "server")


def wire_program(guest):
    """The program of kernel-*.c, built once for each state of its sources."""
    if not shutil.which(guest.compiler):
        raise programs.Missing("%s (packages %s)" % (
            guest.compiler, " ".join(guest.compiler_packages)))
    sources = [GUESTS_DIR / ("kernel-%s.c" % name) for name in PROGRAM]
    h = hashlib.sha256(guest.compiler.encode())
    for path in sources + [GUESTS_DIR / "kernel-wire.h"]:
        h.update(path.read_bytes())
    folder = kmodules.cache_dir() / "programs"
    folder.mkdir(parents=True, exist_ok=True)
    final = folder / ("kernel-%s-%s" % (guest.compiler, h.hexdigest()[:16]))
    if not final.exists():
        tmp = folder / ("%s.%d" % (final.name, os.getpid()))
        kmodules.run([guest.compiler, *programs.FLAGS, *programs.LARGE,
                      *sources, "-o", tmp])
        tmp.rename(final)
    return final


@contextlib.contextmanager
def kernel(guest, change, rebuilt=False):
    """A folder as packages.kernel_dir(), with the changed modules in it, or as
    Debian has it (or rebuilt here, to compare what compilers make of it)."""
    for tool in ("make", "spatch", "xz"):
        if not shutil.which(tool):
            raise programs.Missing("%s (packages make coccinelle xz-utils)" %
                                   tool)
    try:
        built = None
        if change or rebuilt:
            built = kmodules.modules(guest, change)
        kmodules.fetch_kernel(guest)
    except FetchError as e:
        raise programs.Missing("packages of the kernel of %s: %s" %
                               (guest.name, e)) from e
    stock = kmodules.kernel_dir(guest)
    with tempfile.TemporaryDirectory(prefix="crossfuse-kernel-") as t:
        folder = pathlib.Path(t)
        shutil.copytree(stock / "modules", folder / "modules")
        for path in sorted(built.glob("*.ko")) if built else ():
            shutil.copy(path, folder / "modules")
        shutil.copy(stock / "package", folder)
        (folder / "vmlinuz").symlink_to(stock / "vmlinuz")
        yield folder


def mount_lines(folder):
    """Lines of the guest's script that mount the share."""
    if (folder / "modules" / (beside.NAME + ".ko")).exists():
        return ["exec /bin/kernel rebind",
                "mount virtiofsbeside share /share"]
    return ["mount virtiofs share /share"]


def local_results(guest):
    """What the probe sees on a local file system of the guest; kept."""
    if guest.name in kmodules.COMMON:
        return scenario.reference(guest.name)
    kmodules.fetch_kernel(guest)
    parts = Parts(guest, kmodules.kernel_dir(guest))
    folder = kmodules.cache_dir() / "reference"
    folder.mkdir(parents=True, exist_ok=True)
    known = folder / ("%s-%s" % (guest.name, parts.key()))
    if not known.exists():
        lines = scenario.run_local(parts, False)
        tmp = folder / ("%s.%d" % (known.name, os.getpid()))
        tmp.write_text("\n".join(lines) + "\n", encoding="utf-8")
        tmp.rename(known)
    return compare.parse(known.read_text(encoding="utf-8").splitlines())


class Parts(scenario.Parts):
    """What a guest of the matrix boots with, but for the modules."""

    def __init__(self, guest, folder):
        self.guest = guest
        self.kernel = folder
        self.programs = {
            short: programs.program(prog, guest.compiler,
                                    guest.compiler_packages)
            for short, prog in (("init", "init"), ("bin/probe", "probe"))}
        self.programs["bin/kernel"] = wire_program(guest)


def _run(machine, guest):
    """Lines of a guest up to its end; None if the kernel does not come up."""
    try:
        for line in machine.events(guest.timeout / 3):
            if line == "@BOOTED":
                break
        else:
            return None
    except MachineError:
        return None
    lines = []
    for line in machine.events(guest.timeout):
        lines.append(line)
        if line == "@DONE":
            return lines
    raise MachineError("QEMU ended early: " + " / ".join(lines[-5:]))


def wire(guest, change, cases, rebuilt=False):
    """Lines that kernel-main.c prints for these cases."""
    with kernel(guest, change, rebuilt) as folder, \
            tempfile.TemporaryDirectory(prefix="crossfuse-wire-") as t:
        parts = Parts(guest, folder)
        work = pathlib.Path(t)
        initrd = work / "initrd"
        initrd.write_bytes(programs.initramfs(
            folder, parts.programs, ["exec /bin/kernel " + " ".join(cases)]))
        with Machine(guest, folder / "vmlinuz", initrd, work) as machine:
            lines = _run(machine, guest)
        if lines is None:
            raise MachineError("the kernel does not come up")
        return lines


def main(names, function, default):
    """Run a test for the guests that are named, for all that the change is
    proved on, or for the default ones."""
    global SHORT
    SHORT = "--short" in names
    names = [n for n in names if n != "--short"]
    wanted = kguests.PROVED if names == ["all"] else names or default
    status = 0
    for name in wanted:
        if name not in kguests.GUESTS:
            print("%s: no such guest; there are %s" %
                  (name, " ".join(kguests.GUESTS)))
            return 2
        try:
            good = function(kguests.GUESTS[name])
        except (programs.Missing, FetchError) as e:
            print("%s: skipped, missing: %s" % (name, e))
            status = status or SKIP
            continue
        except (MachineError, kmodules.BuildError, series.SeriesError,
                programs.BuildError, ServerError) as e:
            print("%s: %s" % (name, e))
            good = False
        if not good:
            status = 1
    return status
