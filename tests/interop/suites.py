# SPDX-License-Identifier: BSD-2-Clause
"""Loads of this machine's kernel on a mount of each server port: one file
against a model in memory, processes that do the same to a local tree, and fio
with verification."""

import contextlib
import os
import pathlib
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
import libfuse  # noqa: E402
import mounted  # noqa: E402
import streams  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
VIRTIOFSD = "/usr/lib/qemu/virtiofsd"


def compiled(base, name, *options):
    source = HERE / (name + ".c")
    program = base / name
    subprocess.run(["gcc", "-D_GNU_SOURCE", "-O2", "-Wall", "-o", program,
                    source, *options], check=True)
    return program


def passthrough_ll(base):
    tree = libfuse.system()
    program = base / "passthrough_ll"
    subprocess.run(["gcc", "-O2", "-o", program,
                    tree.examples / "passthrough_ll.c", "-I", tree.include,
                    "-lfuse3", "-lpthread"], check=True)
    return program


@contextlib.contextmanager
def virtiofsd(share, path):
    with subprocess.Popen([VIRTIOFSD, "--socket-path=%s" % path, "-o",
                           "source=%s,xattr,posix_acl,cache=auto" % share],
                          stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as p:
        try:
            mounted.wait_until(path.exists, "no socket")
            yield
        finally:
            p.terminate()
            p.wait(20)


@contextlib.contextmanager
def server(base, name, share):
    """(SERVER, OPTIONS) for a mount that has the files of SHARE."""
    if name == "exec":
        yield "exec:%s -f -o source=%s,xattr {}" % (passthrough_ll(base),
                                                   share), []
    elif name == "connect":
        with streams.listening(base, "socket", "dir:%s" % share) as (at, _):
            yield "connect:" + at, []
    elif name == "vhost":
        with virtiofsd(share, base / "vhost"):
            yield "vhost:%s" % (base / "vhost"), []
    else:
        yield "dir:%s" % share, {"dir": ["--passthrough=off"],
                                 "dir-through": ["--passthrough=on"],
                                 "dir-uring": ["--io-uring=on",
                                               "--passthrough=off"]}[name]


SERVERS = "dir", "dir-through", "dir-uring", "exec", "connect", "vhost"


# What libfuse's example does not take.
PLAIN = {"exec": ["plain"]}


class Load:
    """SECONDS of everything at a time on a mount; 0: a few operations."""

    def __init__(self, base, name, where, seconds):
        self.plain = PLAIN.get(name, [])
        self.base, self.where, self.seconds = base, where, seconds
        self.file = compiled(base, "file-exercise")
        self.tree = compiled(base, "tree-exercise")
        self.seed = int(os.environ.get("CROSSFUSE_SEED", time.time_ns() % 10**6))
        self.counts = {"file": 0, "tree": 0, "fio": 0}
        self.wrong = []

    def run(self, what, *command):
        out = subprocess.run([str(c) for c in command], text=True,
                             stdout=subprocess.PIPE, check=False,
                             stderr=subprocess.STDOUT)
        if out.returncode:
            self.wrong.append("%s (seed %d): %s" % (what, self.seed,
                                                    out.stdout[-3000:]))
        return not out.returncode

    def one_file(self, turn):
        operations = 20000 if self.seconds else 1500
        done = self.run("file", self.file, self.where / "file", operations,
                        self.seed + turn)
        self.counts["file"] += operations
        return done

    def one_tree(self, turn):
        operations = 3000 if self.seconds else 400
        local = self.base / ("local-%d" % turn)
        tested = self.where / ("tree-%d" % turn)
        for path in local, tested:
            path.mkdir()
        done = self.run("tree", self.tree, tested, local, 4, operations,
                        self.seed + turn, *self.plain)
        self.counts["tree"] += 4 * operations
        same = subprocess.run(["diff", "-r", "--no-dereference", tested,
                               local], capture_output=True, text=True,
                              check=False).stdout
        # It does not compare pipes, and says so.
        same = [l for l in same.splitlines() if "fifo" not in l]
        if same:
            self.wrong.append("trees (seed %d): %s" % (self.seed, same[:20]))
        for path in local, tested:
            subprocess.run(["rm", "-rf", path], check=True)
        return done and not same

    def one_fio(self, turn):
        size = 64 if self.seconds else 4
        done = self.run(
            "fio", "fio", "--name=verify", "--directory=%s" % self.where,
            "--size=%dm" % size, "--bsrange=512-128k", "--rw=randrw",
            "--verify=crc32c", "--verify_fatal=1",
            "--verify_state_save=0", "--ioengine=psync",
            "--numjobs=2", "--randseed=%d" % (self.seed + turn),
            "--minimal")
        self.counts["fio"] += size * 2
        for path in self.where.glob("verify.*"):
            path.unlink()
        return done

    def repeat(self, action):
        until, turn = time.monotonic() + self.seconds, 0
        while action(turn) and time.monotonic() < until:
            turn += 1

    def all(self):
        threads = [threading.Thread(target=self.repeat, args=(action,))
                   for action in (self.one_file, self.one_tree, self.one_fio)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return self.wrong


def run(names, seconds):
    """The exit status of a test."""
    failed = 0
    with mounted.io_uring_allowed() as rings:
        for name in names:
            if name == "dir-uring" and not rings:
                continue
            with mounted.folder() as base:
                share = base / "share"
                share.mkdir()
                with server(base, name, share) as (spec, options), \
                        mounted.Mount(base / "mnt", spec, *options) as m:
                    load = Load(base, name, m.where, seconds)
                    wrong = load.all()
                print("%s: %d operations on one file, %d on trees, %d MiB by "
                      "fio: %s" % (name, load.counts["file"],
                                   load.counts["tree"], load.counts["fio"],
                                   "wrong" if wrong else "ok"), flush=True)
                for text in wrong:
                    print(text)
                failed |= bool(wrong)
    return int(failed)
