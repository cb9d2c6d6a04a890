"""Draw the pictures of the pages about ideas, from a network that has learnt the digits.

python docs/draw_concepts.py [--out docs/images]
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from neurosim import load_dataset, load_pretrained
from neurosim.figures import save, style

IMAGES = Path(__file__).parent / "images"
#: A threshold large enough to see what it does.
COARSE = 0.1
THRESHOLDS = (0.0, 0.001, 0.01, 0.1)


def main() -> None:
    """Draw all pictures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=IMAGES, help="folder")
    out = parser.parse_args().out
    digits = load_dataset("digits")
    shown, labels = digits.x_test[:40], digits.y_test[:40]
    with style.applied():
        save(phases(recorded(shown, labels, 0.001)), out / "idea-phases.png")
        by_threshold = {theta: recorded(shown, labels, theta) for theta in THRESHOLDS}
        save(events(by_threshold), out / "idea-events.png")
        save(lanes(), out / "idea-lanes.png")


def recorded(images: Any, labels: Any, threshold: float) -> Any:
    """What every compartment does while the images are shown."""
    import dataclasses

    from neurosim import Simulator

    learnt = load_pretrained("corinfomax")
    system = dataclasses.replace(learnt.system, event_threshold=threshold)
    simulator = Simulator(system, backend="runtime")
    simulator.weights.update(learnt.weights)
    return simulator.record(images, labels)


# ------------------------------------------------------------------ free and nudged phases


def phases(recording: Any) -> Any:
    """Output rates, one hidden cell, and what a synapse contrasts, for the least sure image."""
    output, hidden = recording["layer_2"], recording["layer_1"]
    image = _least_sure(output)
    figure, (rates, cell, contrast) = style.new_figure(3, panel=(3.3, 3.2))
    _output_rates(rates, output.isel(image=image))
    _hidden_cell(cell, hidden.isel(image=image))
    _contrast(contrast, output.isel(image=image))
    return figure


def _least_sure(output: Any) -> int:
    """The image whose right answer has the smallest lead at the end of the free phase."""
    free = output.rate.where(output.phase == "free", drop=True).isel(time=-1).values
    label = output.label.values
    right = free[np.arange(len(label)), label]
    others = free.copy()
    others[np.arange(len(label)), label] = -1
    lead = right - others.max(axis=1)
    return int(np.argmin(np.where(lead > 0, lead, np.inf)))


def _spans(traces: Any) -> dict[str, float]:
    names = traces.phase.values
    return {name: float((names == name).sum()) for name in dict.fromkeys(names)}


def _output_rates(axes: Any, output: Any) -> None:
    label, time = int(output.label), output.time.values
    ends = output.rate.isel(time=29).values
    order = [label, *(c for c in np.argsort(-ends) if c != label)][:3]
    style.shade_phases(axes, _spans(output))
    for number, c in enumerate(order):
        words = f"class {c}, the label" if c == label else f"class {c}"
        axes.plot(time, output.rate.isel(neuron=c), label=words,
                  **style.series(number, markers=False))  # fmt: skip
    axes.legend(loc="upper left")
    axes.set_ylim(-0.05, 1.35)
    style.label(axes, "", "time (ms)", "rate of output cells")


def _hidden_cell(axes: Any, hidden: Any) -> None:
    free, nudged = hidden.soma.isel(time=28).values, hidden.soma.isel(time=-1).values
    moved = int(np.argmax(np.abs(nudged - free)))
    style.shade_phases(axes, _spans(hidden))
    for number, name in enumerate(("soma", "basal", "apical")):
        axes.plot(hidden.time, hidden[name].isel(neuron=moved), label=name,
                  **style.series(number, markers=False))  # fmt: skip
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.2 * (high - low))
    axes.legend(loc="upper left", ncols=3, handlelength=1.3, columnspacing=0.8)
    style.label(axes, "", "time (ms)", f"potentials of hidden cell {moved}")


