#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""A hostile load on one crossfuse after another, for some seconds: guests
whose requests are half valid, whose rings and monitors lie, who pause, reboot,
reconnect and go away in the midst, on a share whose directories the host moves
about meanwhile. Nothing may end a server but what is said to, nothing of the
host may be seen or changed, nothing may grow.

    hostile_load.py PROGRAM SECONDS SEED
prints what was done how often; ends with 1 if something was wrong.
"""
import collections
import os
import random
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import hostile_messages as m  # noqa: E402
import hostile_requests as q  # noqa: E402
import virtio as v  # noqa: E402
from hostile_host import World  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
PATIENCE = 60  # seconds for any answer: sanitizers, and a machine that is busy
SLOTS, QUEUES = 32, 3
MEMORY = 0x100000 + QUEUES * 0x400000
REPORTS = re.compile(r"Sanitizer|runtime error:|DEADLYSIGNAL|by signal")
GROWTH_FILES, GROWTH_BYTES = 8, 96 << 20
ABIS = ["x86_64", "i386", "aarch64", "aarch64_be", "armv7l", "ppc64",
        "ppc64le", "mips64", "mipsel", "s390x", "riscv64", "alpha", "sparc64",
        "parisc", "m68k"]
BIG = {"aarch64_be", "ppc64", "mips64", "s390x", "sparc64", "parisc", "m68k"}
OPTIONS = [[], ["--cache=always"], ["--cache=never"], ["--no-flock"],
           ["--no-xattr"], ["--no-posix-acl"],
           ["--security-label=auto"], ["--readonly"], ["--writeback"],
           ["--thread-pool-size=1"], ["--inode-file-handles=never"],
           ["--inode-file-handles=mandatory"], ["--no-readdirplus"],
           ["--dir-offsets=small"], ["--xattrmap=:map::user.virtiofs.:"],
           ["--translate-uid=map:0:0:65536"], ["--no-posix-lock"],
           ["--allow-direct-io"], ["--log-level=debug"],
           ["--trace=trace"], ["--no-killpriv-v2"], ["--no-detect"]]


class Wrong(Exception):
    """Something that must not be."""


class Broken(Exception):
    """The server has given the queue up."""


class Ring(v.Queue):
    """A queue with a slot of 128 KiB for each request under way."""

    def __init__(self, front, memory, index):
        super().__init__(front, memory, index, num=256)
        self.buffers = 0x100000 + index * 0x400000
        self.free = list(range(1, SLOTS))  # 0 is the heartbeat's
        self.busy = {}  # head: slot, unique

    def forget(self):
        self.free = list(range(1, SLOTS))
        self.busy = {}

    def reap(self):
        """A head and a length; what has no end is Wrong."""
        until = time.monotonic() + PATIENCE
        while self.used() == self.used_idx:
            event = self.offset + 0x1000 + 4 + 2 * self.num
            self.map[event:event + 2] = struct.pack("<H", self.used_idx)
            if self.used() != self.used_idx:
                break
            left = until - time.monotonic()
            ready = select.select([self.call, self.err, self.front.sock], [],
                                  [], max(left, 0))[0]
            if self.err in ready:
                os.eventfd_read(self.err)
                raise Broken
            if self.front.sock in ready:
                raise v.Closed
            if not ready:
                raise Wrong(f"queue {self.index} does not answer")
            os.eventfd_read(self.call)
        at = self.offset + 0x2004 + 8 * (self.used_idx % self.num)
        self.used_idx = (self.used_idx + 1) & 0xffff
        return struct.unpack("<II", self.map[at:at + 8])


class Life:
    """One server from its start to its end."""

    def __init__(self, load):
        self.load, self.draw, self.counts = load, load.draw, load.counts
        draw = self.draw
        self.abi = draw.choice(ABIS)
        self.order = ">" if self.abi in BIG else "<"
        options = [f"--client-abi={self.abi}"] if draw.random() < 0.7 else []
        if draw.random() < 0.6:
            options += ["--posix-lock", "--flock"]
        for option in draw.sample(OPTIONS, draw.randrange(3)):
            options += option
        sandbox = draw.choice(("none", "none", "namespace", "chroot"))
        if load.sanitized == "thread":
            sandbox = "none"  # it finds the guest's memory by its name
        options.append("--sandbox=" + sandbox)
        # The sanitizers make system calls of their own; what is lost they
        # look for in /proc, which only the host has.
        if load.sanitized:
            options.append("--seccomp=none")
        os.environ["ASAN_OPTIONS"] = \
            f"detect_leaks={int(sandbox == 'none')}:" \
            "quarantine_size_mb=8:exitcode=99"
        self.server = v.Server(*options, program=[
            "prlimit", f"--fsize={1 << 18}", load.program])
        self.server.shared = load.world.share
        self.server.options = [
            "--trace=" + os.path.join(self.server.root, "trace")
            if option == "--trace=trace" else option
            for option in self.server.options]
        self.server.start()
        self.allowed = {0}
        self.counts["servers"] += 1

    def pid(self):
        """The process that serves: in a sandbox it is a child."""
        pid = self.server.process.pid
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as at:
            return int(at.read().split(" ")[0] or pid)

    def end(self):
        """It must end, well, without a word of a sanitizer."""
        try:
            status = self.server.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise Wrong("the server does not end") from None
        if status not in self.allowed:
            raise Wrong(f"the server ended with {status}, "
                        f"not one of {self.allowed}")

    def close(self):
        log = self.server.output()
        self.server.close()
        return log


class Working(Life):
    """A guest at work, through all that may happen to one."""

    def __init__(self, load):
        super().__init__(load)
        self.guest = q.Guest(self.draw, self.order)
        self.front = self.memory = None
        self.rings = []
        self.base_files = self.base_bytes = None
        self.restarts = 0

    def begin(self):
        self.front = v.FrontEnd(self.server.connect())
        self.front.sock.settimeout(PATIENCE)
        self.front.negotiate()
        self.memory = v.Memory(MEMORY)
        self.give()
        self.rings = [Ring(self.front, self.memory, i).start()
                      for i in range(QUEUES)]
        self.greet()

    def give(self):
        """All of the memory, as one region or as two."""
        half = self.draw.choice((0, MEMORY // 2 & ~4095))
        regions = [(v.GUEST, half, v.USER, 0)] if half else []
        regions.append((v.GUEST + half, MEMORY - half, v.USER + half, half))
        self.front.must(v.SET_MEM_TABLE, self.memory.table(
            self.front, regions), [self.memory.fd] * len(regions))

    def message(self, code, body=b"", node=1):
        return struct.pack(self.order + "IIQQIIIHH", 40 + len(body), code, 2,
                           node, 0, 0, 1, 0, 0) + body

    def greet(self):
        """FUSE_INIT as it should be, which must be answered so."""
        body = struct.pack(self.order + "IIII12I", 7, 38, 1 << 17,
                           self.draw.choice(
                               (0x40000000, *[0x73fffffb] * 3)),
                           *[0] * 12)
        reply = self.heartbeat(self.rings[1], self.message(q.INIT, body))
        error, = struct.unpack_from(self.order + "i", reply, 4)
        if error:
            raise Wrong(f"FUSE_INIT fails: {error}")
        reply = self.heartbeat(self.rings[1])
        if struct.unpack_from(self.order + "i", reply, 4)[0]:
            raise Wrong("GETATTR of the root fails")
        self.guest.forget_all()

    def heartbeat(self, ring, request=None):
        """A request that must be answered; all else that comes with it."""
        head = ring.put(request or self.message(3, bytes(16)), slot=0)
        ring.notify()
        while True:
            got, length = ring.reap()
            if got == head:
                return ring.reply(0, length)
            self.finish(ring, got, length)

    def finish(self, ring, head, length):
        slot, unique = ring.busy.pop(head, (None, None))
        if slot is None:
            raise Wrong(f"head {head} comes back, which was not given")
        ring.free.append(slot)
        reply = ring.reply(slot, length) if length <= 0x10000 else b""
        self.counts["answers"] += 1
        world = self.load.world
        if world.secret in reply or world.name.encode() in reply:
            raise Wrong("a reply has what lies outside of the share")
        if self.guest.learn(unique, reply) in world.inodes:
            raise Wrong("a file outside of the share was found")

    def offer(self, ring, code, node, unique, request):
        slot = ring.free.pop()
        room = 0 if code in q.SILENT else self.draw.choice(
            (0x10000, 0x10000, 0x10000, 4096, 200, 16))
        size = len(request)
        cut = None
        if self.draw.random() < 0.3 and size > 1:
            at = self.draw.randrange(size)
            cut = [at, size - at]
        head = ring.put(request, room=room, slot=slot, cut=cut,
                        indirect=self.draw.random() < 0.3)
        ring.busy[head] = slot, unique
        self.guest.waiting[unique] = code, node
        self.counts["requests"] += 1
        if code in q.COUNTED:
            self.counts["guest's " + q.COUNTED[code]] += 1

    def requests(self):
        """A burst on each queue, side by side."""
        for ring in self.rings:
            count = self.draw.randrange(len(ring.free) + 1)
            for request in self.guest.burst(count):
                self.offer(ring, *request)
            ring.notify()
        for ring in self.rings:
            self.heartbeat(ring)
            if len(ring.busy) > self.draw.choice((2, SLOTS // 2)):
                self.interrupt(ring)

    def interrupt(self, ring):
        """A flood of INTERRUPT: what waits must then come back."""
        until = time.monotonic() + PATIENCE
        while len(ring.free) < SLOTS - 1:
            for _, unique in list(ring.busy.values()):
                body = struct.pack(self.order + "Q", unique)
                self.heartbeat(self.rings[0] if ring.index else ring,
                               self.message(q.INTERRUPT, body))
                self.counts["interrupts"] += 1
            self.heartbeat(ring)
            if time.monotonic() > until:
                codes = [self.guest.waiting.get(unique)
                         for _, unique in ring.busy.values()]
                raise Wrong(f"interrupted, but not answered: {codes}")

    # What may happen to a guest.

    def locks(self):
        """Locks of one owner after another on a handle, then RELEASE."""
        guest = self.guest
        for _ in range(self.draw.randrange(60)):
            if not guest.handles:
                return
            node, handle = self.draw.choice(guest.handles)
            owner = self.draw.getrandbits(64)
            body = guest.pack("QQQQIIII", handle, owner, 0, 9,
                              self.draw.randrange(3), 1, 0, 0)
            self.heartbeat(self.rings[1], self.message(q.SETLK, body, node))
            self.counts["lock loops"] += 1

    def attributes(self):
        """A flood of extended attributes on one file."""
        node = self.guest.node()
        for _ in range(self.draw.randrange(60)):
            value = self.draw.randbytes(self.draw.randrange(200))
            body = self.guest.pack("II", len(value), 0) + \
                b"user.%d" % self.draw.getrandbits(30) + b"\0" + value
            self.heartbeat(self.rings[1],
                           self.message(q.SETXATTR, body, node))
            self.counts["attribute floods"] += 1

    def stop(self):
        for ring in self.rings:
            ring.stop()

    def restart(self):
        """A reboot; then no more is open, and no more is used, than before."""
        if self.draw.random() < 0.5:
            self.front.must(v.RESET_DEVICE)
        else:
            self.stop()
        for ring in self.rings:
            for fd in ring.kick, ring.call, ring.err:
                try:
                    os.eventfd_read(fd)
                except BlockingIOError:
                    pass
            ring.clear()
            ring.forget()
            ring.start()
        self.greet()
        self.counts["reboots"] += 1
        self.restarts += 1
        self.measure()

    def measure(self):
        pid = self.pid()
        files = len(os.listdir(f"/proc/{pid}/fd"))
        with open(f"/proc/{pid}/status", encoding="ascii") as status:
            used = int(re.search(r"VmRSS:\s*(\d+)", status.read())[1]) << 10
        if self.restarts == 1:
            self.base_files = files
        if self.restarts <= 8:
            self.base_bytes = used
        if files > self.base_files + GROWTH_FILES:
            raise Wrong(f"{files} open files, at first {self.base_files}")
        if used > self.base_bytes + GROWTH_BYTES:
            raise Wrong(f"{used} bytes of memory, at first {self.base_bytes}")

    def pause(self):
        """Stopped and started where it was, as for a migration."""
        bases = [ring.stop() for ring in self.rings]
        if self.draw.random() < 0.5:
            self.give()
        for ring, base in zip(self.rings, bases):
            ring.start(base)
        self.counts["pauses"] += 1

    def regions(self):
        """Memory comes and goes while the queues run."""
        fd = os.memfd_create("more")
        os.ftruncate(fd, 1 << 20)
        for i in range(self.draw.randrange(1, 30)):
            region = self.front.pack(
                "QQQQQ", 0, 0x90000000 + (i << 20), 1 << 20,
                0x20000000 + (i << 20), 0)
            self.front.must(v.ADD_MEM_REG, region, [fd])
            for request in self.guest.burst(min(2, len(self.rings[2].free))):
                self.offer(self.rings[2], *request)
            self.rings[2].notify()
            self.front.must(v.REM_MEM_REG, region)
            self.counts["memory changes"] += 1
        if self.draw.random() < 0.5:
            self.give()
        os.close(fd)

    def faults(self):
        """Descriptors by lot: the queue is broken, or is not."""
        ring, draw = self.rings[self.draw.randrange(QUEUES)], self.draw
        for number in range(256):
            ring.desc(number, v.GUEST + draw.randrange(MEMORY)
                      if draw.random() < 0.9 else draw.getrandbits(64),
                      draw.choice((0, 1, 16, 40, 64, 4096, 0xffffffff)),
                      draw.randrange(8), draw.randrange(300))
        for _ in range(draw.randrange(1, 9)):
            ring.offer(draw.randrange(300))
        ring.notify()
        time.sleep(0.01)
        self.counts["broken rings"] += 1
        self.restart()

    def again(self):
        """DESTROY, or INIT of any kind, with requests under way."""
        for ring in self.rings:
            for request in self.guest.burst(len(ring.free) // 2):
                self.offer(ring, *request)
        for ring in self.rings:
            ring.notify()
        code = self.draw.choice((q.INIT, q.INIT, q.DESTROY))
        request = self.guest.request(code)[3]
        self.heartbeat(self.draw.choice(self.rings), request)
        self.counts["handshakes"] += 1
        self.greet()

    def run(self, until):
        acts = [self.requests] * 60 + [
            self.locks, self.locks, self.attributes, self.pause, self.pause,
            self.regions, self.regions, self.again, self.again, self.restart,
            self.faults]
        self.begin()
        while time.monotonic() < until:
            try:
                self.draw.choice(acts)()
            except Broken:
                # An index or a length that lies, by lot.
                self.counts["broken rings"] += 1
                self.restart()
        # It works still.
        self.restart()
        self.leave()
        self.end()

    def leave(self):
        """With requests under way, in one of several ways."""
        for ring in self.rings:
            for request in self.guest.burst(len(ring.free)):
                self.offer(ring, *request)
            ring.notify()
        how = self.draw.randrange(4)
        if how == 0:
            self.server.process.send_signal(signal.SIGTERM)
        elif how == 1:
            self.memory.map.close()
            os.ftruncate(self.memory.fd, 4096)
            for ring in self.rings:
                ring.notify()
            self.front.sock.close()
            self.allowed = {0, 1}
        elif how == 2:
            self.front.sock.sendall(self.draw.randbytes(100))
            self.allowed = {1}
        else:
            self.front.sock.close()

    def close(self):
        if self.front:
            self.front.sock.close()
        log = super().close()
        for ring in self.rings:
            ring.close()
        if self.memory:
            self.memory.close()
        return log


class Monitor(Life):
    """A monitor whose messages are hostile."""

    def run(self, _until):
        self.allowed = {0, 1}
        front = v.FrontEnd(self.server.connect(),
                           self.draw.choice(("=", "=", ">")))
        messages = m.Messages(self.draw, front)
        try:
            messages.run(self.draw.randrange(20, 400))
        except (v.Closed, BrokenPipeError, ConnectionResetError):
            pass
        except (socket.timeout, TimeoutError):
            raise Wrong("the server reads no messages") from None
        finally:
            self.counts["messages"] += messages.sent
            messages.close()
            front.sock.close()
        self.end()


class Faults(Life):
    """The faults of bench/virtiofs-bench."""

    def run(self, _until):
        count = 108
        driver = os.path.join(os.environ.get("CROSSFUSE_BUILD", "build"),
                              "bench/virtiofs-bench")
        while not os.path.exists(self.server.path):
            time.sleep(0.01)
        result = subprocess.run(
            [driver, "--hostile", str(self.draw.getrandbits(30)), "--count",
             str(count), self.server.path], stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=240, check=False)
        if result.returncode or not result.stdout.endswith("done\n"):
            raise Wrong("virtiofs-bench --hostile: " + result.stderr[-500:])
        self.counts["faults"] += count
        self.end()


class Load:
    def __init__(self, program, seconds, seed):
        self.program = program
        with open(program, "rb") as file:
            code = file.read()
        self.sanitized = "address" if b"__asan_init" in code else \
            "thread" if b"__tsan_init" in code else None
        self.draw = random.Random(seed)
        self.counts = collections.Counter()
        self.seconds = seconds
        self.world = None

    def round(self, life_class, lives, until):
        """So many lives, one after the other, on a share of their own."""
        root = tempfile.mkdtemp(prefix="crossfuse-hostile.",
                                dir=self.draw.choice((None, "/dev/shm")))
        self.world = World(root)
        mover = subprocess.Popen(
            [sys.executable, os.path.join(HERE, "hostile_host.py"),
             self.world.share, self.world.outside, self.world.parking,
             str(self.draw.getrandbits(30))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            for _ in range(lives):
                self.live(life_class(self), until)
        finally:
            output = mover.communicate(timeout=60)[0]
            for line in output.splitlines():
                count, name = line.split(" ", 1)
                self.counts["host's " + name] += int(count)
            changed = self.world.check()
            self.world.clean()
            if changed:
                raise Wrong(f"changed outside of the share: {changed}")

    def live(self, life, until):
        """A life; what was wrong with it, with the server's log."""
        wrong = None
        try:
            life.run(until)
        except (Wrong, AssertionError, v.Closed, OSError, RuntimeError,
                subprocess.TimeoutExpired) as error:
            wrong = f"{type(error).__name__} {error}"
        finally:
            options = life.server.options
            log = life.close()
        if REPORTS.search(log):
            wrong = f"a report of a sanitizer ({wrong})"
        if wrong:
            raise Wrong(f"{type(life).__name__} {options}: {wrong}\n"
                        f"{log[-6000:]}")

    def run(self):
        end = time.monotonic() + self.seconds
        turn = 0
        while time.monotonic() < end:
            kind, lives = ((Working, 1), (Monitor, 12), (Faults, 1))[turn % 3]
            length = min(self.draw.choice((5, 20)), self.seconds / 3)
            self.round(kind, lives, min(time.monotonic() + length, end))
            turn += 1
        for name, count in sorted(self.counts.items()):
            print(f"{count:10} {name}")


if __name__ == "__main__":
    chosen = int(sys.argv[3])
    os.environ["UBSAN_OPTIONS"] = "halt_on_error=1:print_stacktrace=1"
    os.environ["TSAN_OPTIONS"] = "halt_on_error=1:exitcode=99" \
        ":suppressions=" + os.path.join(HERE, "hostile.supp")
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    try:
        Load(sys.argv[1], float(sys.argv[2]), chosen).run()
    except Wrong as found:
        print(f"seed {chosen}: {found}")
        sys.exit(1)
