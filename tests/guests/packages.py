# SPDX-License-Identifier: BSD-2-Clause
"""Debian packages of other architectures and releases.

They come from the mirror this machine's own apt is set up with (or
CROSSFUSE_DEBIAN_MIRROR), through an apt state of our own: the packages of
this machine are left alone, and no root is needed.
"""

import contextlib
import fcntl
import lzma
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

from guests import GUESTS, MODULES, cache_dir

TRIES = 4


class FetchError(Exception):
    pass


@contextlib.contextmanager
def locked(name):
    """Two fetches at once: the second waits, then finds the work done."""
    path = cache_dir()
    path.mkdir(parents=True, exist_ok=True)
    with open(path / (name + ".lock"), "w", encoding="ascii") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        yield


def deb822_entries(text):
    for stanza in re.split(r"\n\s*\n", text):
        entry = {}
        for line in stanza.splitlines():
            m = re.match(r"([A-Za-z-]+):\s*(.*)", line)
            if m:
                entry[m.group(1).lower()] = m.group(2).split()
        if entry.get("enabled") != ["no"]:
            yield entry.get("uris", []), entry.get("suites", [])


def one_line_entries(text):
    for line in text.splitlines():
        m = re.match(r"\s*deb\s+(\[[^]]*\]\s+)?(\S+)\s+(\S+)", line)
        if m:
            yield [m.group(2)], [m.group(3)]


def host_entries():
    etc = pathlib.Path("/etc/apt")
    for path in [etc / "sources.list"] + sorted(
            (etc / "sources.list.d").glob("*")):
        if not path.is_file():
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        if path.suffix == ".sources":
            yield from deb822_entries(text)
        elif path.suffix == ".list":
            yield from one_line_entries(text)


def mirrors():
    """The main and the security archive this machine uses."""
    release = r"(bookworm|trixie|bullseye|forky|sid|stable|testing)"
    main = os.environ.get("CROSSFUSE_DEBIAN_MIRROR")
    security = None
    for uris, suites in host_entries():
        for suite in suites:
            if not uris:
                continue
            if not main and re.fullmatch(release, suite):
                main = uris[0]
            if not security and re.fullmatch(release + "-security", suite):
                security = uris[0]
    if not main:
        raise FetchError(
            "no Debian mirror in /etc/apt; set CROSSFUSE_DEBIAN_MIRROR")
    return main, security


class Apt:
    """apt with a state of its own for one release and architecture."""

    def __init__(self, suite, arch, with_security=True):
        name = "%s-%s" % (suite, arch)
        if not with_security:
            name += "-main"
        self.dir = cache_dir() / "apt" / name
        for sub in ("lists/partial", "cache/archives/partial", "etc"):
            (self.dir / sub).mkdir(parents=True, exist_ok=True)
        (self.dir / "status").touch()
        main, security = mirrors()
        keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
        lines = ["deb [signed-by=%s] %s %s main" % (keyring, main, suite)]
        if security and with_security and suite != "sid":
            lines.append("deb [signed-by=%s] %s %s-security main" %
                         (keyring, security, suite))
        (self.dir / "sources.list").write_text("\n".join(lines) + "\n",
                                               encoding="ascii")
        d = str(self.dir)
        self.options = []
        for option in (
                "APT::Architecture=" + arch, "APT::Architectures=" + arch,
                "Dir::State=" + d, "Dir::State::Lists=%s/lists" % d,
                "Dir::State::status=%s/status" % d,
                "Dir::Cache=%s/cache" % d,
                "Dir::Etc::SourceList=%s/sources.list" % d,
                "Dir::Etc::SourceParts=%s/etc" % d,
                "Dir::Etc::Preferences=%s/none" % d,
                "Dir::Etc::PreferencesParts=%s/etc" % d,
                "APT::Sandbox::User=", "Acquire::Retries=3",
                "Acquire::Languages=none", "APT::Update::Post-Invoke::=",
        ):
            self.options += ["-o", option]

    def run(self, tool, *args, cwd=None):
        cmd = [tool] + self.options + list(args)
        p = subprocess.run(cmd, cwd=cwd, stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                           text=True, check=False)
        if p.returncode:
            said = [l for l in p.stderr.splitlines() if l[:2] == "E:"]
            raise FetchError("%s %s: %s" % (
                tool, " ".join(args), (said or ["failed"])[0][:300]))
        return p.stdout

    def update(self):
        self.run("apt-get", "-q", "--error-on=any", "update")

    def field(self, package, name):
        text = self.run("apt-cache", "show", "--no-all-versions", package)
        m = re.search(r"^%s: (.*)$" % name, text, re.M)
        return m.group(1) if m else ""

    def depends(self, package):
        """Names a package depends on, the first of each alternative."""
        text = self.field(package, "Depends")
        return [re.match(r"\s*([a-z0-9.+-]+)", part).group(1)
                for part in text.split(",") if part.strip()]

    def download(self, package, folder):
        self.run("apt-get", "-q", "download", package, cwd=folder)
        found = list(pathlib.Path(folder).glob(package + "_*.deb"))
        if len(found) != 1:
            raise FetchError("%s: not downloaded" % package)
        return found[0]


