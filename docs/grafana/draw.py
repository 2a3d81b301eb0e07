#!/usr/bin/env python3
"""Draws the board's panels from what a Prometheus answers, without Grafana, as one SVG.

    docs/grafana/draw.py http://127.0.0.1:9090 board.svg [--seconds 60] [--end UNIX] [--instance REGEX]

It asks for each query of ringwire.json over the last seconds (or those before --end) and draws the lines that come
back, in the board's order, at most twenty in a panel. It is no Grafana: colours, legends and axes are matplotlib's. It wants matplotlib (`pip install matplotlib`).
"""

import argparse
import json
import pathlib
import time
import urllib.parse
import urllib.request

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams["svg.fonttype"] = "none"  # text stays text
matplotlib.rcParams["svg.hashsalt"] = "ringwire"  # the same picture has the same bytes
import matplotlib.pyplot as plt
from matplotlib.ticker import FuncFormatter, MaxNLocator

BOARD = pathlib.Path(__file__).with_name("ringwire.json")
COLUMNS = 3
LEGEND_MAX = 6
LINES_MAX = 20
POINTS = 20
# What Grafana puts in for the smallest range that holds four scrapes, a second apart.
RATE_INTERVAL = "10s"


def scaled(value, steps, unit):
    for size, prefix in steps:
        if abs(value) >= size:
            return f"{value / size:g} {prefix}{unit}"
    return f"{value:g} {unit}"


def formatter(unit):
    large = [(1e9, "G"), (1e6, "M"), (1e3, "k")]
    if unit in ("bytes", "Bps"):
        name = "B" if unit == "bytes" else "B/s"
        return FuncFormatter(lambda value, _: scaled(value, large, name))
    if unit == "s":
        small = [(1, ""), (1e-3, "m"), (1e-6, "µ")]
        return FuncFormatter(lambda value, _: "0" if value == 0 else scaled(value, small, "s"))
    name = "/s" if unit == "ops" else ""
    return FuncFormatter(lambda value, _: scaled(value, large, name).strip())


def answers(prometheus, query, end, seconds):
    asked = {"query": query, "start": end - seconds, "end": end, "step": max(1, seconds // POINTS)}
    url = f"{prometheus}/api/v1/query_range?{urllib.parse.urlencode(asked)}"
    with urllib.request.urlopen(url) as answer:
        data = json.load(answer)
    if data["status"] != "success":
        raise SystemExit(f"{query}: {data}")
    return data["data"]["result"]


def legend(template, labels):
    for name, value in labels.items():
        template = template.replace("{{%s}}" % name, value[:12] if name == "peer_id" else value)
    return template


def draw_panel(axes, panel, args):
    unit = panel["fieldConfig"]["defaults"].get("unit", "short")
    lines = 0
    for target in panel["targets"]:
        query = target["expr"].replace("$instance", args.instance)
        query = query.replace("$__rate_interval", RATE_INTERVAL)
        for one in answers(args.prometheus, query, args.end, args.seconds):
            points = [(float(at) - args.end, float(value)) for at, value in one["values"]]
            points = [(at, value) for at, value in points if value == value]
            if points and lines < LINES_MAX:
                axes.plot(*zip(*points), linewidth=1, label=legend(target["legendFormat"], one["metric"]))
            lines += bool(points)
    axes.set_title(panel["title"], fontsize=9, loc="left")
    axes.set_xlim(-args.seconds, 0)
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(formatter(unit))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g} s"))
    axes.xaxis.set_major_locator(MaxNLocator(3))
    axes.yaxis.set_major_locator(MaxNLocator(3))
    axes.tick_params(labelsize=7)
    if 0 < lines <= LEGEND_MAX:
        axes.legend(fontsize=6, loc="best")
    elif lines:
        shown = f"{lines} lines" if lines <= LINES_MAX else f"{LINES_MAX} of {lines} lines"
        axes.annotate(shown, (0.98, 0.92), xycoords="axes fraction", fontsize=7, ha="right")
    else:
        axes.annotate("no value in this time", (0.5, 0.5), xycoords="axes fraction", fontsize=8, ha="center")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prometheus")
    parser.add_argument("out")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--end", type=float, default=time.time())
    parser.add_argument("--instance", default=".*")
    args = parser.parse_args()
    panels = json.loads(BOARD.read_text())["panels"]
    panels.sort(key=lambda panel: (panel["gridPos"]["y"], panel["gridPos"]["x"]))
    rows = -(-len(panels) // COLUMNS)
    figure, grid = plt.subplots(rows, COLUMNS, figsize=(5 * COLUMNS, 2.4 * rows), layout="constrained")
    for axes, panel in zip(grid.flat, panels):
        draw_panel(axes, panel, args)
    for axes in grid.flat[len(panels):]:
        axes.set_visible(False)
    figure.suptitle("The queries of docs/grafana/ringwire.json, drawn by docs/grafana/draw.py, not by Grafana", fontsize=10)
    figure.savefig(args.out, metadata={"Date": None})


if __name__ == "__main__":
    main()
