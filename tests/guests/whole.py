# SPDX-License-Identifier: BSD-2-Clause
"""Boot a whole kernel of our own, and see what its checkers say."""

import hashlib
import os
import pathlib
import re
import shutil
import tempfile

import kmodules
import kwhole
import series

import build as programs
import scenario
from guests import HERE
from machine import Machine, MachineError
from packages import FetchError
from servers import Server, ServerError

SKIP = 77

# The servers that can use FUSE over io_uring call these instead
RING = ["-Dread=ring_read", "-Dwritev=ring_writev", "-Dpoll=ring_poll"]

# Memory in MiB: KASAN takes an eighth of it, and keeps what was freed
MEMORY = {"aarch64": 1536}

SPLAT = re.compile(
    r"BUG:|WARNING:|KASAN|UBSAN|ODEBUG|Oops|Kernel panic|refcount_t"
    r"|INFO: (possible|suspicious|inconsistent|trying|task|rcu|lockdep|NMI)"
    r"|rcu:.*(stall|starved|detected)|usercopy:|list_(add|del) corruption"
    r"|Unable to handle|corrupted|[Bb]ad page|double free|nobody cared"
    r"|turning off the locking|kmemleak: .*(disabled|Cannot|error)"
    r"|-\[ cut here \]-")
# What a checker says when it begins
HARMLESS = re.compile(r"KernelAddressSanitizer initialized")

BEGUN = {"lockdep": "Lock dependency validator",
         "kmemleak": "kmemleak: Kernel memory leak detector initialized",
         "KASAN": "KernelAddressSanitizer initialized"}


def checkers(whole):
    """Those that the architecture's kernel has."""
    names = ["lockdep", "kmemleak"]
    if "CONFIG_KASAN=y" in kwhole.fragment(whole):
        names.append("KASAN")
    return names


def program(guest, name, sources, changed=()):
    """A static program; the sources in changed are those of a server that
    uses FUSE over io_uring."""
    if not shutil.which(guest.compiler):
        raise programs.Missing("%s (packages %s)" % (
            guest.compiler, " ".join(guest.compiler_packages)))
    paths = sorted(p for s in sources for p in HERE.glob(s))
    h = hashlib.sha256((guest.compiler + " ".join(changed)).encode())
    for path in paths + sorted(HERE.glob("*.h")):
        h.update(path.read_bytes())
    folder = kmodules.cache_dir() / "programs"
    folder.mkdir(parents=True, exist_ok=True)
    final = folder / ("%s-%s-%s" % (name, guest.compiler,
                                    h.hexdigest()[:16]))
    if final.exists():
        return final
    with tempfile.TemporaryDirectory(dir=folder) as t:
        objects = []
        for path in paths:
            objects.append(pathlib.Path(t) / (path.stem + ".o"))
            kmodules.run([guest.compiler, *programs.FLAGS, *programs.LARGE,
                          *(RING if path.name in changed else ()), "-c", path,
                          "-o", objects[-1]])
        kmodules.run([guest.compiler, "-static", *objects, "-o",
                      pathlib.Path(t) / "out"])
        os.rename(pathlib.Path(t) / "out", final)
    return final


def load_program(guest, ring=False):
    sources = ["load.c", "load_*.c", "memfs*.c"]
    if ring:
        return program(guest, "load-ring", sources + ["ring.c"], ["memfs.c"])
    return program(guest, "load", sources)


def wire_program(guest, ring=False):
    if ring:
        return program(guest, "kernel-ring", ["kernel-*.c", "ring.c"],
                       ["kernel-server.c"])
    return program(guest, "kernel", ["kernel-*.c"])


class Whole:
    """One boot of a kernel; with a share if there is a folder for it."""

    def __init__(self, whole, kernel, progs, script, folder, share=None):
        guest = whole.guest
        self.timeout = guest.timeout
        everything = {"init": programs.program("init", guest.compiler,
                                               guest.compiler_packages)}
        everything.update(progs)
        initrd = folder / "initrd"
        initrd.write_bytes(programs.initramfs(kernel, everything, script))
        self.server = None
        sock = None
        if share:
            sock = folder / "fs.sock"
            self.server = Server("crossfuse", share, sock,
                                 folder / "server.log")
        self.log = folder / "server.log"
        self.machine = Machine(guest, kernel / "vmlinuz", initrd, folder,
                               sock=sock)
        self.change(MEMORY.get(whole.name, 512))

    def change(self, memory):
        """More memory; and processors that are shared with others are not to
        be taken for those that hang."""
        extra = ("quiet log_buf_len=4M fuse.enable_uring=1 "
                 "rcupdate.rcu_cpu_stall_timeout=240 panic_on_warn=0 ")
        cmd = self.machine.cmd
        for n, word in enumerate(cmd):
            word = word.replace("512M", "%dM" % memory)
            cmd[n] = word.replace("quiet ", extra)

    def said(self):
        """What the server of the share has logged"""
        if not self.log.exists():
            return ""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def run(self, show=None):
        """The lines of the console; those for which show() is true are
        printed as they come."""
        lines = []
        if self.server:
            self.server.start()
        try:
            with self.machine as machine:
                for line in machine.events(self.timeout):
                    lines.append(line)
                    if show and show(line):
                        print(line, flush=True)
                    if line == "@DONE" or "Kernel panic" in line:
                        break
        finally:
            if self.server:
                self.server.stop()
        return lines


def splats(lines):
    """What the checkers have found: lines of the log, and leaks."""
    found = []
    for line in lines:
        if SPLAT.search(line) and not HARMLESS.search(line):
            found.append(line)
        elif line.startswith("leak unreferenced object"):
            found.append(line)
    return found


def report(lines):
    """The log from the first splat on, and the leaks, to be read."""
    first = [n for n, l in enumerate(lines)
             if SPLAT.search(l) and not HARMLESS.search(l)]
    kept = lines[first[0]:first[0] + 80] if first else []
    return kept + [l for l in lines if l.startswith("leak ")][:80]


def judge(whole, lines, what):
    """True if all came to its end, and no checker has found anything."""
    name = "%s, %s" % (whole.name, what)
    bad = [l for l in lines if l.startswith(("FAIL", "@FAILED"))]
    if "load checked" not in lines or "@DONE" not in lines:
        bad.append("the end was not reached: " + " / ".join(lines[-3:]))
    for checker in checkers(whole):
        if not any(BEGUN[checker] in l for l in lines):
            bad.append("no word of %s in the kernel's log" % checker)
    for line in bad[:40]:
        print("%s: %s" % (name, line))
    found = splats(lines)
    if found:
        print("\n".join(report(lines)))
    print("%s: %d splats, checked by %s" %
          (name, len(found), ", ".join(checkers(whole))))
    return not bad and not found


def main(names, function, default):
    status = 0
    for name in names or default:
        if name not in kwhole.WHOLE:
            print("%s: no such kernel; there are %s" %
                  (name, " ".join(kwhole.WHOLE)))
            return 2
        try:
            good = function(kwhole.WHOLE[name])
        except (programs.Missing, kwhole.MissingTool, FetchError) as e:
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


Folder = scenario.Folder