def retried(what, suite, arch, work, fallback=None):
    """A mirror may be in the middle of a sync: wait, then do without the
    security archive, at last with another release."""
    error = None
    plan = [(suite, True), (suite, True), (suite, False), (suite, False)]
    if fallback:
        plan.append((fallback, False))
    for attempt, (release, security) in enumerate(plan):
        if 0 < attempt < TRIES:
            time.sleep(5 * attempt)
        try:
            apt = Apt(release, arch, with_security=security)
            apt.update()
            return work(apt)
        except FetchError as e:
            error = e
            print("fetch: %s: %s" % (what, e), file=sys.stderr)
    raise FetchError("%s: %s" % (what, error))


def unpack(deb, folder, *patterns):
    tar = ["tar", "-x", "-C", str(folder)]
    if patterns:
        tar += ["--wildcards"] + list(patterns)
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(deb)],
                          stdout=subprocess.PIPE) as p:
        status = subprocess.run(tar, stdin=p.stdout, check=False,
                                stderr=subprocess.DEVNULL).returncode
    # tar fails on a pattern that matches nothing: what is needed is
    # checked by the caller
    if p.returncode and status:
        raise FetchError("%s: cannot be unpacked" % deb)


def keep_modules(tree, out, names):
    """Copy the modules the guest uses, uncompressed."""
    wanted = {m.replace("-", "_") for m in names}
    for path in tree.rglob("*.ko*"):
        name = path.name.split(".ko")[0].replace("-", "_")
        if name not in wanted:
            continue
        data = path.read_bytes()
        if path.suffix == ".xz":
            data = lzma.decompress(data)
        (out / (name + ".ko")).write_bytes(data)


def kernel_dir(guest):
    return cache_dir() / "kernels" / guest.name


def fetch_kernel(guest):
    final = kernel_dir(guest)
    with locked("kernel-" + guest.name):
        if all((final / "modules" / (n + ".ko")).exists()
               for n in guest.modules) and final.is_dir():
            return
        modules = MODULES + guest.modules
        final.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache_dir()) as t:
            tmp = pathlib.Path(t)

            def work(apt):
                names = [n for n in apt.depends(guest.package)
                         if n.startswith("linux-image-")]
                if not names:
                    raise FetchError(guest.package + ": names no kernel")
                # newer releases have image and modules in packages apart
                names = names[:1] + [
                    n for n in apt.depends(names[0])
                    if n.startswith(("linux-binary-", "linux-modules-"))]
                return names[0], [apt.download(n, tmp) for n in names]

            name, debs = retried(guest.package, guest.suite, guest.deb_arch,
                                work, guest.fallback)
            tree = tmp / "tree"
            tree.mkdir()
            patterns = ["*/vmlinu*"] + [
                "*/%s.ko*" % m for m in sorted(
                    {m.replace("-", x) for m in modules for x in "-_"} |
                    {m.replace("_", "-") for m in modules})]
            for deb in debs:
                unpack(deb, tree, *patterns)
            out = tmp / "out"
            (out / "modules").mkdir(parents=True)
            images = [p for p in tree.rglob("vmlinu*")
                      if p.is_file() and not p.is_symlink()]
            if len(images) != 1:
                raise FetchError(name + ": no kernel image in it")
            shutil.copy(images[0], out / "vmlinuz")
            keep_modules(tree, out / "modules", modules)
            (out / "package").write_text(debs[0].name + "\n", encoding="ascii")
            if final.is_dir():  # of a time with fewer modules
                final.rename(tmp / "old")
            out.rename(final)
    print("%s: %s" % (guest.name, (final / "package").read_text().strip()))


