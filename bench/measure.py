# SPDX-License-Identifier: BSD-2-Clause
"""Servers under the load of build/bench/virtiofs-bench, as plain data."""

import collections
import datetime
import json
import os
import pathlib
import platform
import re
import shlex
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/guests"))
import packages  # noqa: E402

BUILD = pathlib.Path(os.environ.get("CROSSFUSE_BUILD", ROOT / "build"))
CROSSFUSE = os.environ.get("CROSSFUSE", str(BUILD / "src/crossfuse"))
DRIVER = str(BUILD / "bench/virtiofs-bench")
TRANSLATE = str(BUILD / "bench/translate")
C_VIRTIOFSD = "/usr/lib/qemu/virtiofsd"
OPERATIONS = {
    "getattr": "GETATTR",
    "read4k": "4 KiB random READ",
    "open": "LOOKUP, OPEN, RELEASE",
    "create": "CREATE, RELEASE, UNLINK",
    "readdirplus": "READDIRPLUS, per entry",
    "read1m": "1 MiB sequential READ",
    "write1m": "1 MiB sequential WRITE",
}
# Of the library: what a file system is asked most.
MESSAGES = ("LOOKUP", "FORGET", "GETATTR", "SETATTR", "OPEN", "READ", "WRITE",
            "RELEASE", "CREATE", "READDIRPLUS", "IOCTL")
# Clients of another architecture, of crossfuse.
FOREIGN = ("aarch64", "s390x")


class MeasureError(Exception):
    pass


class Server:
    """A program that serves a directory at a socket."""

    def __init__(self, name, program, arguments):
        self.name = name
        self.program = program
        self.arguments = arguments  # of socket and directory

    def command(self, sock, share):
        return self.program + self.arguments(sock, share)

    def version(self):
        out = subprocess.run(self.program + ["--version"], text=True,
                             stdin=subprocess.DEVNULL, check=False,
                             stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, timeout=20).stdout
        found = re.search(r"\d+(\.\d+)+", out)
        return found.group(0) if found else "?"


def virtiofsd(name):
    """One of another release than this machine's; None: not to be had."""
    try:
        packages.fetch(name)
        program = packages.virtiofsd_command(name)
    except packages.FetchError as error:
        print("bench: goes without %s: %s" % (name, error), file=sys.stderr)
        return None
    return Server(name, program, lambda sock, share: [
        "--socket-path=" + sock, "--shared-dir=" + share])


def servers(names=None):
    """crossfuse, and every virtiofsd there is."""
    found = [Server("crossfuse", [CROSSFUSE], lambda sock, share: [
        "virtio:" + sock, "dir:" + share,
        *shlex.split(os.environ.get("CROSSFUSE_ARGS", ""))])]
    if os.access(C_VIRTIOFSD, os.X_OK):
        found.append(Server("virtiofsd-c", [C_VIRTIOFSD], lambda sock, share: [
            "--socket-path=" + sock, "-o", "source=" + share]))
    else:
        print("bench: goes without %s (package qemu-system-common of "
              "Debian 12)" % C_VIRTIOFSD, file=sys.stderr)
    for name in packages.VIRTIOFSD:
        if not names or name in names:
            server = virtiofsd(name)
            if server:
                found.append(server)
    return [s for s in found if not names or s.name in names]


class Shape(collections.namedtuple("Shape", "queues depth spin")):
    """Queues, requests under way in each, and whether the driver polls."""

    @staticmethod
    def parse(text):
        found = re.fullmatch(r"(\d+)x(\d+)(\+spin)?", text)
        if not found:
            raise ValueError("%s is not QUEUESxDEPTH[+spin]" % text)
        return Shape(int(found[1]), int(found[2]), bool(found[3]))

    def __str__(self):
        return "%dx%d%s" % (self.queues, self.depth,
                            "+spin" if self.spin else "")

    def title(self):
        return "%d x %d%s" % (self.queues, self.depth,
                              ", polling" if self.spin else "")


class Running:
    """A server with its socket, in a with statement.

    It has a session of its own: Linux schedules by session, and some servers
    make one for themselves, which would else be the slower ones.
    """

    def __init__(self, server, share, wrapper=()):
        self.tmp = tempfile.TemporaryDirectory(prefix="crossfuse-bench.")
        self.sock = os.path.join(self.tmp.name, "sock")
        self.log_path = os.path.join(self.tmp.name, "log")
        self.server = server
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [*wrapper, *server.command(self.sock, share)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True)

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            return log.read()[-400:].strip()

    def __enter__(self):
        for _ in range(500):
            if os.path.exists(self.sock):
                return self
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        said = self.log()
        self.__exit__()
        raise MeasureError("%s does not come up: %s" %
                           (self.server.name, said))

    def __exit__(self, *_):
        """It ends by itself once its client is gone."""
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.tmp.cleanup()

    def load(self, *options):
        """The rows that the driver prints."""
        try:
            out = subprocess.run(
                [DRIVER, *options, self.sock], stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, text=True, timeout=120, check=False)
        except subprocess.TimeoutExpired as error:
            raise MeasureError("%s does not answer" %
                               self.server.name) from error
        if out.returncode:
            raise MeasureError("%s: %s %s" % (
                self.server.name, out.stderr.strip()[-200:], self.log()))
        return [json.loads(line) for line in out.stdout.splitlines()]


