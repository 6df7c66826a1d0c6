# SPDX-License-Identifier: BSD-2-Clause
"""A guest uses FUSE daemons of the host through virtio-fs and exec:, and finds
the same bytes that are there; the host finds what the guest has made."""
import contextlib
import hashlib
import os
import pathlib
import subprocess
import sys
import time

sys.dont_write_bytecode = True
import children  # noqa: E402
import scenario  # noqa: E402
from build import BuildError, Missing  # noqa: E402
from machine import Machine, MachineError  # noqa: E402
from packages import FetchError, busybox  # noqa: E402
from servers import crossfuse_command  # noqa: E402

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] /
                       "interop"))
import libfuse  # noqa: E402
import loopback  # noqa: E402
import mounted  # noqa: E402

TOOLS = ("sh", "mkdir", "mount", "umount", "ls", "wc", "md5sum", "cp", "cat",
         "dd", "mv", "rm", "stat", "ln", "chmod", "tr", "echo", "uname",
         "sleep")

# Each line that begins with "= " is compared; what fails says so.
SCRIPT = """\\
export PATH=/bin
for tag in @TAGS@; do
    mkdir /$tag && mount -t virtiofs $tag /$tag || echo "= $tag mount failed"
    cd /$tag
    # The others give O_DIRECT to the host, with a buffer that is not aligned.
    direct=; [ $tag != bindfs ] || direct=oflag=direct
    echo "= $tag big $(md5sum < big)"
    echo "= $tag names $(ls many | wc -l)"
    if [ $tag = passthrough ]; then
        exec 3< held
        echo "@KILL $tag" && read answer
        echo "= $tag held $(cat <&3 2>&1)"
        exec 3<&-
        echo "= $tag again $(md5sum < big)"
        cd / && umount /$tag && mount -t virtiofs $tag /$tag && cd /$tag
        echo "= $tag mounted again $(md5sum < big)"
    fi
    case $tag in
    squashfuse)
        echo x > new 2> /dev/null && echo "= $tag was written to" ;;
    *)
        mkdir made && cp big made/copy && mv made/copy made/moved
        echo "= $tag copy $(md5sum < made/moved)"
        dd if=big of=made/direct bs=4k count=64 $direct 2> /dev/null
        echo "= $tag direct $(md5sum < made/direct)"
        echo more >> made/direct && chmod 640 made/direct
        echo "= $tag mode $(stat -c %a:%s made/direct)"
        ln -s moved made/link && echo "= $tag link $(stat -c %N made/link)"
        mkdir made 2> /dev/null && echo "= $tag made twice"
        rm made 2> /dev/null && echo "= $tag rm removed a directory"
        echo "= $tag loop $(cat made/nothing 2>&1 | tr -d "'")" ;;
    esac
    cd /
    umount /$tag || echo "= $tag umount failed"
done
mkdir /notify && mount -t virtiofs notify /notify
first=$(cat /notify/current_time) && sleep 3
[ "$first" = "$(cat /notify/current_time)" ] && echo "= notify is stale"
echo "= notify seen ${first%% is*}"
umount /notify
"""


def md5(data):
    return hashlib.md5(data).hexdigest()


def fill(folder):
    """What each daemon has; its big file's bytes."""
    data = os.urandom((3 << 20) + 77)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "big").write_bytes(data)
    (folder / "held").write_text("held\n")
    (folder / "many").mkdir()
    for i in range(500):
        (folder / "many" / ("entry-%03d" % i)).touch()
    return data


def example(folder, name, tree=None):
    """One of libfuse's own examples, with this machine's or another libfuse;
    its command."""
    tree = tree or libfuse.system()
    out = folder / (name + "-" + tree.version())
    subprocess.run(
        ["gcc", "-O1", "-w", "-o", out, tree.examples / (name + ".c"),
         "-I", tree.include, "-I", tree.include.parent, "-L", tree.libraries,
         "-lfuse3", "-lpthread", "-Wl,--allow-shlib-undefined"], check=True)
    return " ".join([*tree.loader(), str(out)])


def encrypted(folder):
    """An encrypted directory with the usual in it."""
    cipher = folder / "cipher"
    cipher.mkdir()
    subprocess.run(["gocryptfs", "-init", "-q", "-extpass", "echo secret",
                    cipher], check=True, stdout=subprocess.DEVNULL)
    command = "gocryptfs -fg -q -extpass 'echo secret' %s {}" % cipher
    with mounted.Mount(folder / "plain", "exec:" + command) as m:
        data = fill(m.where)
    return [command, data, None]


