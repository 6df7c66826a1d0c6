# SPDX-License-Identifier: BSD-2-Clause
"""Tables (Markdown) of what measure.py has measured."""

import textwrap

from measure import FOREIGN, OPERATIONS, Shape

TITLES = {"crossfuse": "crossfuse", "virtiofsd-c": "virtiofsd (C)",
          "virtiofsd-rust": "virtiofsd (Rust)",
          "virtiofsd-sid": "virtiofsd (Rust)"}
# The shape that stands for all in README and in the chart.
MAIN_SHAPE = "1x32"


def number(value):
    if value >= 1e6:
        return "%.2f M" % (value / 1e6)
    if value >= 1e4:
        return "%.0f k" % (value / 1e3)
    if value >= 1e3:
        return "%.1f k" % (value / 1e3)
    return "%.0f" % value


def micros(value):
    return "%.0f" % value if value >= 100 else "%.3g" % value


def paragraph(text):
    return textwrap.fill(text, 79, break_on_hyphens=False) + "\n"


def table(headings, rows):
    lines = ["| " + " | ".join(headings) + " |",
             "|" + "---|" * len(headings)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


class Result:
    """Rows by shape, operation and variant."""

    def __init__(self, result):
        self.all = result
        self.rows = {(r["shape"], r["operation"], r["variant"]): r
                     for r in result["rows"]}
        self.others = [n for n in result["servers"] if n != "crossfuse"]
        seen = {r["operation"] for r in result["rows"]}
        self.operations = [op for op in OPERATIONS if op in seen]
        self.shapes = list(dict.fromkeys(r["shape"] for r in result["rows"]))

    def title(self, name):
        return "%s %s" % (TITLES[name], self.all["servers"][name])

    def at(self, shape, operation, variant, key):
        row = self.rows.get((shape, operation, variant))
        return row.get(key) if row else None

    def best(self, shape, operation, key):
        """Of the other servers: the highest rate, or the least of a cost."""
        values = [self.at(shape, operation, n, key) for n in self.others]
        values = [v for v in values if v]
        if not values:
            return None
        return max(values) if key == "rate" else min(values)

    def advantage(self, shape, operation, key):
        """crossfuse to the better of the others; above 1: ahead."""
        mine = self.at(shape, operation, "crossfuse", key)
        best = self.best(shape, operation, key)
        if not mine or not best:
            return None
        return mine / best if key == "rate" else best / mine


def show(value, form):
    return form(value) if value else "-"


def times(value):
    return "%.2f" % value


def plain_shapes(result):
    return [s for s in result.shapes if not Shape.parse(s).spin]


def beside_virtiofsd(result):
    rows = []
    for shape in plain_shapes(result):
        for op in result.operations:
            row = [OPERATIONS[op], Shape.parse(shape).title()]
            for name in ["crossfuse"] + result.others:
                row += [show(result.at(shape, op, name, "rate"), number),
                        show(result.at(shape, op, name, "cpu_us"), micros)]
            row += [show(result.advantage(shape, op, key), times)
                    for key in ("rate", "cpu_us")]
            rows.append(row)
    headings = ["operation", "queues x depth"]
    for name in ["crossfuse"] + result.others:
        headings += [result.title(name) + " /s", "CPU µs"]
    return table(headings + ["rate : better", "better's CPU : CPU"], rows)


def behind(result):
    """The rows in which another server is ahead, named."""
    lines = []
    for key, what in (("rate", "In rate"), ("cpu_us", "In processor time")):
        found = []
        for shape in plain_shapes(result):
            for op in result.operations:
                value = result.advantage(shape, op, key)
                if value and value < 1:
                    found.append("%s at %s (%.2f)" % (
                        OPERATIONS[op], Shape.parse(shape).title(), value))
        lines.append(paragraph("%s, behind the better virtiofsd: %s." % (
            what, "; ".join(found) or "no row")))
    return "\n".join(lines)


def latency(result):
    rows = []
    for shape in result.shapes:
        if Shape.parse(shape)[:2] != (1, 1):
            continue
        for op in result.operations:
            row = [OPERATIONS[op],
                   "polls" if Shape.parse(shape).spin else "sleeps"]
            for name in ["crossfuse"] + result.others:
                row.append("%s / %s" % tuple(
                    show(result.at(shape, op, name, key), micros)
                    for key in ("p50_us", "p99_us")))
            rows.append(row)
    return table(["operation", "driver"] +
                 [result.title(n) for n in ["crossfuse"] + result.others],
                 rows)


def beside_bare(result):
    rows = []
    for shape in plain_shapes(result):
        for op in result.operations:
            mine = result.at(shape, op, "crossfuse", "cpu_us")
            calls = result.at(shape, op, "bare", "cpu_us")
            rows.append([
                OPERATIONS[op], Shape.parse(shape).title(),
                show(result.at(shape, op, "bare", "rate"), number),
                show(calls, micros), show(mine, micros),
                "%.0f %%" % (100 * calls / mine) if mine and calls else "-"])
    return table(["operation", "queues x depth", "bare calls /s, one core",
                  "CPU µs", "crossfuse CPU µs", "of it the calls"], rows)


def foreign(result):
    rows = []
    for shape in plain_shapes(result):
        for op in result.operations:
            row = [OPERATIONS[op], Shape.parse(shape).title()]
            for name in FOREIGN:
                for key in ("rate", "cpu_us"):
                    mine = result.at(shape, op, "crossfuse", key)
                    theirs = result.at(shape, op, name, key)
                    row.append("%.2f" % (theirs / mine)
                               if mine and theirs else "-")
            rows.append(row)
    headings = ["operation", "queues x depth"]
    for name in FOREIGN:
        headings += ["rate, " + name, "CPU"]
    return table(headings, rows)


def library(result):
    rows = result.all["library"]
    if not rows:
        return ""
    columns = list(rows[0]["ns"])
    return table(["message"] + columns, [
        ["%s %s" % (r["opcode"], r["kind"])] +
        ["%.1f" % r["ns"][c] for c in columns] for r in rows])


def conditions(result):
    r = result.all
    return paragraph(
        "%s, %d cores, Linux %s, %s; rounds of %g s each: %d. The "
        "load of the machine's other work before the run was %.1f." % (
            r["processor"], r["cores"], r["kernel"], r["date"],
            r["seconds"], r["rounds"], r["load"]))


def speed_page(result):
    """The part of docs/speed.md that a run makes."""
    parts = [
        conditions(result),
        "## Beside virtiofsd\n",
        beside_virtiofsd(result), behind(result),
        "## Latency of one request\n",
        "Microseconds, half of the requests / 99 of 100.\n",
        latency(result),
        "## Beside bare system calls\n", beside_bare(result),
        "## A client of another architecture\n",
        "Each as a ratio to a client of the server's own.\n",
        foreign(result),
        "## The library alone\n",
        "Nanoseconds for a message, by the client's architecture "
        "(`build/bench/translate`).\n",
        library(result),
    ]
    return "\n".join(parts)


def summary(result):
    """The part of README that a run makes."""
    shape = MAIN_SHAPE if MAIN_SHAPE in result.shapes else result.shapes[0]
    rows = []
    for op in result.operations:
        row = [OPERATIONS[op]]
        for key, form in (("rate", number), ("cpu_us", micros)):
            row += [show(result.at(shape, op, "crossfuse", key), form),
                    show(result.best(shape, op, key), form),
                    show(result.advantage(shape, op, key), times)]
        rows.append(row)
    names = ", ".join(result.title(n).split("virtiofsd ")[1]
                      for n in result.others)
    return "\n".join([
        paragraph("crossfuse and the better, in each row, of virtiofsd %s; "
                  "no guest, files in memory, queues x depth %s:" % (
                      names, Shape.parse(shape).title())),
        table(["operation", "crossfuse /s", "virtiofsd /s", "ratio",
               "crossfuse CPU µs", "virtiofsd CPU µs", "ratio"], rows),
        "![Rates and processor time of crossfuse and virtiofsd]"
        "(docs/speed.svg)\n",
        paragraph("`bench/run` has measured this on %s (%d cores, Linux %s), "
                  "while other work made a load of %.1f; docs/speed.md says "
                  "how, and has every row." % (
                      result.all["date"], result.all["cores"],
                      result.all["kernel"], result.all["load"])),
    ])