def _contrast(axes: Any, output: Any) -> None:
    error = output.forward_error
    change = error.isel(time=-1) - error.isel(time=29)
    label = int(output.label)
    places = np.arange(len(change))
    colours = [style.COLOURS[0] if c == label else style.COLOURS[5] for c in places]
    axes.bar(places, change, color=colours, edgecolor=style.INK, linewidth=0.8)
    axes.set_xticks(places)
    axes.axhline(0, color=style.INK, linewidth=0.8)
    style.label(axes, "", "output cell (class)", "forward error, nudged minus free")


# ------------------------------------------------------------------ events


def events(recordings: dict[float, Any]) -> Any:
    """A rate and what was sent of it; events per step at several thresholds."""
    figure, (one, many) = style.new_figure(2, panel=(4.5, 3.2))
    coarse = recordings[COARSE]["layer_1"]
    image, neuron = np.unravel_index(
        np.argmax((coarse.spikes != 0).sum("time").values), coarse.rate.shape[::2]
    )
    cell = coarse.isel(image=image, neuron=neuron)
    style.shade_phases(one, _spans(cell))
    one.plot(cell.time, cell.rate, label="rate", **style.series(0, markers=False))
    sent = np.cumsum(cell.spikes.values)
    one.step(cell.time, sent, where="post", color=style.COLOURS[1], label="sum of what was sent")
    there = cell.spikes.values != 0
    one.plot(cell.time[there], sent[there], "o", color=style.COLOURS[1], markersize=5,
             label="graded spike")  # fmt: skip
    one.legend(loc="lower right")
    style.label(one, "", "time (ms)", f"hidden cell, threshold {COARSE:g}")
    for number, (threshold, recording) in enumerate(recordings.items()):
        layer = recording["layer_1"]
        count = (layer.spikes != 0).sum("neuron").mean("image")
        total = float(count.sum())
        many.plot(layer.time, count, label=f"{threshold:g}: {total:.0f} per image",
                  **style.series(number, markers=False))  # fmt: skip
    style.shade_phases(many, _spans(layer))
    many.set_ylim(top=115)
    many.legend(title="threshold", loc="upper right", ncols=2)
    style.label(many, "", "time (ms)", "graded spikes of 100 hidden cells")
    return figure


# ------------------------------------------------------------------ lanes


def lanes() -> Any:
    """Eight images in two batches of four: online, in lanes, and in lanes shared by threads."""
    figure, panels = style.new_figure(3, columns=1, panel=(7.0, 1.45), sharex=True)
    online = [(n, 0, n, 1) for n in range(8)]
    batch = [(n % 4, 4 * (n // 4) + n % 4, n, 1) for n in range(8)]
    threads = [(n % 4, 2 * (n // 4) + n % 2, n, 1) for n in range(8)]
    _timeline(panels[0], "online: one lane, a commit after every image", 1, (1,) * 8,
              [(0, n, n) for n, *_ in online])  # fmt: skip
    _timeline(panels[1], "batch of 4: four lanes, one thread", 4, (4, 4),
              [(lane, start, n) for lane, start, n, _ in batch])  # fmt: skip
    _timeline(panels[2], "batch of 4: four lanes, two threads", 4, (2, 2),
              [(lane, start, n) for lane, start, n, _ in threads])  # fmt: skip
    panels[2].set_xlabel("time, in the time that one image takes")
    return figure


def _timeline(axes: Any, title: str, rows: int, commits: tuple[int, ...], shown: Any) -> None:
    """Boxes for images, in the lane and at the time at which they are computed."""
    for lane, start, number in shown:
        axes.barh(lane, 0.94, left=start + 0.03, height=0.8, edgecolor=style.INK, linewidth=0.8,
                  color=style.COLOURS[5] if number < 4 else style.SHADE)  # fmt: skip
        axes.text(start + 0.5, lane, f"image {number}", ha="center", va="center", fontsize=8)
    for place in np.cumsum(commits):
        axes.axvline(place, color=style.COLOURS[1], linewidth=2.4)
    axes.set_title(title)
    axes.set(xlim=(-0.05, 8.1), ylim=(rows - 0.45, -0.55), yticks=range(rows))
    axes.set_ylabel("lane")
    axes.grid(visible=False)


if __name__ == "__main__":
    main()
