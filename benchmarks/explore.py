"""How long the compartment view takes to respond: ``python -m benchmarks.explore``.

Moves the sliders of ``neurosim view RUN --explore`` a little, in turn, and times each change:
the compiled program shows the image again, and the arrays for the browser are made. Then times
``neurosim view RUN --save FILE`` as a program of its own, from its start to its end, on a run
on the embedded digits that is made here.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from bokeh.document import Document

from benchmarks.machine import describe_machine
from benchmarks.problem import make_problem, parse_size
from benchmarks.report import markdown_table
from benchmarks.stopwatch import Stopwatch
from neurosim import Simulator
from neurosim.errors import NeurosimError, ParameterError
from neurosim.viewer.explorer import Knob
from neurosim.viewer.session import LiveView
from neurosim.viewer.source import LiveSource

__all__ = ["main", "time_changes", "time_pictures"]

_HEADER = ("what", "median, ms", "least", "most", "times")


def time_changes(source: LiveSource, turns: int) -> dict[str, list[float]]:
    """Time the change of each slider.

    Parameters
    ----------
    source : LiveSource
        Network and images; its program is compiled before the clock starts.
    turns : int
        Changes of each slider. Sliders take turns; each goes down by a twentieth and back.

    Returns
    -------
    dict of str to list of float
        Milliseconds of every change, by slider, until the arrays are ready to be sent.

    Raises
    ------
    NeurosimError
        If a change was refused.
    """
    session = LiveView(source, explore=True).open(Document())
    tried, message = (session.application.models[name] for name in ("tried", "message"))
    begin = {knob.name: knob for knob in session.knobs()}
    times: dict[str, list[float]] = {name: [] for name in begin}
    for turn in range(turns):
        for name, knob in begin.items():
            before = tried.data
            with Stopwatch() as watch:
                session.turn(name, _aim(knob, turn))
            if tried.data is before:
                raise NeurosimError(f"{name} was not changed: {message.text}")
            times[name].append(1e3 * watch.seconds)
    return times


def _aim(knob: Knob, turn: int) -> float:
    if turn % 2:
        return knob.value
    return 0.95 * knob.value if knob.value else knob.high / 20


def time_pictures(rounds: int) -> list[float]:
    """Time the first picture of a run on the digits.

    Parameters
    ----------
    rounds : int
        How often the program is started.

    Returns
    -------
    list of float
        Milliseconds from the start of ``neurosim view`` to its end.

    Raises
    ------
    NeurosimError
        If the run or a picture cannot be made.
    """
    with tempfile.TemporaryDirectory(prefix="neurosim-explore-") as name:
        run = Path(name) / "digits"
        _neurosim("train", "--dataset", "digits", "--epochs", "1", "--quiet", "--out", str(run))
        times = []
        for number in range(rounds):
            picture = Path(name) / f"{number}.png"
            with Stopwatch() as watch:
                _neurosim("view", str(run), "--save", str(picture))
            if not picture.exists():
                raise NeurosimError("neurosim view wrote no picture")
            times.append(1e3 * watch.seconds)
        return times


def _neurosim(*arguments: str) -> None:
    command = [sys.executable, "-m", "neurosim", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NeurosimError(f"neurosim {arguments[0]} failed: {done.stderr.strip()}")


def _table(times: Mapping[str, Sequence[float]]) -> str:
    rows = [
        (
            name,
            f"{statistics.median(values):.0f}",
            f"{min(values):.0f}",
            f"{max(values):.0f}",
            str(len(values)),
        )
        for name, values in times.items()
    ]
    return markdown_table(_HEADER, rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; 0 done, 2 for a mistake to mend."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.explore", description=__doc__)
    parser.add_argument("--size", default="784-500-10", metavar="N-N-N", help="layer sizes")
    parser.add_argument(
        "--warm-up", type=int, default=2000, metavar="N", help="images to train with first"
    )
    parser.add_argument("--turns", type=int, default=10, metavar="N", help="changes per slider")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="first pictures")
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="where MNIST lies")
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="write all times as well")
    options = parser.parse_args(arguments)
    try:
        for name, least in (("turns", 1), ("rounds", 1), ("warm_up", 0)):
            if getattr(options, name) < least:
                option = name.replace("_", "-")
                raise ParameterError(f"--{option} {getattr(options, name)}: give {least} or more")
        problem = make_problem(
            parse_size(options.size), images=1, warm_up=options.warm_up, data_dir=options.data_dir
        )
        with Simulator(problem.system) as simulator:
            simulator.weights.update(problem.weights)
            source = LiveSource(simulator, problem.images, problem.targets.argmax(axis=1))
            with Stopwatch() as watch:
                source.prepare()
            try:
                changes = time_changes(source, options.turns)
            finally:
                source.close()
        pictures = time_pictures(options.rounds)
    except NeurosimError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    machine = describe_machine()
    print(f"{machine['processor']}, {machine['cores']} cores; image: {problem.source}")
    print(f"{options.size}: program compiled, or found again, in {watch.seconds:.1f} s")
    every = [value for values in changes.values() for value in values]
    print(_table({**changes, "any slider": every, "neurosim view RUN --save": pictures}))
    if options.out is not None:
        found = {
            "machine": machine,
            "image": problem.source,
            "size": options.size,
            "prepare_seconds": watch.seconds,
            "change_ms": changes,
            "first_picture_ms": pictures,
        }
        options.out.write_text(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
