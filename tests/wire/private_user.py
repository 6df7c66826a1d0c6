# SPDX-License-Identifier: BSD-2-Clause
"""An ordinary user with subordinate numbers, for this process only.

/etc/passwd, /etc/subuid and their like are covered in a mount name space of
its own, so that nothing of this machine is changed, whatever happens.
"""
import contextlib
import ctypes
import os
import subprocess
import tempfile

UID, GID, NAME = 31337, 31338, "crossfuse-test"
# What the user may have besides itself.
FIRST, COUNT = 100000, 65536
CLONE_NEWNS = 0x20000
ETC = {
    "passwd": f"{NAME}:x:{UID}:{GID}::/nonexistent:/bin/sh\n",
    "group": f"{NAME}:x:{GID}:\n",
    "subuid": f"{NAME}:{FIRST}:{COUNT}\n",
    "subgid": f"{NAME}:{FIRST}:{COUNT}\n",
}


def may_mount():
    """Whether there can be one here."""
    return os.getuid() == 0 and subprocess.run(
        ["unshare", "--mount", "mount", "--make-rprivate", "/"], check=False,
        stderr=subprocess.DEVNULL).returncode == 0


def bind(source, target):
    subprocess.run(["mount", "--bind", source, target], check=True)


@contextlib.contextmanager
def cover(name, text):
    """/etc/NAME is TEXT."""
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(text)
        file.flush()
        os.chmod(file.name, 0o644)
        bind(file.name, "/etc/" + name)
        try:
            yield
        finally:
            subprocess.run(["umount", "/etc/" + name], check=True)


@contextlib.contextmanager
def user():
    """Forgotten when this process ends."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS):
        raise OSError(ctypes.get_errno(), "unshare")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    with contextlib.ExitStack() as stack:
        for name, text in ETC.items():
            old = ""
            if name in ("passwd", "group"):
                with open("/etc/" + name) as file:
                    old = file.read()
            elif not os.path.exists("/etc/" + name):
                raise OSError(2, "/etc/" + name)
            stack.enter_context(cover(name, old + text))
        yield


def as_user(*words):
    return ["setpriv", f"--reuid={UID}", f"--regid={GID}", "--clear-groups",
            *words]
