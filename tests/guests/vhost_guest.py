# SPDX-License-Identifier: BSD-2-Clause
"""A guest whose virtiofsd is killed and started again under load, crossfuse
between: it works on by the path, nothing hangs, and what it wrote is there. The
guest says @WAIT where the host is to act."""
import hashlib
import os
import pathlib
import sys
import time

sys.dont_write_bytecode = True
import children  # noqa: E402
import scenario  # noqa: E402
from build import BuildError, Missing  # noqa: E402
from machine import Machine, MachineError  # noqa: E402
from packages import FetchError, busybox  # noqa: E402
from servers import Server, ServerError  # noqa: E402

TOOLS = ("sh", "mkdir", "mount", "umount", "ls", "md5sum", "cat", "dd", "wc",
         "stat", "sleep", "echo", "seq", "mv", "rm", "kill", "tr", "sync")

# The load goes on by itself: what fails of it is what a path does not reach.
SCRIPT = """\\
export PATH=/bin
mkdir /m && mount -t virtiofs share /m || echo "= mount failed"
echo "= big $(md5sum < /m/big)"
exec 7< /m/held
for worker in 1 2 3; do
    (for i in $(seq 2000); do
        [ -e /m/stop ] && break
        mkdir /m/w$worker.$i 2> /dev/null
        echo $i > /m/w$worker.$i/f 2> /dev/null &&
            [ "$(cat /m/w$worker.$i/f 2> /dev/null)" = $i ] &&
            echo $i > /m/last$worker 2> /dev/null
    done) &
done
for round in 1 2 3; do
    echo "@WAIT kill-$round"; read go
    echo "= round $round big $(md5sum < /m/big)"
    echo "= round $round names $(ls /m/many | wc -l)"
    mkdir /m/after$round && echo $round > /m/after$round/f
    echo "= round $round made $(cat /m/after$round/f)"
done
cat <&7 > /dev/null 2>&1 && echo "= a file of a dead back end was read"
exec 7<&-
echo > /m/stop
wait
echo "= load ended"
umount /m || echo "= umount failed"
mount -t virtiofs share /m && echo "= again $(md5sum < /m/big)"
umount /m
"""


class Killed(Server):
    """Its back end can be killed, with all processes that it has, and started
    again."""

    def kill_back(self):
        back = self.behind
        tree = [back.process.pid]
        for pid in tree:
            for task in pathlib.Path("/proc/%d/task" % pid).glob("*/children"):
                tree += map(int, task.read_text().split())
        for pid in tree:
            os.kill(pid, 9)
        back.process.wait()
        back.sock.unlink(missing_ok=True)

    def start_back(self):
        self.behind.start()


def fill(share):
    data = os.urandom((2 << 20) + 77)
    (share / "big").write_bytes(data)
    (share / "held").write_text("held\n")
    (share / "many").mkdir()
    for i in range(300):
        (share / "many" / ("entry-%03d" % i)).touch()
    return data


def expected(data):
    md5 = "%s  -" % hashlib.md5(data).hexdigest()
    lines = ["big " + md5]
    for n in 1, 2, 3:
        lines += ["round %d big %s" % (n, md5), "round %d names 300" % n,
                  "round %d made %d" % (n, n)]
    return lines + ["load ended", "again " + md5]


def look(share, problems):
    """What the load wrote before and after, as the host finds it."""
    for n in 1, 2, 3:
        last = int((share / ("last%d" % n)).read_text())
        if last < 3 or (share / ("w%d.%d" % (n, last)) / "f").read_text(
                ) != "%d\n" % last:
            problems.append("worker %d came to %d" % (n, last))
        if (share / ("after%d" % n) / "f").read_text() != "%d\n" % n:
            problems.append("what was made in round %d is not there" % n)


def act(server):
    """The guest does not wait for the host: its load meets all of it."""
    time.sleep(0.5)
    server.kill_back()
    time.sleep(0.3)
    server.start_back()


def run(name, kind):
    started = time.monotonic()
    parts = scenario.Parts(name)
    problems, seen = [], []
    with scenario.Folder(False) as folder:
        data = fill(folder.share)
        script = folder.path / "run.sh"
        script.write_text(SCRIPT, encoding="ascii")
        parts.programs = {"init": parts.programs["init"], "run.sh": script}
        box = busybox(parts.guest)
        for tool in TOOLS:
            parts.programs["bin/" + tool] = box
        sock = folder.path / "fs.sock"
        server = Killed(kind, folder.share, sock, folder.path / "server.log")
        machine = Machine(parts.guest, parts.kernel / "vmlinuz",
                          parts.initrd(folder, ["exec /bin/sh /run.sh"]),
                          folder.path, sock=sock, queues=2)
        with server, machine:
            for line in machine.events(120):
                if line.startswith("@WAIT "):
                    act(server)
                    machine.answer()
                elif line.startswith("= "):
                    seen.append(line[2:])
                elif line == "@DONE":
                    break
            log = pathlib.Path(server.log).read_text(errors="replace")
        problems += ["%r" % text for text in
                     sorted(set(expected(data)) ^ set(seen))]
        look(folder.share, problems)
        if log.count("a back end is there again") != 3:
            problems.append("the back end did not come back: " + log[-500:])
        folder.keep = bool(problems)
    for problem in problems:
        print("  " + problem)
    print("%s, %s killed 3 times: %d problems, %d s" % (
        name, kind, len(problems), time.monotonic() - started))
    return 1 if problems else 0


def main(name, kind):
    children.end_with_us()
    try:
        scenario.need_root()
        return run(name, kind)
    except (Missing, FetchError) as e:
        print("skipped, missing: %s" % e)
        return 77
    except (BuildError, MachineError, ServerError) as e:
        print("WRONG: %s" % e)
        return 1
