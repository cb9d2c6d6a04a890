"""The command line: each ``neurosim COMMAND`` is a module of :mod:`neurosim.commands`."""

from __future__ import annotations

import argparse
import contextlib
import difflib
import importlib
import io
import logging
import os
import re
import signal
import sys
import time
from collections.abc import Sequence
from types import FrameType
from typing import Any, NoReturn

from neurosim.commands import COMMANDS
from neurosim.commands.options import Lists, joined_lists
from neurosim.errors import NeurosimError, near_matches, warnings_told

__all__ = ["build_parser", "main"]

log = logging.getLogger("neurosim")

#: Least time between two epochs that a file or a pipe is told of; ``log.txt`` has them all.
_BETWEEN_EPOCHS_S = 5.0


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, with what may have been meant."""

    def error(self, message: str) -> NoReturn:
        wrong = re.match(r"argument (\S+): invalid choice: '([^']*)'", message)
        if wrong:
            option, given = wrong.groups()
            known = {name: action for action in self._actions for name in action.option_strings}
            if option in known:
                message = f"{option} {given!r}: {near_matches(given, known[option].choices or ())}"
            else:
                message = f"invalid command {given!r}; {near_matches(given, self.words())}"
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")

    def words(self) -> list[str]:
        """Commands, or options if there are none."""
        return [name for name in self.choices() if name] or [*self._option_string_actions]

    def choices(self) -> dict[str, argparse.ArgumentParser]:
        """Parsers of the commands, by name."""
        found = (a.choices for a in self._actions if isinstance(a, argparse._SubParsersAction))
        return {name: parser for choices in found for name, parser in choices.items()}

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse all arguments; those of a command that it does not know are its own error."""
        words = self._joined(sys.argv[1:] if args is None else args)
        options, strange = self.parse_known_args(words, namespace)
        command = self.choices().get(getattr(options, "command", ""), self)
        if options.verbose and "--quiet" in command._option_string_actions and options.quiet:
            command.error("--verbose and --quiet exclude each other; give one of them")
        if strange:
            words = [*command._option_string_actions]
            close = difflib.get_close_matches(strange[0].partition("=")[0], words, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            command.error(f"unrecognized arguments: {' '.join(strange)}{hint}")
        return options

    def _joined(self, words: Sequence[str]) -> list[str]:
        """Words whose lists of numbers end before a run folder that follows them."""
        command = next((self.choices()[word] for word in words if word in self.choices()), self)
        if all(action.option_strings for action in command._actions):
            return list(words)
        lists = [action for action in command._actions if isinstance(action, Lists)]
        named = {option for action in lists for option in action.option_strings}
        return joined_lists(words, named)


class _Version(argparse.Action):
    """Print versions and places, imported only then."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        from neurosim.commands.versions import versions

        print(versions(), end="")
        parser.exit()


class _Completion(argparse.Action):
    """Print a script by which a shell completes commands and options."""

    def __call__(self, parser: argparse.ArgumentParser, _: Any, shell: Any, __: Any = None) -> None:
        try:
            shtab = importlib.import_module("shtab")
        except ImportError:
            parser.error("--completion needs a package: pip install shtab")
        if shell not in shtab.SUPPORTED_SHELLS:
            parser.error(f"--completion {shell}: {near_matches(shell, shtab.SUPPORTED_SHELLS)}")
        print(shtab.complete(parser, shell))
        parser.exit()


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
    parser.add_argument(
        "--version", nargs=0, action=_Version, help="print versions, compiler and cache folder"
    )
    parser.add_argument(
        "--completion",
        metavar="SHELL",
        action=_Completion,
        help='print the completion of bash, zsh or tcsh: eval "$(neurosim --completion bash)"',
    )
    _add_verbose(parser, False)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    for one in commands.choices.values():
        # absent where not given, so that `neurosim -v COMMAND` counts as well
        _add_verbose(one, argparse.SUPPRESS)
    return parser


def _add_verbose(parser: argparse.ArgumentParser, default: Any) -> None:
    parser.add_argument(
        "-v",
        "--verbose",
        action="store_true",
        default=default,
        help="say what is read and compiled, where it is kept, what runs, and how long it takes",
    )


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
    parser = build_parser()
    if not (sys.argv[1:] if arguments is None else arguments):
        parser.print_help()
        return 0
    options = parser.parse_args(arguments)
    _show_messages(quiet=getattr(options, "quiet", False), verbose=options.verbose)
    signal.signal(signal.SIGTERM, _stop)
    started = time.perf_counter()
    try:
        if options.verbose:
            _tell_versions()
        with warnings_told():
            status = int(options.run(options))
        log.debug("done in %.1f s", time.perf_counter() - started)
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


def _tell_versions() -> None:
    from neurosim.backends.cores import available_cores
    from neurosim.commands.versions import versions

    for line in versions().splitlines():
        log.debug("%s", line)
    log.debug("cores:    %d", available_cores())


def _show_messages(*, quiet: bool, verbose: bool) -> None:
    log.setLevel(logging.DEBUG if verbose else logging.INFO)
    log.handlers.clear()
    handler: logging.Handler = _BesideProgress() if verbose else logging.StreamHandler()
    handler.setLevel(logging.DEBUG if verbose else logging.WARNING if quiet else logging.INFO)
    handler.setFormatter(logging.Formatter("neurosim: %(message)s"))
    handler.addFilter(_SomeEpochs())
    log.addHandler(handler)


class _BesideProgress(logging.Handler):
    """Writes messages to standard error, above a progress bar that is being drawn."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a message."""
        from tqdm import tqdm

        tqdm.write(self.format(record), file=sys.stderr)


class _SomeEpochs(logging.Filter):
    """Passes epochs that are seconds apart; none on a terminal, where the progress bar has them."""

    def __init__(self) -> None:
        super().__init__()
        self._shown = -_BETWEEN_EPOCHS_S

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a message is shown."""
        if record.name != "neurosim.epochs":
            return True
        if sys.stderr.isatty() or record.created - self._shown < _BETWEEN_EPOCHS_S:
            return False
        self._shown = record.created
        return True


if __name__ == "__main__":
    sys.exit(main())
