# SPDX-License-Identifier: BSD-2-Clause
"""The chart (SVG): one queue, many requests, every server.

No background, and colours that can be read on white and on black alike.
"""

import xml.sax.saxutils

from measure import OPERATIONS, Shape
from report import MAIN_SHAPE

TEXT = "#77818b"
COLOURS = {"crossfuse": "#2f81f7", "virtiofsd-c": "#9a8fb5",
           "virtiofsd-rust": "#c98a3c", "virtiofsd-sid": "#57a55a"}
LEFT, PANEL, GAP = 178, 250, 66
BAR, STEP, SPACE, TOP = 9, 11, 13, 66
WIDTH = LEFT + 2 * PANEL + GAP + 56


def text(x, y, what, size=12, anchor="start", weight="normal", fill=TEXT):
    return ('<text x="%.1f" y="%.1f" font-size="%d" text-anchor="%s" '
            'font-weight="%s" fill="%s">%s</text>' % (
                x, y, size, anchor, weight, fill,
                xml.sax.saxutils.escape(what)))


def bar(x, y, width, colour):
    return '<rect x="%.1f" y="%.1f" width="%.1f" height="%d" fill="%s"/>' % (
        x, y, width, BAR, colour)


def legend(result, names):
    parts, x = [], 14
    for name in names:
        parts += [bar(x, 8, 12, COLOURS[name]),
                  text(x + 17, 17, result.title(name))]
        x += 40 + 6.9 * len(result.title(name))
    return parts


def relative(result, shape, operation, name, key):
    """To the better virtiofsd, which is 1."""
    value = result.at(shape, operation, name, key)
    best = result.best(shape, operation, key)
    return value / best if value and best else None


def panel(result, shape, names, key, left, title):
    values = {(op, n): relative(result, shape, op, n, key)
              for op in result.operations for n in names}
    most = max([v for v in values.values() if v] + [1.2])
    group = STEP * len(names) + SPACE
    bottom = TOP + group * len(result.operations) - SPACE
    parts = [text(left, TOP - 24, title, weight="bold"),
             '<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="%s" '
             'stroke-opacity="0.4"/>' % (left + PANEL / most, TOP - 6,
                                         left + PANEL / most, bottom + 4,
                                         TEXT)]
    for row, op in enumerate(result.operations):
        for i, name in enumerate(names):
            value = values[op, name]
            if not value:
                continue
            y = TOP + row * group + i * STEP
            width = value * PANEL / most
            parts.append(bar(left, y, width, COLOURS[name]))
            parts.append(text(left + width + 5, y + BAR - 0.5,
                              "%.2f" % value, 9, weight="bold" if
                              name == "crossfuse" else "normal"))
    return parts, bottom


def chart(result):
    shape = MAIN_SHAPE if MAIN_SHAPE in result.shapes else result.shapes[0]
    names = ["crossfuse"] + result.others
    group = STEP * len(names) + SPACE
    parts = legend(result, names)
    rates, bottom = panel(result, shape, names, "rate", LEFT,
                          "Requests a second (more is better)")
    costs, _ = panel(result, shape, names, "cpu_us", LEFT + PANEL + GAP,
                     "Processor time of each (less is better)")
    for row, op in enumerate(result.operations):
        parts.append(text(LEFT - 10, TOP + row * group + group / 2 - 2,
                          OPERATIONS[op], anchor="end"))
    parts += rates + costs
    parts.append(text(LEFT, bottom + 24,
                      "The better virtiofsd of each row is 1; %s." %
                      describe(shape), 11))
    return ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" '
            'width="%d" height="%d" font-family="sans-serif">\n%s\n</svg>\n' %
            (WIDTH, bottom + 34, WIDTH, bottom + 34, "\n".join(parts)))


def describe(shape):
    shape = Shape.parse(shape)
    return "%d queue%s, %d request%s under way in each" % (
        shape.queues, "s" * (shape.queues != 1),
        shape.depth, "s" * (shape.depth != 1))