def daemons(folder, ssh):
    """tag -> (command, bytes of big, where the host sees the files)."""
    out = {}
    for tag in ("bindfs", "passthrough", "newer", "mergerfs", "overlay",
                "sshfs"):
        share = folder / ("share-" + tag)
        out[tag] = [None, fill(share), share]
    out["bindfs"][0] = "bindfs -f %s {dir}" % out["bindfs"][2]
    out["mergerfs"][0] = "mergerfs -f %s {dir}" % out["mergerfs"][2]
    out["passthrough"][0] = "%s -f -o source=%s {}" % (
        example(folder, "passthrough_ll"), out["passthrough"][2])
    out["newer"][0] = "%s -f -o source=%s {}" % (
        example(folder, "passthrough_ll", libfuse.fetched()),
        out["newer"][2])
    out["sshfs"][0] = "sshfs -f %s 127.0.0.1:%s {dir}" % (
        ssh, out["sshfs"][2])
    upper, work = folder / "upper", folder / "work"
    upper.mkdir()
    work.mkdir()
    out["overlay"][0] = ("fuse-overlayfs -f -o lowerdir=%s,upperdir=%s,"
                         "workdir=%s {dir}" % (out["overlay"][2], upper, work))
    out["overlay"][2] = upper
    source = folder / "squash"
    data = fill(source)
    image = folder / "squash.img"
    subprocess.run(["mksquashfs", source, image, "-quiet", "-no-progress"],
                   check=True, stdout=subprocess.DEVNULL)
    out["squashfuse"] = ["squashfuse -f %s {dir}" % image, data, None]
    out["gocryptfs"] = encrypted(folder)
    return out


def expected(tag, data):
    lines = ["big %s  -" % md5(data), "names 500"]
    if tag == "passthrough":
        lines += ["held cat: read error: Stale file handle",
                  "again %s  -" % md5(data),
                  "mounted again %s  -" % md5(data)]
    if tag == "squashfuse":
        return lines
    return lines + [
        "copy %s  -" % md5(data), "direct %s  -" % md5(data[:256 << 10]),
        "mode 640:%d" % ((256 << 10) + 5), "link made/link -> moved",
        "loop cat: cant open made/nothing: No such file or directory"]


@contextlib.contextmanager
def serving(sock, command, log, *options):
    with open(log, "ab") as out:
        p = children.start(crossfuse_command() + [
            "virtio:%s" % sock, "exec:" + command, *options],
            stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        for _ in range(200):
            if sock.exists() or p.poll() is not None:
                break
            time.sleep(0.05)
        yield p
    finally:
        if p.poll() is None:
            p.terminate()
        p.wait(20)
        children.forget(p)


def kill_daemon(log):
    """That of passthrough; there is another when this returns."""
    subprocess.run(["pkill", "-KILL", "-f", "^[^ ]*%s/passthrough_ll-3.14" %
                    log.parent], check=True)
    for _ in range(400):
        if "was started again" in log.read_text(errors="replace"):
            return
        time.sleep(0.05)
    raise MachineError("not started again: " + log.read_text())


def check_notify(seen, log):
    """The guest cannot be notified: it is told to keep nothing for long."""
    if seen != ["seen The current time"]:
        return ["notify: %s" % seen]
    if log.read_text(errors="replace").count("it keeps what it knows") != 1:
        return ["notify: the log does not say so"]
    return []


def run(name):
    parts = scenario.Parts(name)
    problems = []
    with scenario.Folder(False) as folder, contextlib.ExitStack() as stack:
        ssh = stack.enter_context(loopback.sshd(folder.path))
        served = daemons(folder.path, ssh)
        box = busybox(parts.guest)
        script = folder.path / "run.sh"
        script.write_text(SCRIPT.replace("@TAGS@", " ".join(served)),
                          encoding="ascii")
        parts.programs = {"init": parts.programs["init"], "run.sh": script}
        for tool in TOOLS:
            parts.programs["bin/" + tool] = box
        socks = {}
        for tag, (command, _, _) in served.items():
            socks[tag] = folder.path / (tag + ".sock")
            stack.enter_context(serving(
                socks[tag], command, folder.path / (tag + ".log"),
                *["--restart"] * (tag == "passthrough")))
        socks["notify"] = folder.path / "notify.sock"
        notify_log = folder.path / "notify.log"
        stack.enter_context(serving(
            socks["notify"], example(folder.path, "notify_inval_inode") +
            " -f {}", notify_log))
        machine = Machine(parts.guest, parts.kernel / "vmlinuz",
                          parts.initrd(folder, ["exec /bin/sh /run.sh"]),
                          folder.path, tags=socks)
        stack.enter_context(machine)
        seen = {tag: [] for tag in socks}
        for line in machine.events(parts.guest.timeout):
            if line.startswith("= "):
                _, tag, text = line.split(" ", 2)
                seen[tag].append(text.replace("'", ""))
            if line.startswith("@KILL "):
                kill_daemon(folder.path / (line[6:] + ".log"))
                machine.answer()
            if line == "@DONE":
                break
        problems += check_notify(seen["notify"], notify_log)
        for tag, (_, data, share) in served.items():
            want = expected(tag, data)
            problems += ["%s: %s" % (tag, text) for text in
                         sorted(set(want) ^ set(seen[tag]))]
            if share and md5((share / "made" / "moved").read_bytes()) != md5(
                    data):
                problems.append("%s: the host finds another file" % tag)
        folder.keep = bool(problems)
    for problem in problems:
        print("  " + problem)
    print("%s: %d daemons, %d problems" % (name, len(served), len(problems)))
    return 1 if problems else 0


def main(name):
    children.end_with_us()
    try:
        scenario.need_root()
        return run(name)
    except (Missing, FetchError) as e:
        print("skipped, missing: %s" % e)
        return 77
    except (BuildError, MachineError) as e:
        print("WRONG: %s" % e)
        return 1
