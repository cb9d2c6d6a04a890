"""The command line: ``neurosim COMMAND``, one module of :mod:`neurosim.commands` each."""

from __future__ import annotations

import argparse
import contextlib
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
    """A parser that complains in one line, as all other errors do."""

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
        Exit status: 0 done, 2 something the user can mend, 128 + N stopped by signal N.
    """
    _replace_closed_streams()
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
        # the reader of our output went away, e.g. `neurosim systems | head`
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
    # whatever a message quotes, it stays one line
    print("neurosim:", " ".join(str(message).splitlines()), file=sys.stderr)
    return 2


def _replace_closed_streams() -> None:
    """Give a program started with closed streams (``2>&-``) a place to write to."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 - open to the end


def _discard_output() -> None:
    """Keep Python from complaining, at its end, about output that nobody can take."""
    # a stream that some other program has put in place may have no file
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
    # on a terminal the progress bar tells of the epochs
    handler.addFilter(lambda record: not (record.name == "neurosim.epochs" and sys.stderr.isatty()))
    log.addHandler(handler)


if __name__ == "__main__":
    sys.exit(main())
