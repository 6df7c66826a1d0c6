# SPDX-License-Identifier: BSD-2-Clause
"""A libvirtd of its own that starts a guest, and crossfuse for it.

It runs in namespaces of its own, where its directories are empty and there is
no network: nothing of this machine's is seen or changed, and nothing outlives
the test.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

from build import Missing
from guests import ROOT
from machine import MachineError
from packages import busybox
import scenario
import servers

GUEST = "x86_64"
NAME = "crossfuse-test"
PROGRAMS = ("libvirtd", "virsh", "qemu-system-x86_64")
PACKAGES = "libvirt-daemon libvirt-daemon-driver-qemu libvirt-clients"
OWN = ("/etc/libvirt", "/run", "/var/lib/libvirt", "/var/cache/libvirt",
       "/var/log/libvirt")
# What package libvirt-daemon-system would do.
ACCOUNTS = {"passwd": "libvirt-qemu:x:64055:64055::/:/usr/sbin/nologin\n",
            "group": "libvirt-qemu:x:64055:\n"}
# No SELinux, AppArmor, udev or systemd is needed for what is tested.
QEMU_CONF = """security_driver = "none"
namespaces = []
cgroup_controllers = []
stdio_handler = "file"
"""
DAEMON_CONF = """auth_unix_rw = "none"
auth_unix_ro = "none"
log_outputs = "3:stderr"
"""
TOOLS = ("sh", "echo", "mkdir", "mount", "cat", "chown", "sync", "reboot")

DOMAIN = """<domain type='qemu'>
  <name>%(name)s</name>
  <memory unit='MiB'>512</memory>
  <vcpu current='1'>2</vcpu>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <kernel>%(folder)s/vmlinuz</kernel>
    <initrd>%(folder)s/initrd</initrd>
    <cmdline>console=ttyS0 quiet panic=-1</cmdline>
  </os>
  <cpu mode='maximum'/>
  %(memory)s
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <controller type='usb' model='none'/>
    %(filesystems)s
    <serial type='file'>
      <source path='%(folder)s/serial/console'/>
      <target port='0'/>
    </serial>
    <memballoon model='none'/>
  </devices>
</domain>
"""

# The second boot finds the mark of the first, and stays.
SCRIPT = """\\
export PATH=/bin
for tag in %(tags)s; do
    mkdir -p /$tag && mount -t virtiofs $tag /$tag && cat /$tag/hello &&
    echo $tag >> /$tag/boots && echo > /$tag/given &&
    chown 1234:1234 /$tag/given || echo "@FAILED $tag"
done
sync
if [ ! -e /%(first)s/mark ]; then
    echo > /%(first)s/mark
    reboot -f
fi
echo "@DONE"
read go
"""


def recipe():
    """README's: memory, and the file system."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.partition("## With libvirt")[2].partition("\n## ")[0]
    found = re.search(r"(<memoryBacking>.*</memoryBacking>).*"
                      r"(<filesystem.*</filesystem>)", section, re.S)
    if not found:
        raise MachineError("README has no recipe for libvirt")
    return found.groups()


class Filesystem:
    """One of a domain's, in a directory of its own below FOLDER."""

    def __init__(self, folder, tag, binary="", more=""):
        """binary, more: elements of <binary>, and beside it."""
        self.tag = tag
        self.path = folder / ("share-" + tag)
        self.path.mkdir()
        self.path.chmod(0o777)
        (self.path / "hello").write_text("hello %s\n" % tag, encoding="ascii")
        self.binary, self.more = binary, more

    def xml(self, program):
        text = recipe()[1]
        for old, new in (("/usr/bin/crossfuse", program),
                         ("/srv/share", str(self.path)),
                         ("<target dir='share'/>",
                          "<target dir='%s'/>" % self.tag)):
            if text.count(old) != 1:
                raise MachineError("README's recipe has no %s" % old)
            text = text.replace(old, new)
        if self.binary:
            text = text.replace(program + "'/>", program + "'%s</binary>" %
                                self.binary)
        return text.replace("</filesystem>", self.more + "</filesystem>")


def cover(text_of):
    """Files of /etc, by name, with more text."""
    for name, text in text_of.items():
        path = pathlib.Path("/run") / name
        path.write_text(pathlib.Path("/etc", name).read_text(
            encoding="utf-8") + text, encoding="utf-8")
        path.chmod(0o644)
        subprocess.run(["mount", "--bind", path, "/etc/" + name], check=True)


def alone(*words):
    """This program again, in namespaces that end with it, with a folder that
    goes then, and WORDS; its status."""
    for program in PROGRAMS:
        if not shutil.which(program):
            raise Missing("%s (packages %s)" % (program, PACKAGES))
    with tempfile.TemporaryDirectory(prefix="crossfuse-libvirt-",
                                     dir="/var/tmp") as folder:
        os.chmod(folder, 0o755)
        return subprocess.run(
            ["unshare", "--mount", "--pid", "--fork", "--net", "--ipc",
             "--mount-proc", "--kill-child", sys.executable,
             os.path.abspath(sys.argv[0]), "--inside", folder, *words],
            check=False).returncode


