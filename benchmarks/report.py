"""Results as files, tables and a figure of times; how they grow is in ``growth.py``."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.contender import BASELINE
from benchmarks.pictures import save_figure
from neurosim.errors import DataError

__all__ = [
    "DOCS",
    "draw_figure",
    "fill_markers",
    "machine_text",
    "markdown_table",
    "print_tables",
    "publish",
    "read_results",
    "size_title",
    "spread",
    "table",
    "write_results",
]

DOCS = Path(__file__).resolve().parent.parent / "docs"

_HEADER = (
    "contender",
    "training, ms per image",
    f"relative to `{BASELINE}`",
    "evaluation, ms per image",
    "peak memory, MiB",
    "bytes per synapse",
    "graded spikes per image",
    "SynOps per image",
)

#: What the figure of times shows: contenders of single precision, the default threshold.
_DRAWN = (
    "neurosim-f32-1e-3-b20-t2", "neurosim-f32-1e-3-b20", "neurosim-f32-1e-3",
    "floor-f32-1e-3-b20", "floor-f32-1e-3", "torch-100", "torch-20", "torch-1", "numpy-1",
)  # fmt: skip
#: Marker and colour by family: told apart without colour.
_MARKERS = {
    "neurosim": ("o", "#0072B2"),
    "brian2-summed": ("s", "0.35"),
    "numpy": ("v", "0.35"),
    "torch": ("^", "0.35"),
    "floor": ("D", "0.35"),
}


# ---------------------------------------------------------------- files


def write_results(results: dict[str, Any], path: Path) -> None:
    """Write results as JSON; the folder is made if absent."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=1) + "\n")


def read_results(path: Path) -> dict[str, Any]:
    """Read what :func:`write_results` wrote.

    Raises
    ------
    DataError
        If there is no such file, or it holds something else.
    """
    try:
        results: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise DataError(
            f"no results in {path} ({error}); measure first, without --report"
        ) from error
    return results


def fill_markers(path: Path, name: str, text: str) -> None:
    """Replace what stands between ``<!-- name:begin -->`` and ``<!-- name:end -->``.

    Parameters
    ----------
    path : Path
        A Markdown file.
    name : str
        Which pair of markers.
    text : str
        What goes between them.

    Raises
    ------
    DataError
        If the file lacks the markers.
    """
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    page = path.read_text() if path.exists() else ""
    before, opened, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if not opened or not closed:
        raise DataError(f"{path} lacks {begin} ... {end}; put both where the table should go")
    path.write_text(f"{before}{begin}\n{text.strip()}\n{end}{after}")


def publish(results: dict[str, Any]) -> None:
    """Draw the figures and fill the tables of ``docs/measured-times.md``."""
    from benchmarks.growth import draw_growth

    draw_figure(results, DOCS / "images" / "performance")
    draw_growth(results, DOCS / "images" / "performance_growth")
    parts = [machine_text(results)]
    for size in results["sizes"]:
        parts += [f"### {size_title(size)}", markdown_table(_HEADER, table(size))]
    fill_markers(DOCS / "measured-times.md", "bench", "\n\n".join(parts))


# ---------------------------------------------------------------- tables


def spread(values: Sequence[float]) -> str:
    """Median with smallest and largest value, three digits each.

    Examples
    --------
    >>> spread([0.21, 0.2, 0.25])
    '0.21 (0.2–0.25)'
    """
    middle, low, high = statistics.median(values), min(values), max(values)
    return f"{_digits(middle)} ({_digits(low)}–{_digits(high)})"


