"""The command line: each ``neurosim COMMAND`` is a module of :mod:`neurosim.commands`."""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

from neurosim._version import __version__
from neurosim.commands import COMMANDS
from neurosim.errors import NeurosimError

__all__ = ["build_parser", "main"]


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def build_parser() -> argparse.ArgumentParser:
    """The command-line parser.

    Returns
    -------
    argparse.ArgumentParser
        With one sub-parser per command.
    """
    parser = _Parser(
        prog="neurosim",
        description="Event-driven simulation of biologically plausible deep learning in Brian2.",
    )
    parser.add_argument("--version", action="version", version=f"neurosim {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return parser


# ---------------------------------------------------------------- entry point


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        Arguments without the program name; those of the process by default.

    Returns
    -------
    int
        Exit status: 0 if done, 2 for an error that the user can mend, 128 + N if stopped
        by signal N.
    """
    _replace_closed_streams()
    _replace_unknown_characters()
    options = build_parser().parse_args(arguments)
    _show_messages(quiet=getattr(options, "quiet", False))
    signal.signal(signal.SIGTERM, _stop)
    try:
        status = int(options.run(options))
        sys.stdout.flush()
    except NeurosimError as error:
        return _complain(error)
    except KeyboardInterrupt as stop:
        number = stop.args[0] if stop.args else signal.SIGINT
        print("neurosim: stopped at once", file=sys.stderr)
        return 128 + int(number)
    except MemoryError as error:
        return _complain(f"not enough memory ({error}); give smaller layers or fewer images")
    except BrokenPipeError:
        # the reader of our output ended, as in `neurosim systems | head`
        _discard_output()
        return 0
    except OSError as error:
        _discard_output()
        return _complain(
            f"the system refused to read or write ({error}); is there room, and may you write, "
            "where the output goes and in TMPDIR?"
        )
    return status


def _complain(message: object) -> int:
    # a message may quote text of several lines
    print("neurosim:", " ".join(str(message).splitlines()), file=sys.stderr)
    return 2


def _replace_closed_streams() -> None:
    """Open streams that were closed at the start (``2>&-``), to write nowhere."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 - open to the end


def _replace_unknown_characters() -> None:
    """Print ``?`` for what an ASCII or Latin-1 terminal cannot show, instead of failing."""
    # Python itself escapes such characters on standard error
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="replace")


def _discard_output() -> None:
    """Prevent an error of Python at its end about output that cannot be written."""
    # a stream replaced by another program may have no file
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _stop(number: int, frame: FrameType | None) -> None:
    del frame
    raise KeyboardInterrupt(number)


def _show_messages(*, quiet: bool) -> None:
    log = logging.getLogger("neurosim")
    log.setLevel(logging.INFO)
    log.handlers.clear()
    handler = logging.StreamHandler()
    handler.setLevel(logging.WARNING if quiet else logging.INFO)
    handler.setFormatter(logging.Formatter("neurosim: %(message)s"))
    # on a terminal the progress bar shows the epochs
    handler.addFilter(lambda record: not (record.name == "neurosim.epochs" and sys.stderr.isatty()))
    log.addHandler(handler)


if __name__ == "__main__":
    sys.exit(main())