class Behind(Running):
    """A server, and crossfuse in front of it, whose socket SOCK is."""

    def __init__(self, server, share):
        self.back = Running(server, share).__enter__()
        super().__init__(Server("crossfuse", [CROSSFUSE], lambda sock, _: [
            "virtio:" + sock, "vhost:" + self.back.sock]), share)

    def __exit__(self, *_):
        super().__exit__()
        self.back.__exit__()


def make_share(directory):
    """A directory with the sample files; to be closed with cleanup()."""
    share = tempfile.TemporaryDirectory(prefix="crossfuse-share.",
                                        dir=directory)
    os.chmod(share.name, 0o755)
    subprocess.run([DRIVER, "--create", share.name], check=True, timeout=120)
    return share


def shape_options(shape):
    return ["--queues", str(shape.queues), "--depth", str(shape.depth)] + (
        ["--spin"] if shape.spin else [])


def bare(share, shape, operations, seconds):
    out = subprocess.run(
        [DRIVER, "--bare", share, "--operation", ",".join(operations),
         "--seconds", str(seconds), *shape_options(shape)],
        stdout=subprocess.PIPE, text=True, check=True, timeout=120)
    return [json.loads(line) for line in out.stdout.splitlines()]


def loaded(server, client, share, shape, args):
    with Running(server, share) as running:
        return running.load(
            "--server-pid", str(running.process.pid), "--client", client,
            "--seconds", str(args.seconds), *shape_options(shape),
            "--operation", ",".join(args.operations))


class Best:
    """Of each row the best round, and the least processor time."""

    def __init__(self):
        self.rows = {}

    def add(self, shape, variant, rows):
        for row in rows:
            key = (str(shape), row["operation"], variant)
            old = self.rows.get(key, row)
            new = dict(row if row["rate"] > old["rate"] else old)
            for least in ("cpu_us", "p50_us", "p99_us"):
                if least in row:
                    new[least] = min(row[least], old[least])
            new.update(shape=key[0], variant=variant)
            self.rows[key] = new


def variants(found, shape):
    """(name of the row, server, client) to measure in a shape."""
    plan = [(s.name, s, platform.machine()) for s in found]
    if not shape.spin:
        plan += [(client, found[0], client) for client in FOREIGN]
    return plan


def rounds(args, share, found):
    best = Best()
    failed = set()
    begun = time.monotonic()
    for turn in range(args.rounds):
        took = (time.monotonic() - begun) / max(turn, 1)
        if turn and time.monotonic() - begun + took > 60 * args.minutes:
            args.rounds = turn  # another would take too long
            break
        for shape in args.shapes:
            plan = variants(found, shape)
            first = turn % len(plan)
            if not shape.spin:
                best.add(shape, "bare", bare(share, shape, args.operations,
                                             args.seconds))
            for name, server, client in plan[first:] + plan[:first]:
                if (name, shape) in failed:
                    continue
                try:
                    best.add(shape, name, loaded(server, client, share,
                                                 shape, args))
                except MeasureError as error:
                    if server is found[0]:
                        raise
                    print("bench: %s" % error, file=sys.stderr)
                    failed.add((name, shape))
        print("bench: round %d of at most %d" % (turn + 1, args.rounds),
              file=sys.stderr)
    return list(best.rows.values())


def library():
    """Nanoseconds for messages of some kinds: (kind, opcode, times)."""
    out = subprocess.run([TRANSLATE], stdout=subprocess.PIPE, text=True,
                         check=True, timeout=300).stdout.splitlines()
    columns = out[0].split()[4:]  # after: ns per message bytes
    rows, seen = [], set()
    for line in out[1:]:
        kind, opcode, _, *times = line.split()
        # of several the first, which is the shortest
        if opcode not in MESSAGES or (kind, opcode) in seen:
            continue
        seen.add((kind, opcode))
        rows.append({"kind": kind, "opcode": opcode,
                     "ns": dict(zip(columns, map(float, times)))})
    return rows


def processor():
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        for line in info:
            if line.startswith(("model name", "Processor")):
                return line.split(":", 1)[1].strip()
    return platform.machine()


def measure(args, found):
    """All that a report is made from."""
    load = os.getloadavg()[0]
    share = make_share(args.directory)
    try:
        rows = rounds(args, share.name, found)
    finally:
        share.cleanup()
    return {
        "date": datetime.date.today().isoformat(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "load": load,
        "rounds": args.rounds,
        "seconds": args.seconds,
        "servers": {s.name: s.version() for s in found},
        "rows": rows,
        "library": library(),
    }