def busybox(guest):
    """The shell and tools of a guest, one static program."""
    final = cache_dir() / "busybox" / guest.deb_arch
    with locked("busybox-" + guest.deb_arch):
        if not final.exists():
            final.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=cache_dir()) as t:
                deb = retried(
                    "busybox-static", guest.suite, guest.deb_arch,
                    lambda apt: apt.download("busybox-static", t),
                    guest.fallback)
                unpack(deb, t)
                found = [p for p in pathlib.Path(t).rglob("bin/busybox")
                         if p.is_file()]
                if not found:
                    raise FetchError("busybox-static: no busybox in it")
                shutil.move(found[0], final)
    return final


# virtiofsd of another release than this machine's, and which.
VIRTIOFSD = {"virtiofsd-rust": "trixie", "virtiofsd-sid": "sid"}


def virtiofsd_dir(name):
    return cache_dir() / name


def virtiofsd_command(name):
    """One of VIRTIOFSD, fetched, through its own loader and libraries."""
    base = virtiofsd_dir(name)
    loader = sorted(base.glob("lib*/ld-linux*")) + sorted(
        base.glob("usr/lib*/ld-linux*")) + sorted(
        base.glob("usr/lib/*/ld-linux*"))
    libs = sorted(base.glob("usr/lib/*-linux-gnu*"))
    if not loader or not libs:
        raise FetchError("%s: incomplete" % name)
    return [str(loader[0]), "--library-path", str(libs[0]),
            str(base / "usr/libexec/virtiofsd")]


def fetch_virtiofsd(name):
    final = virtiofsd_dir(name)
    with locked(name):
        if final.is_dir():
            return
        arch = subprocess.run(["dpkg", "--print-architecture"], check=True,
                              stdout=subprocess.PIPE, text=True
                              ).stdout.strip()
        with tempfile.TemporaryDirectory(dir=cache_dir()) as t:
            tmp = pathlib.Path(t)

            def work(apt):
                names = {"virtiofsd"}
                todo = ["virtiofsd"]
                while todo:
                    for n in apt.depends(todo.pop()):
                        if n not in names and n.startswith("lib"):
                            names.add(n)
                            todo.append(n)
                return [apt.download(n, tmp) for n in sorted(names)]

            debs = retried("virtiofsd", VIRTIOFSD[name], arch, work)
            out = tmp / "out"
            out.mkdir()
            for deb in debs:
                unpack(deb, out)
            out.rename(final)
    print("%s: %s" % (name, virtiofsd_command(name)[-1]))


# A release of its own to run programs of, by chroot(2): what it must have.
TREES = {"trixie-libvirt": (
    "trixie", "libvirt-daemon", "libvirt-daemon-driver-qemu",
    "libvirt-clients", "qemu-system-x86", "uidmap", "util-linux", "iproute2",
    "mount", "dash")}
ACCOUNTS = {"passwd": "root:x:0:0:root:/root:/bin/sh\n",
            "group": "root:x:0:\nkvm:x:994:\n", "subuid": "", "subgid": ""}


def fetch_tree(name):
    """Its directory: packages as they are, none of them set up."""
    suite, *packages = TREES[name]
    final = cache_dir() / name
    with locked(name):
        if final.is_dir():
            return final
        with tempfile.TemporaryDirectory(dir=cache_dir()) as t:
            def work(apt):
                apt.run("apt-get", "-q", "-y", "--download-only",
                        "--no-install-recommends", "-o",
                        "Dir::Cache::Archives=" + t, "install", *packages)
                return sorted(pathlib.Path(t).glob("*.deb"))

            (pathlib.Path(t) / "partial").mkdir()
            arch = subprocess.run(["dpkg", "--print-architecture"],
                                  check=True, stdout=subprocess.PIPE,
                                  text=True).stdout.strip()
            debs = retried(name, suite, arch, work)
            out = pathlib.Path(t) / "out"
            out.mkdir()
            out.chmod(0o755)
            # Its links from /bin to /usr/bin come first.
            for deb in sorted(debs, key=lambda d: (
                    not d.name.startswith("base-files"), d.name)):
                unpack(deb, out)
            # What base-files does when it is set up.
            shutil.rmtree(out / "var/run")
            (out / "var/run").symlink_to("/run")
            for file, text in ACCOUNTS.items():
                (out / "etc" / file).write_text(text, encoding="ascii")
            out.rename(final)
    print("%s: %d packages" % (name, len(debs)))
    return final


def fetch(name):
    if name in VIRTIOFSD:
        fetch_virtiofsd(name)
    elif name in GUESTS:
        fetch_kernel(GUESTS[name])
    else:
        raise FetchError("%s: no such guest; there are %s" %
                         (name, " ".join(GUESTS)))
