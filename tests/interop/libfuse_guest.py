# SPDX-License-Identifier: BSD-2-Clause
"""A guest's own kernel is the client of libfuse's passthrough_ll: its virtio-fs
driver's messages go, as they are, to the socket that the server serves on.

As a program it takes the place of crossfuse for tests/guests: it starts the
server, then the wire (packet-port.c) between the guest and the socket.
"""
import os
import shlex
import sys
import tempfile

sys.dont_write_bytecode = True
import fuse_client as fuse  # noqa: E402
import libfuse  # noqa: E402

# What the architecture shows in: flags, error numbers, structs, byte order.
GROUPS = ["open", "open-pairs", "open-use", "setfl", "create", "errno", "dir",
          "names", "symlink", "data-at", "append", "xattr", "truncate"]
# libfuse has no TMPFILE
KNOWN = "tmpfile"
# Guests whose requests tell what they are too late for the first of them: no
# monitor's name reaches the server here, so it is told. The others are found.
NAMED = ("aarch64", "ppc64le")
UNTOUCHED = "&(struct crossfuse_config){ .policy = CROSSFUSE_IGNORE }"


def become_server(wire, *arguments):
    given = dict(a.split(":", 1) for a in arguments
                 if a.startswith(("virtio:", "dir:")))
    server = arguments[:[":" in a for a in arguments].index(True)]
    transport = fuse.Packets()
    fd, end = transport.other.fileno(), transport.sock.fileno()
    libfuse.start([*server, "-f", "-o",
                   f"source={given['dir']},xattr,cache=never",
                   f"/dev/fd/{fd}"], [fd])
    transport.other.close()
    transport.sock.setblocking(True)
    os.set_inheritable(end, True)
    os.execv(wire, [wire, "--legacy=ignore",
                    "virtio:" + given["virtio"],
                    f"packets:{end}"])


def find_wire():
    wire = libfuse.BUILD / "tests/unit/crossfuse-packets"
    libfuse.needs_built(wire)
    return wire


def differences(scenario, guest, wire, server, groups):
    """Rows of the probe that are not as on the guest's own file system."""
    os.environ["CROSSFUSE"] = shlex.join(
        [sys.executable, __file__, str(wire), *server])
    parts = scenario.Parts(guest)
    local = scenario.reference(guest)
    script = scenario.PROBE[:1] + [" ".join(scenario.PROBE[1:] + groups)]
    with scenario.Folder(False) as folder:
        share = scenario.Share(parts, "crossfuse", folder, script,
                               groups=groups)
        with share.server, share.machine:
            share.run()
        rows, count = share.compared(local, parts.exceptions(False), groups)
    return rows, count


def config_for(guest):
    if guest not in NAMED:
        return "NULL"
    return ("&(struct crossfuse_config){ .client = "
            f"crossfuse_abi_by_name(\"{guest}\") }}")


def run(guest, find=libfuse.system, control=False):
    import build
    import children
    import scenario
    children.end_with_us()
    try:
        version = find()
        scenario.need_root()
        with tempfile.TemporaryDirectory() as folder:
            wire = find_wire()
            server = libfuse.passthrough(version, folder,
                                         config=config_for(guest))
            rows, count = differences(scenario, guest, wire, server, GROUPS)
            wrong = [row for row in rows if KNOWN not in row[0]]
            for row in wrong:
                print("%s\n    local  %s\n    share  %s" % row)
            print(f"{guest}, libfuse {version.version()}: {len(wrong)} of "
                  f"{count} checks differ", flush=True)
            assert count > 300 and not wrong
            if control:
                server = libfuse.passthrough(version, folder,
                                             config=UNTOUCHED)
                rows, _ = differences(scenario, guest, wire, server,
                                      ["open-use", "dir", "names"])
                wrong = [row for row in rows if KNOWN not in row[0]]
                print(f"with nothing translated: {len(wrong)} differ")
                assert wrong
    except (libfuse.Missing, build.Missing) as e:
        libfuse.skip(e)


if __name__ == "__main__":
    become_server(*sys.argv[1:])
