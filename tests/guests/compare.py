# SPDX-License-Identifier: BSD-2-Clause
"""Results of two runs side by side."""

import fnmatch
import re

from guests import HERE


class Exceptions:
    """Differences from a local file system that are right, with reasons.

    Each line of the file: kernels ("any", or "before 6.6"), check (may
    hold * and ?), a regular expression for the whole outcome on the share,
    and a reason; tabs between."""

    def __init__(self, kernel, *names):
        """kernel: version such as (6, 1); names: files of exceptions."""
        self.rows = []
        for name in names:
            self._read(HERE / name, kernel)

    def _read(self, path, kernel):
        for number, line in enumerate(
                path.read_text(encoding="utf-8").splitlines(), 1):
            if not line.strip() or line.startswith("#"):
                continue
            fields = re.split(r"\t+", line)
            kernels = re.fullmatch(r"any|before (\d+)\.(\d+)", fields[0])
            if len(fields) != 4 or not kernels:
                raise ValueError("%s:%d: cannot be understood" %
                                 (path.name, number))
            if kernels.group(1) and kernel >= (
                    int(kernels.group(1)), int(kernels.group(2))):
                continue
            self.rows.append(fields)

    def allow(self, name, outcome):
        for _, check, pattern, _ in self.rows:
            if fnmatch.fnmatchcase(name, check) and re.fullmatch(
                    pattern, outcome):
                return True
        return False


def parse(lines):
    """Results from the lines of a probe."""
    results = {}
    for line in lines:
        name, tab, outcome = line.partition("\t")
        if tab and not line.startswith(("#", "@")):
            results[name] = outcome
    return results


def differences(reference, results, exceptions=None):
    """(name, expected, seen) of what is not the same."""
    out = []
    for name in list(reference) + [n for n in results if n not in reference]:
        want = reference.get(name, "(no such line)")
        seen = results.get(name, "(no such line)")
        if want == seen:
            continue
        if exceptions and exceptions.allow(name, seen):
            continue
        out.append((name, want, seen))
    return out


def row_text(row):
    return "  %s\n    local  %s\n    share  %s\n" % row


def show(rows, limit=None):
    for row in rows[:limit]:
        print(row_text(row), end="")
    if limit and len(rows) > limit:
        print("  ... and %d more" % (len(rows) - limit))


def save(rows, path):
    path.write_text("".join(row_text(r) for r in rows), encoding="utf-8")
