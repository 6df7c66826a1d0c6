# SPDX-License-Identifier: BSD-2-Clause
"""This machine's kernel with a server of another architecture, by mount: and
connect:."""

import os
import pathlib
import sys
import types

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "interop"))
import mounted  # noqa: E402

# Device nodes and set-user-ID programs are part of the probe.
DEVICES = "--mount-options=dev,suid"


def cross_build(arch):
    """The static program of "proposal", which has no name to import."""
    proposal = types.ModuleType("proposal")
    code = compile((HERE / "proposal").read_text("utf-8"), "proposal", "exec")
    exec(code, proposal.__dict__)
    return proposal.build(arch)


def probe(base, what, server, share=None, groups=(), exceptions=()):
    """How many checks differ; SHARE: the directory, if it is here. Else another
    client, with a mount of its own, is the far machine's side."""
    os.chmod(base, 0o755)
    local = mounted.local_results(base, groups)
    with mounted.Mount(base / "far", server, DEVICES), \
            mounted.Mount(base / "mnt", server, DEVICES):
        rows, count = mounted.differences(
            base, base / "mnt", share or base / "far", local, groups,
            exceptions)
    for name, want, seen in rows:
        print("%s: locally %r, there %r" % (name, want, seen))
    print("%s: %d of %d checks differ" % (what, len(rows), count), flush=True)
    return len(rows)
