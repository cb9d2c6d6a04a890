"""Command line: ``python -m benchmarks --help``."""

from __future__ import annotations

import argparse
import datetime
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from neurosim.errors import NeurosimError

FOLDER = Path(__file__).resolve().parent
LATEST = FOLDER / "results" / "latest.json"
QUICK = FOLDER / "results" / "quick.json"

_EXAMPLES = """\
examples:
  python -m benchmarks                              everything; half an hour on a quiet machine
  python -m benchmarks --quick                      does it work? a few minutes, no numbers to keep
  python -m benchmarks --sizes 784-500-10 --contenders 'neurosim-f32-*' 'floor-*'
  python -m benchmarks --report                     tables and figures again, from the last results

Without --out, a full run writes benchmarks/results/latest.json, the figures in
docs/images and the tables of docs/measured-times.md.
"""


def build_parser() -> argparse.ArgumentParser:
    """The command-line parser."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure neurosim side by side with Brian2, PyTorch, NumPy and plain C.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="a tiny network, two rounds")
    parser.add_argument("--sizes", nargs="+", metavar="N-N-N", help="layer sizes (default: four)")
    parser.add_argument(
        "--contenders", nargs="+", default=[], metavar="NAME", help="names or patterns"
    )
    parser.add_argument("--list", action="store_true", help="list the contenders and stop")
    parser.add_argument("--rounds", type=_count, metavar="N", help="turns of each (default: 7)")
    parser.add_argument("--images", type=_count, metavar="N", help="images per turn, at most")
    parser.add_argument("--seconds", type=float, metavar="S", help="wanted length of a turn")
    parser.add_argument("--warm-up", type=int, metavar="N", help="images to train with first")
    parser.add_argument(
        "--data-dir", type=Path, metavar="DIR", help="where MNIST lies (default: cache)"
    )
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="where the results go")
    parser.add_argument(
        "--report", action="store_true", help="measure nothing; write tables and figure anew"
    )
    return parser


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return number


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        Arguments without the program name; those of the process by default.

    Returns
    -------
    int
        0 done, 1 if a contender was left out or failed its check, 2 for a mistake to mend.
    """
    options = build_parser().parse_args(arguments)
    try:
        return _run(options)
    except NeurosimError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("benchmarks: stopped; only sizes measured to the end are kept", file=sys.stderr)
        return 130


def _run(options: argparse.Namespace) -> int:
    from benchmarks.contender import CONTENDERS
    from benchmarks.report import print_tables, publish, read_results

    if options.list:
        for name, contender in CONTENDERS.items():
            print(f"{name:26s} {contender.label}")
        return 0
    out = options.out or (QUICK if options.quick else LATEST)
    results = read_results(out) if options.report else _measure(options, out)
    print_tables(results)
    # a run for show must not replace the published numbers
    if out.resolve() == LATEST:
        publish(results)
    return int(any(size["left_out"] for size in results["sizes"]))


def _measure(options: argparse.Namespace, out: Path) -> dict[str, Any]:
    from benchmarks.contender import choose
    from benchmarks.machine import describe_machine
    from benchmarks.measure import Settings, measure_size
    from benchmarks.problem import SIZES, parse_size
    from benchmarks.report import write_results

    settings = _settings(options, Settings)
    sizes = [parse_size(text) for text in options.sizes or []]
    sizes = sizes or ([(64, 30, 10)] if options.quick else list(SIZES))
    contenders = choose(options.contenders)
    names = ("rounds", "images", "seconds", "warm_up")
    results: dict[str, Any] = {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": describe_machine(),
        "settings": {name: getattr(settings, name) for name in names},
        "sizes": [],
    }
    for layers in sizes:
        results["sizes"].append(measure_size(layers, contenders, settings, _say))
        # what is measured is kept, whatever happens to the next size
        write_results(results, out)
    return results


def _settings(options: argparse.Namespace, kind: Any) -> Any:
    quick = {"rounds": 2, "images": 60, "seconds": 0.02, "warm_up": 200}
    names = ("rounds", "images", "seconds", "warm_up", "data_dir")
    given = {name: getattr(options, name) for name in names}
    chosen = {name: value for name, value in given.items() if value is not None}
    return kind(**{**(quick if options.quick else {}), **chosen})


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