def _digits(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def size_title(size: dict[str, Any]) -> str:
    """Layers and images of one measurement."""
    return f"{'-'.join(map(str, size['layers']))}, {size['source']} images"


def table(size: dict[str, Any]) -> list[list[str]]:
    """One row per contender, in the order of the header of the tables."""
    return [_row(entry, _relative(entry, size)) for entry in size["contenders"]]


def _row(entry: dict[str, Any], relative: list[float]) -> list[str]:
    return [
        entry["label"],
        spread(entry["train_ms"]),
        spread(relative) if relative else "",
        spread(entry["evaluate_ms"]),
        f"{entry['peak_mib']:.0f}",
        f"{entry['bytes_per_synapse']:.1f}",
        _count(entry["spikes_per_image"]),
        _count(entry["synops_per_image"]),
    ]


def _count(number: float | None) -> str:
    return "dense" if number is None else f"{number:,.0f}".replace(",", " ")


def _relative(entry: dict[str, Any], size: dict[str, Any]) -> list[float]:
    """Training time over the baseline's of the same round."""
    base = [other for other in size["contenders"] if other["name"] == BASELINE]
    if not base:
        return []
    pairs = zip(entry["train_ms"], base[0]["train_ms"], strict=True)
    return [mine / its for mine, its in pairs]


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; all columns but the first are aligned to the right."""
    rule = ["---", *("---:" for _ in header[1:])]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (header, rule, *rows))


def machine_text(results: dict[str, Any]) -> str:
    """A paragraph that says when, where and how it was measured."""
    machine, settings = results["machine"], results["settings"]
    packages = ", ".join(
        f"{name} {version}" for name, version in machine["packages"].items() if version != "absent"
    )
    caches = ", ".join(f"{name} {size}" for name, size in machine["caches"].items())
    share = statistics.median(
        turn["cpu_seconds"] / turn["seconds"]
        for size in results["sizes"]
        for entry in size["contenders"]
        for turn in entry["raw"]["train"]
    )
    return (
        f"Measured {results['date'][:10]} on {machine['processor']} ({machine['cores']} cores, "
        f"caches {caches}), {machine['memory_gib']:g} GiB, {machine['system']}; "
        f"{machine['compiler']}, `{machine['flags']}`; Python {machine['python']}, {packages}; "
        f"NumPy with {machine['blas']}. Medians of {settings['rounds']} rounds, smallest and "
        "largest in brackets; one thread each where a row names no other number. While timed, a "
        f"contender had the processor {100 * share:.0f} % of the time (median). Source at "
        f"{machine['commit'] or 'no commit'}."
    )


def print_tables(results: dict[str, Any]) -> None:
    """Show the tables on the terminal."""
    for size in results["sizes"]:
        print(f"\n{size_title(size)}, {size['synapses']} synapses")
        rows = [list(_HEADER), *table(size)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            first, *others = (f"{cell:{width}s}" for cell, width in zip(row, widths, strict=True))
            print("  ".join([first, *others]))
        for name, reason in size["left_out"].items():
            print(f"left out: {name}: {reason}")


# ---------------------------------------------------------------- figure


def draw_figure(results: dict[str, Any], stem: Path) -> None:
    """Draw times per training image, one panel per size, as PNG and SVG.

    Single precision with the default threshold, or all contenders if there are none of these;
    rows of neurosim are coloured.

    Parameters
    ----------
    results : dict
        What was measured.
    stem : Path
        File name without its ending.
    """
    from matplotlib.figure import Figure

    drawn = [(size, _drawn(size)) for size in results["sizes"]]
    columns = min(len(drawn), 2)
    rows = -(-len(drawn) // 2)
    height = rows * (1.0 + 0.25 * max(len(entries) for _, entries in drawn))
    figure = Figure(figsize=(1.8 + 3.9 * columns, height), dpi=120, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True).ravel()
    for axis in axes[len(drawn) :]:
        axis.set_visible(False)
    same = len({tuple(entry["name"] for entry in entries) for _, entries in drawn}) == 1
    for number, (axis, (size, entries)) in enumerate(zip(axes, drawn, strict=False)):
        _draw_size(axis, size_title(size), entries, named=not (same and number % columns))
    times = [time for _, entries in drawn for entry in entries for time in entry["train_ms"]]
    # room for the numbers on the right
    axes[0].set_xlim(min(times) / 1.6, max(times) * 3.5)
    save_figure(figure, stem)


def _drawn(size: dict[str, Any]) -> list[dict[str, Any]]:
    """Entries of the figure, in its order."""
    known = {entry["name"]: entry for entry in size["contenders"]}
    return [known[name] for name in _DRAWN if name in known] or list(known.values())


def _draw_size(axis: Any, title: str, entries: Sequence[dict[str, Any]], *, named: bool) -> None:
    """Dots with their range, from the top down."""
    places = range(len(entries))[::-1]
    for place, entry in zip(places, entries, strict=True):
        times, (marker, colour) = entry["train_ms"], _MARKERS[entry["family"]]
        axis.hlines(place, min(times), max(times), color=colour, linewidth=1.6)
        axis.plot(statistics.median(times), place, marker, color=colour, markersize=6)
        axis.annotate(
            _digits(statistics.median(times)), (max(times), place), xytext=(6, 0), fontsize=8,
            va="center", textcoords="offset points", color=colour,
        )  # fmt: skip
    axis.set_xscale("log")
    axis.set_ylim(-0.7, len(entries) - 0.3)
    labels = [entry["label"].replace(", float32", "") for entry in entries]
    axis.set_yticks(places, labels if named else [""] * len(labels), fontsize=8)
    for text, entry in zip(axis.get_yticklabels(), entries, strict=True):
        text.set_fontweight("bold" if entry["family"] == "neurosim" else "normal")
    axis.set_xlabel("time per training image (ms)")
    axis.tick_params(labelbottom=True)
    axis.set_title(title, fontsize=9.5)
    axis.grid(axis="both", color="0.88", linewidth=0.6)
    axis.set_axisbelow(True)
