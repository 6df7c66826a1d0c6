#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The host's half of a hostile load: a share whose directories change place
with links that lead out of it, and canaries outside.

As a program: moves things about in the share until its standard input ends,
then prints how often.
"""
import ctypes
import os
import random
import secrets
import select
import subprocess
import sys

RENAME_EXCHANGE = 2
NAMES = ["a", "b", "c", "d", "e", "f", "g", "link", "secret", "kept"]
libc = ctypes.CDLL(None, use_errno=True)


def exchange(folder, one, other):
    if libc.renameat2(folder, os.fsencode(one), folder, os.fsencode(other),
                      RENAME_EXCHANGE):
        raise OSError(ctypes.get_errno(), one)


class World:
    """ROOT/share is shared; ROOT/outside and ROOT/parking are not."""

    def __init__(self, root):
        self.root = root
        self.share = os.path.join(root, "share")
        self.outside = os.path.join(root, "outside")
        self.parking = os.path.join(root, "parking")
        self.secret = secrets.token_hex(16).encode()
        self.name = "canary-" + secrets.token_hex(8)
        os.mkdir(self.share)
        for folder in self.outside, self.parking:
            os.mkdir(folder)
            for name in "secret", self.name:
                with open(os.path.join(folder, name), "wb") as file:
                    file.write(self.secret)
        os.mkdir(os.path.join(self.outside, "a"))
        os.setxattr(os.path.join(self.outside, "secret"), "user.canary",
                    self.secret)
        os.chmod(root, 0o700)
        self.fill()
        self.before = self.canaries()
        self.inodes = {os.stat(path).st_ino for path in (
            root, self.outside, self.parking,
            *(os.path.join(folder, name) for folder in
              (self.outside, self.parking) for name in ("secret", self.name)))}

    def fill(self):
        """Three levels of directories, with files and links that lead out."""
        outside = "../../../outside"
        for first in "abc":
            for second in "abc":
                folder = os.path.join(self.share, first, second)
                os.makedirs(os.path.join(folder, "d"))
                for name in "e", "f", "secret":
                    with open(os.path.join(folder, name), "wb") as file:
                        file.write(b"within " * 100)
                os.symlink(outside, os.path.join(folder, "link"))
                os.symlink(self.outside, os.path.join(folder, "g"))
                os.symlink(os.path.join(self.outside, "secret"),
                           os.path.join(folder, "kept"))
            os.symlink(self.outside, os.path.join(self.share, first, "link"))
        many = os.path.join(self.share, "d")
        os.mkdir(many)
        for i in range(300):
            with open(os.path.join(many, "%03d" % i), "wb"):
                pass

    def canaries(self):
        """All that can be seen of what is outside."""
        found = {}
        for folder in self.outside, self.parking:
            for name in "", "secret", self.name, "a":
                path = os.path.join(folder, name)
                if not os.path.lexists(path):
                    continue
                status = os.lstat(path)
                seen = [status.st_mode, status.st_uid, status.st_gid,
                        sorted(os.listxattr(path, follow_symlinks=False))]
                if os.path.isfile(path):
                    with open(path, "rb") as file:
                        seen += [file.read(), status.st_nlink,
                                 status.st_mtime_ns]
                found[path] = seen
        found["names"] = sorted(os.listdir(self.outside))
        found["root"] = sorted(os.listdir(self.root))
        return found

    def check(self):
        """What has changed outside: nothing may have."""
        now = self.canaries()
        return [(key, self.before[key], now.get(key)) for key in self.before
                if self.before[key] != now.get(key)]

    def clean(self):
        """Removes all, also what a guest made immutable."""
        subprocess.run(["chattr", "-R", "-f", "-i", "-a", self.root],
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                       check=False)
        # Deeper than Python's own would go.
        subprocess.run(["rm", "-rf", self.root], check=False)


class Mover:
    """Moves, swaps, removes and makes, by lot. It goes by descriptors: by
    paths the guest would lead it out.
    """

    def __init__(self, share, outside, parking, seed):
        flags = os.O_RDONLY | os.O_DIRECTORY
        self.share, self.parking = (os.open(share, flags),
                                    os.open(parking, flags))
        self.outside = outside
        self.random = random.Random(seed)
        self.opened = []
        self.done = {"renames": 0, "swaps": 0, "moved out": 0, "others": 0}

    def folder(self, depths):
        """A directory of the share, open until the act is over."""
        at = self.share
        for _ in range(self.random.choice(depths)):
            at = os.open(self.random.choice("abcd"), os.O_RDONLY |
                         os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=at)
            self.opened.append(at)
        return at

    def name(self):
        return self.random.choice(NAMES)

    def swap(self):
        """A directory and a link that leads out change places."""
        exchange(self.folder((1, 2, 2)), self.random.choice("abcdef"),
                 self.random.choice(("link", "g")))
        self.done["swaps"] += 1

    def move(self):
        os.rename(self.name(), self.name(), src_dir_fd=self.folder((0, 1, 2)),
                  dst_dir_fd=self.folder((1, 2)))
        self.done["renames"] += 1

    def move_out(self):
        """Out of the share and back, while somebody may be below it."""
        here, there = self.folder((0, 1, 2)), self.random.choice("xyz")
        if there in os.listdir(self.parking):
            os.rename(there, self.name(), src_dir_fd=self.parking,
                      dst_dir_fd=here)
        else:
            os.rename(self.random.choice("abcd"), there, src_dir_fd=here,
                      dst_dir_fd=self.parking)
        self.done["moved out"] += 1

    def replace(self):
        """A file is removed, replaced by another, or by a link."""
        at, name = self.folder((1, 2)), self.name()
        kind = self.random.randrange(5)
        if kind == 0:
            os.unlink(name, dir_fd=at)
        elif kind == 1:
            os.symlink(os.path.join(self.outside, "secret"), name, dir_fd=at)
        elif kind == 2:
            os.mkdir(name, dir_fd=at)
        elif kind == 3:
            os.rmdir(name, dir_fd=at)
        else:
            fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL,
                         dir_fd=at)
            self.opened.append(fd)
            os.write(fd, b"new")
        self.done["others"] += 1

    def mend(self):
        """What is moved away or replaced comes back, so that it goes on."""
        at, name = self.folder((0, 1, 1)), self.random.choice("abc")
        os.mkdir(name, dir_fd=at)
        at = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=at)
        self.opened.append(at)
        os.mkdir("d", dir_fd=at)
        for link in "link", "g":
            os.symlink(self.outside, link, dir_fd=at)
        self.done["others"] += 1

    def run(self):
        acts = [self.swap] * 5 + [self.move] * 3 + \
            [self.move_out] * 2 + [self.replace] + [self.mend] * 3
        # It paces itself: the load is to get at the processor, too.
        while not select.select([sys.stdin], [], [], 0.001)[0]:
            for _ in range(20):
                try:
                    self.random.choice(acts)()
                except OSError:
                    pass
                while self.opened:
                    os.close(self.opened.pop())
        for name, count in self.done.items():
            print(count, name)


if __name__ == "__main__":
    Mover(*sys.argv[1:4], int(sys.argv[4])).run()
