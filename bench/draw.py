"""Draws the picture of RESULTS.md: `python bench/draw.py DATA.json PICTURE.svg`, with matplotlib and nothing of ours."""

from __future__ import annotations

import json
import sys
from typing import Any

import matplotlib

matplotlib.use("Agg")
matplotlib.rcParams.update(
    {
        "svg.hashsalt": "freehold",
        "font.family": "DejaVu Sans",
        "font.size": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlelocation": "left",
        "axes.titleweight": "bold",
        "axes.edgecolor": "#8a8f98",
        "xtick.color": "#4a4f57",
        "ytick.color": "#24272c",
    }
)
import matplotlib.pyplot as plt  # noqa: E402

TIMES = "\N{MULTIPLICATION SIGN}"
COLORS = {"freehold": "#1f6feb", "ministack": "#e0862c", "moto": "#9aa0a8"}
NAMES = {
    "freehold": "Freehold (durable, sandboxed)",
    "ministack": "ministack (in memory)",
    "moto": "moto[server] (in memory)",
}


def operations(axes: Any, given: list[dict[str, Any]]) -> None:
    """Bars of requests/s on a logarithmic scale, and the ratio to the first peer in words."""
    height = 0.27
    for at, each in enumerate(given):
        for number, who in enumerate(COLORS):
            rate = each["rates"][who]
            y = at + (number - 1) * height
            if rate:
                axes.barh(y, rate, height * 0.92, color=COLORS[who])
            else:
                axes.text(12, y, "none", va="center", fontsize=7, color="#8a8f98")
        ours = each["rates"]["freehold"]
        words = f"{ours:,.0f}" + (f"   {each['times']:.1f}{TIMES}" if each["times"] else "")
        axes.text(ours * 1.08, at - height, words, va="center", fontsize=8, color=COLORS["freehold"])
    axes.set_xscale("log")
    axes.set_xlim(10, 60_000)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_ylim(len(given) - 0.4, -0.6)
    axes.set_yticks(range(len(given)), [each["name"] for each in given])
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="#e6e8eb")
    axes.set_axisbelow(True)
    axes.set_title("Requests/s with 32 connections (and times ministack's)")
    handles = [plt.Rectangle((0, 0), 1, 1, color=COLORS[who]) for who in COLORS]
    axes.legend(
        handles, [NAMES[who] for who in COLORS], loc="upper center", bbox_to_anchor=(0.4, -0.05), ncol=3, frameon=False
    )


def shares(axes: Any, given: list[dict[str, Any]]) -> None:
    """How much of the bare server is reached, with what is wanted as a mark."""
    for at, each in enumerate(given):
        good = each["share"] >= each["wanted"]
        axes.barh(at, 100, 0.55, color="#eef0f3")
        axes.barh(at, 100 * each["share"], 0.55, color=COLORS["freehold"] if good else "#c9393f")
        axes.plot([100 * each["wanted"]] * 2, [at - 0.38, at + 0.38], color="#24272c", linewidth=1.6)
        inside = each["share"] > 0.15
        x, side, ink = (-2, "right", "white") if inside else (2, "left", "#24272c")
        words = f"{each['share']:.0%}"
        axes.text(100 * each["share"] + x, at, words, va="center", ha=side, color=ink, fontweight="bold")
    axes.set_xlim(0, max([100, *(104 * each["share"] for each in given)]))
    axes.set_ylim(len(given) - 0.4, -0.6)
    axes.set_yticks(range(len(given)), [each["name"] for each in given])
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("percent of the bare server's requests/s; the mark is the target")
    axes.set_title("Share of this machine's limits")


def burst(axes: Any, given: dict[str, list[list[float]]]) -> None:
    """The worst latency of each quarter of a second."""
    colors = ("#1f6feb", "#8250df")
    for (kind, series), color in zip(given.items(), colors, strict=False):
        axes.step(
            [at for at, _ in series],
            [worst for _, worst in series],
            where="post",
            color=color,
            label=kind,
            linewidth=1.6,
        )
    ends = [at for series in given.values() for at, _ in series]
    if ends:
        middle = (max(ends) + 0.25 - 1) / 2
        axes.axvspan(middle, middle + 1, color="#fff1d6", zorder=0)
        axes.text(
            middle + 0.5,
            0.98,
            f"10{TIMES}",
            transform=axes.get_xaxis_transform(),
            ha="center",
            va="top",
            color="#9a6700",
        )
    axes.set_yscale("log")
    axes.set_ylim(top=4 * max([1.0, *(worst for series in given.values() for _, worst in series)]))
    axes.yaxis.set_major_formatter("{x:,g}")
    axes.set_xlabel("seconds")
    axes.set_ylabel("worst of each 0.25 s, ms")
    axes.grid(axis="y", color="#e6e8eb")
    axes.set_title("Burst: ten times the load within a second")
    if given:
        axes.legend(frameon=False, loc="upper left")


def memory(axes: Any, given: dict[str, Any]) -> None:
    """The server's own process and everything below it."""
    series = given.get("series", [])
    times = [at for at, _, _ in series]
    axes.fill_between(times, [all_ for _, _, all_ in series], color="#cfe0fb", label="all processes", step="post")
    axes.fill_between(times, [own for _, own, _ in series], color=COLORS["freehold"], label="server", step="post")
    top = max((all_ for _, _, all_ in series), default=1)
    for number, phase in enumerate(given.get("phases", [])):
        axes.axvline(phase["start_s"], color="#8a8f98", linewidth=0.7, linestyle=":")
        axes.text(
            phase["start_s"] + 0.2, top * (1.22 - 0.07 * (number % 3)), phase["name"], fontsize=7.5, color="#4a4f57"
        )
    axes.set_ylim(0, top * 1.3)
    axes.set_xlabel("seconds")
    axes.set_ylabel("MB")
    axes.set_title("Memory under load and after")
    axes.legend(frameon=False, loc="center left")


def main() -> None:
    """Four panels: the operations take the left half."""
    with open(sys.argv[1]) as file:
        given = json.load(file)
    figure = plt.figure(figsize=(15, 10), layout="constrained")
    grid = figure.add_gridspec(3, 2, width_ratios=(1.25, 1), height_ratios=(0.8, 1, 1))
    operations(figure.add_subplot(grid[:, 0]), given["operations"])
    shares(figure.add_subplot(grid[0, 1]), given["shares"])
    burst(figure.add_subplot(grid[1, 1]), given["burst"])
    memory(figure.add_subplot(grid[2, 1]), given["memory"])
    figure.savefig(sys.argv[2], metadata={"Date": None})
    if len(sys.argv) > 3:
        figure.savefig(sys.argv[3], dpi=80)


if __name__ == "__main__":
    main()
