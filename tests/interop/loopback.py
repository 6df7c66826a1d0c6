# SPDX-License-Identifier: BSD-2-Clause
"""An ssh server of the test's own."""

import contextlib
import os
import shutil
import socket
import subprocess
import time


@contextlib.contextmanager
def sshd(base):
    """One on a port of the loopback device, for this user."""
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f",
                        base / (name + "-key")], check=True)
    shutil.copy(base / "user-key.pub", base / "authorized")
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    config = base / "sshd_config"
    config.write_text(
        "ListenAddress 127.0.0.1:%d\nHostKey %s\nAuthorizedKeysFile %s\n"
        "PidFile none\nStrictModes no\nPasswordAuthentication no\n"
        "UsePAM no\nPermitRootLogin yes\n"
        "Subsystem sftp internal-sftp\n" %
        (port, base / "host-key", base / "authorized"))
    os.makedirs("/run/sshd", exist_ok=True)
    with subprocess.Popen(["/usr/sbin/sshd", "-D", "-e", "-f", config],
                          stderr=open(base / "sshd.log", "wb")) as p:
        try:
            until = time.monotonic() + 10
            while True:
                with socket.socket() as s:
                    if s.connect_ex(("127.0.0.1", port)) == 0:
                        break
                assert time.monotonic() < until, "sshd does not listen"
                time.sleep(0.05)
            yield ("-p %d -o IdentityFile=%s -o StrictHostKeyChecking=no "
                   "-o UserKnownHostsFile=/dev/null -o LogLevel=ERROR" %
                   (port, base / "user-key"))
        finally:
            p.terminate()
