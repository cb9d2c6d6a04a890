"""``neurosim view``: look at the compartments of a neuron, in a browser, a picture or a page."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from neurosim.commands.options import add_list, names, number, path, shown, whole_number
from neurosim.commands.record import add_image_options
from neurosim.errors import ParameterError

__all__ = ["add"]

_PICTURES, _PAGES = (".png", ".pdf", ".svg"), (".html", ".htm")
#: Largest number of a port.
_LAST_PORT = 65_535
_EXAMPLES = """\
examples:
  neurosim view runs/NAME                              in a browser
  neurosim view runs/NAME --explore                    with sliders for parameters
  neurosim view runs/NAME --compare runs/OTHER         two networks on the same axes
  neurosim view runs/NAME --image 3 --neuron 7 --save neuron.png
  neurosim view runs/NAME --images 0-19 --html neurons.html
  neurosim view rec.nc                                 what neurosim record wrote
"""


def add(commands: Any) -> None:
    """Declare ``neurosim view``."""
    parser = commands.add_parser(
        "view",
        help="look at the compartments of a neuron over a cycle",
        description="Look at soma, dendrites, rate, errors and graded spikes of a neuron over "
        "the cycle of an image.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", type=path, metavar="RUN", help="run folder, or recording (.nc)")
    add_image_options(parser)
    # None where nothing is given: a recording has its own images
    parser.set_defaults(images=None, split=None)
    parser.add_argument("--image", type=whole_number, metavar="N", help="image to begin with")
    parser.add_argument("--layer", type=whole_number, metavar="N", help="layer to begin with")
    parser.add_argument("--neuron", type=whole_number, metavar="N", help="neuron to begin with")
    add_list(
        parser, "--traces", of=names, metavar="NAME", help="traces shown at first, e.g. soma apical"
    )
    parser.add_argument("--free-only", action="store_true", help="leave the nudged phase out")
    parser.add_argument(
        "--beta", type=number, metavar="X", help="signed nudge (default: the system's)"
    )
    parser.add_argument(
        "--explore",
        action="store_true",
        help="sliders for parameters; the image is shown anew at every change",
    )
    parser.add_argument(
        "--compare", type=path, metavar="RUN",
        help="another run, or recording, of the same images to compare with",
    )  # fmt: skip
    parser.add_argument(
        "--save", type=path, metavar="FILE", help="write a picture (.png, .pdf, .svg), and end"
    )
    parser.add_argument("--html", type=path, metavar="FILE", help="write a page, and end")
    add_list(
        parser,
        "--neurons",
        metavar="N",
        help="neurons kept of --layer (default: the lowest), e.g. 3 7 or 0-99",
    )
    parser.add_argument(
        "--port", type=whole_number, metavar="N", help="where the server of the view listens"
    )
    parser.add_argument(
        "--no-browser", action="store_true", help="print the address, and open no browser"
    )
    parser.set_defaults(run=_run, quiet=True)


def _run(options: argparse.Namespace) -> int:
    from neurosim.viewer.opening import open_source

    _check(options)
    source = open_source(
        options.what,
        ids=_chosen_images(options),
        split=options.split,
        beta=options.beta,
        data_dir=options.data_dir,
    )
    start: dict[str, Any] = {
        "image": options.image,
        "layer": options.layer,
        "neuron": options.neuron,
        "traces": options.traces,
        "nudged": not options.free_only,
    }
    try:
        if options.save is not None:
            _save(source, options.save, start)
            print(f"wrote {shown(options.save)}")
        if options.html is None and options.save is not None:
            return 0
        start["neurons"] = options.neurons
        if options.compare is not None:
            start["other"] = (shown(options.compare), _other(options, source))
        if options.html is not None:
            from neurosim.viewer.page import write_page

            write_page(source, options.html, **start)
            print(f"wrote {shown(options.html)}")
        else:
            from neurosim.viewer.server import open_server, serve
            from neurosim.viewer.session import LiveView

            print("showing the images to the network ...", flush=True)
            view = LiveView(source, explore=options.explore, **start)
            server, address = open_server(view, port=options.port or 0)
            print(f"the view is at {address} (stop with Ctrl-C)", flush=True)
            serve(server, "" if options.no_browser else address)
            print("stopped")
    finally:
        source.close()
    return 0


def _other(options: argparse.Namespace, source: Any) -> Any:
    """The same images from another run or recording."""
    from neurosim.viewer.opening import open_source

    is_run = not options.compare.is_file()
    more = {"split": options.split, "beta": options.beta} if is_run else {}
    return open_source(options.compare, ids=source.ids, **more)


def _chosen_images(options: argparse.Namespace) -> list[int] | None:
    """Numbers of the images to look at; None for all of a recording."""
    first = [] if options.image is None else [options.image]
    ids: list[int] | None = options.images
    if ids is None and not options.what.is_file():
        ids = list(range(10))
    if options.save is not None and options.html is None and (first or ids):
        # a picture shows one image; recording others would take time for nothing
        return first or (ids or [])[:1]
    return None if ids is None else [*ids, *(number for number in first if number not in ids)]


def _check(options: argparse.Namespace) -> None:
    for name, file, endings in (
        ("--save", options.save, _PICTURES),
        ("--html", options.html, _PAGES),
    ):
        if file is not None and file.suffix.lower() not in endings:
            raise ParameterError(f"{name} {shown(file)}: the name ends in {', '.join(endings)}")
    pictured = options.save is not None and options.html is None
    for name in ("neurons", "compare"):
        if getattr(options, name) is not None and pictured:
            raise ParameterError(
                f"--{name} is for the browser or a page (--html); a picture shows one --neuron N"
            )
    written = options.save is not None or options.html is not None
    if options.explore and written:
        raise ParameterError("--explore is for the browser; leave out --save and --html")
    if options.port is not None and not 0 <= options.port <= _LAST_PORT:
        raise ParameterError(
            f"--port {options.port}: give 1 to {_LAST_PORT}, or leave it out for one that is free"
        )
    if (options.port is not None or options.no_browser) and written:
        raise ParameterError(
            "--port and --no-browser are for the browser; leave out --save and --html"
        )


def _save(source: Any, file: Path, start: dict[str, Any]) -> None:
    from neurosim.errors import DataError
    from neurosim.figures import style
    from neurosim.viewer.still import draw_still

    figure = style.empty_figure(11.5, 7.2)
    draw_still(source, figure, **start)
    try:
        figure.savefig(file)
    except OSError as error:
        raise DataError(f"cannot write {file}: {error.strerror or error}") from error