def as_init():
    """Goes on in a child: this process collects whoever is left over."""
    child = os.fork()
    while child:
        pid, status = os.wait()
        if pid == child:
            os._exit(os.waitstatus_to_exitcode(status) & 255)


def prepare_machine():
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    for path in OWN:
        os.makedirs(path, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", path], check=True)
    subprocess.run(["mount", "-t", "sysfs", "sysfs", "/sys"], check=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    cover(ACCOUNTS)


class Libvirt:
    """A daemon; URI is of the system, or of a user's session."""

    def __init__(self, folder, uri="qemu:///system", user=()):
        self.folder, self.uri, self.user = folder, uri, list(user)
        self.log = folder / "libvirtd.log"
        self.process = None
        self.environ = dict(os.environ, LC_ALL="C")

    def start(self):
        conf = self.folder / "libvirtd.conf"
        conf.write_text(DAEMON_CONF, encoding="ascii")
        if not self.user:
            pathlib.Path("/etc/libvirt/qemu.conf").write_text(
                QEMU_CONF, encoding="ascii")
        # It asks each emulator that it finds, for seconds each.
        path = self.folder / "bin"
        path.mkdir()
        for name in (PROGRAMS[2], "newuidmap", "newgidmap", "virtlogd"):
            if shutil.which(name):
                (path / name).symlink_to(shutil.which(name))
        self.environ["PATH"] = "%s:/usr/sbin:/sbin" % path
        with open(self.log, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [*map(shutil.which, self.user[:1]), *self.user[1:],
                 shutil.which("libvirtd"), "--config", str(conf)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=self.environ)
        until = time.monotonic() + 60
        while True:
            answer = self.virsh("version", check=False)
            if not answer.returncode:
                return self
            if self.process.poll() is not None or time.monotonic() > until:
                raise MachineError("libvirtd does not come up: %s; %s" % (
                    answer.stderr.strip(), self.log.read_text()[-1000:]))
            time.sleep(0.2)

    def virsh(self, *words, check=True):
        done = subprocess.run(
            [*map(shutil.which, self.user[:1]), *self.user[1:],
             shutil.which("virsh"), "-q", "-c", self.uri, *map(str, words)],
            capture_output=True, text=True, check=False, env=self.environ)
        if check and done.returncode:
            raise MachineError("virsh %s: %s" % (words[0],
                                                 done.stderr.strip()))
        return done

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(30)


class Guest:
    """Kernel, initramfs and domain of one guest with FILESYSTEMS."""

    def __init__(self, folder, filesystems, program):
        self.folder, self.filesystems = folder, filesystems
        parts = scenario.Parts(GUEST)
        script = folder / "run.sh"
        script.write_text(SCRIPT % {
            "tags": " ".join(f.tag for f in filesystems),
            "first": filesystems[0].tag}, encoding="ascii")
        parts.programs = {"init": parts.programs["init"], "run.sh": script,
                          **{"bin/" + t: busybox(parts.guest) for t in TOOLS}}
        run = scenario.Folder.__new__(scenario.Folder)
        run.path = folder
        parts.initrd(run, ["exec /bin/sh /run.sh"])
        shutil.copy(parts.kernel / "vmlinuz", folder / "vmlinuz")
        (folder / "vmlinuz").chmod(0o644)
        self.xml = folder / "domain.xml"
        self.xml.write_text(DOMAIN % {
            "name": NAME, "folder": folder, "memory": recipe()[0],
            "filesystems": "\n".join(f.xml(program) for f in filesystems)},
            encoding="ascii")
        serial = folder / "serial"
        serial.mkdir()
        serial.chmod(0o777)
        self.console = serial / "console"

    def lines(self):
        if not self.console.exists():
            return []
        return self.console.read_text("utf-8", "replace").split("\n")

    def wait(self, seconds):
        """Until it is there for the second time."""
        until = time.monotonic() + seconds
        while not any(l.startswith("@DONE") for l in self.lines()):
            if time.monotonic() > until:
                raise MachineError("the guest does not come up: " +
                                   " / ".join(self.lines()[-8:]))
            time.sleep(0.2)
        failed = [l for l in self.lines() if l.startswith("@FAILED")]
        if failed:
            raise MachineError("; ".join(failed))


def processes(*names):
    """Command lines of those that run, here, a program so called."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            words = (path / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        words = [w.decode() for w in words if w]
        if any(os.path.basename(w) in names for w in words[:2]):
            found.append(words)
    return found


def sockets(*roots):
    return sorted(str(p) for root in roots
                  for p in pathlib.Path(root).rglob("*") if p.is_socket() and
                  not p.name.startswith(("libvirt-", "virtlo")))


def nothing_left(libvirt, roots):
    """After the domain's end: a process may need a moment for its own."""
    until = time.monotonic() + 10
    while True:
        left = processes("crossfuse", "crossfuse.bin", PROGRAMS[2]) + sockets(*roots)
        if not left:
            return
        if time.monotonic() > until:
            raise MachineError("left: %s" % left)
        time.sleep(0.1)


def program():
    return servers.crossfuse_command()[0]
