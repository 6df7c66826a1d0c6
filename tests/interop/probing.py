# SPDX-License-Identifier: BSD-2-Clause
"""Running `crossfuse probe`, and what the specification lets one expect."""
import os
import re
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "vectors"))
import fuse_spec  # noqa: E402

SERVER = os.path.join(HERE, "wrong-server")
CROSSFUSE = os.environ.get("CROSSFUSE", "build/src/crossfuse")
LINE = re.compile(r"(ok  |FAIL|warn|skip) ([\w./]+) (\w+)( canonical)?: .+")
SUMMARY = re.compile(r"\d+ rules hold, \d+ are broken, \d+ warnings, "
                     r"\d+ skipped")


def probe(*words, program=None, **keywords):
    return subprocess.run([program or CROSSFUSE, "probe", *words],
                          capture_output=True, text=True, timeout=600,
                          check=False, **keywords)


class Served:
    """A running wrong-server."""

    def __init__(self, *words):
        self.directory = tempfile.TemporaryDirectory(prefix="probe.")
        self.path = os.path.join(self.directory.name, "socket")
        self.process = subprocess.Popen([SERVER, *words, self.path],
                                        stdin=subprocess.DEVNULL)

    def __enter__(self):
        for _ in range(6000):
            if os.path.exists(self.path) or self.process.poll() is not None:
                break
            time.sleep(0.01)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.directory.cleanup()

    def probe(self, clients, *words, **keywords):
        return probe("--server-abi", "x86_64", "--as", clients, "--timeout",
                     "60", *words, "connect:" + self.path, **keywords)


def rules():
    """What the probe can print, and whether it is only a SHOULD."""
    lines = probe("--rules").stdout.splitlines()
    return {line.split(":")[0]: line.endswith("(SHOULD)") for line in lines}


def read(test, output):
    """{(architecture, canonical): {rule: verdict}} of what was printed."""
    found = {}
    *lines, last = output.splitlines()
    test.assertRegex(last, SUMMARY)
    for line in lines:
        match = LINE.fullmatch(line)
        test.assertTrue(match, line)
        rows = found.setdefault((match[3], bool(match[4])), {})
        test.assertNotIn(match[2], rows, line)
        rows[match[2]] = match[1].strip()
    return found


def failed(rows):
    return {rule for rule, verdict in rows.items() if verdict == "FAIL"}


# What a server that never heard of this protocol need not know of: that a
# later FUSE_INIT may be in another byte order, which versions are none, and
# that lengths may be wrong (its client is a kernel).
NEW = {"2.3", "2.4", "3.3.8/minor", "4/length", "4/short", "4/long"}

ERRORS = {"5.2/enotempty": "ENOTEMPTY", "5.2/enametoolong": "ENAMETOOLONG",
          "5.2/enodata": "ENODATA", "5.2/eopnotsupp": "EOPNOTSUPP",
          "5.2/enosys": "ENOSYS"}


def broken_without_translation(spec, client, server):
    """
    The rules that cannot hold for a client of CLIENT's architecture if the
    server of SERVER's takes every value for one of its own: by the tables.
    """
    a, b = spec.arch[client], spec.arch[server]
    if a.big != b.big:
        return {"2.2"}
    mine, theirs = spec.open[a.group["open"]], spec.open[b.group["open"]]
    out = set()
    if not mine["O_EXCL"] & theirs["O_EXCL"]:
        out.add("5.1/excl")
    if not mine["O_TRUNC"] & theirs["O_TRUNC"]:
        out.add("5.1/trunc")
    # A file is opened as a directory, and a directory as a file.
    if mine["O_DIRECT"] & theirs["O_DIRECTORY"]:
        out.add("5.1/direct")
    numbers = (dict(spec.errno[a.group["errno"]]),
               dict(spec.errno[b.group["errno"]]))
    for rule, name in ERRORS.items():
        if numbers[0][name] != numbers[1][name]:
            out.add(rule)
    if a.page not in (0, 4096):
        out.add("5.6")
    if a.group["lock"] != b.group["lock"]:
        out |= {"5.3/held", "5.3/free"}
    return out


def check_legacy_server(test, found, server, extra=(), absent=()):
    """
    FOUND is what the probe said of a server of SERVER's architecture that
    translates nothing. EXTRA: rules that this server breaks for every client.
    ABSENT: rules about what it does not have.
    """
    spec = fuse_spec.Spec()
    for (client, canonical), rows in found.items():
        with test.subTest(client=client, canonical=canonical):
            is_broken = failed(rows)
            if canonical:
                test.assertEqual(set(rows), {"3.3.5"})
                test.assertEqual(rows["3.3.5"], "skip")
                continue
            must = broken_without_translation(spec, client, server)
            must -= set(absent)
            test.assertLessEqual(must, is_broken)
            if client == server:
                test.assertEqual(must, set())
                test.assertLessEqual(is_broken, NEW | set(extra))
                test.assertNotEqual(rows["8"], "warn")
            if must == {"2.2"}:
                test.assertEqual(is_broken, {"2.2"})
            # Nothing else than values may be different for others.
            others = {rule for rule in is_broken - must - NEW - set(extra)
                      if not rule.startswith(("5", "7.2/interrupt"))}
            test.assertEqual(others, set())
