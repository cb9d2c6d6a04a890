"""The errors neurosim raises for what a user can mend, and its warnings.

Every message names what was given, what is allowed and the way out; the
command line prints it as one line and exits with status 2.
"""

from __future__ import annotations

import contextlib
import difflib
import logging
import warnings
from collections.abc import Iterable, Iterator

__all__ = [
    "BuildError",
    "CheckpointError",
    "CircuitError",
    "DataError",
    "DivergenceError",
    "FigureError",
    "MethodError",
    "NeurosimError",
    "NeurosimWarning",
    "ParameterError",
    "RunFolderError",
    "brief",
    "counted",
    "near_matches",
    "warn",
    "warnings_told",
]

log = logging.getLogger("neurosim")
#: Blocks of :func:`warnings_told` that have begun and not ended.
_blocks: list[object] = []

#: Values longer than this are shortened in messages.
_LONGEST_SHOWN = 80


class NeurosimError(Exception):
    """Base class: something the user can mend, said in one line."""


class NeurosimWarning(UserWarning):
    """Something that goes on, and that the user may not want, said in one line."""


class ParameterError(NeurosimError, ValueError):
    """A parameter or option is unknown or out of its range."""


class CircuitError(NeurosimError, ValueError):
    """A circuit description contradicts itself or the back end's abilities."""


class DataError(NeurosimError, ValueError):
    """A data set is unknown, absent, unreadable or does not fit the network."""


class MethodError(NeurosimError, RuntimeError):
    """A method of a system that somebody wrote fails, or returns what no system may."""


class BuildError(NeurosimError, RuntimeError):
    """A circuit could not be turned into a running simulation."""


class RunFolderError(NeurosimError, OSError):
    """A run folder cannot be written, is in use, or holds something else."""


class CheckpointError(NeurosimError, RuntimeError):
    """No usable checkpoint, or one that belongs to other settings."""


class DivergenceError(NeurosimError, ArithmeticError):
    """Learning left the range in which its results mean anything."""


class FigureError(NeurosimError, ValueError):
    """A figure is unknown, or this run or system has nothing to show in it."""


def warn(message: str, stacklevel: int) -> None:
    """Warn in one line: in Python as Python does, on the command line by a message.

    Parameters
    ----------
    message : str
        What goes on, and the way out.
    stacklevel : int
        Whose line Python shows beside it: 1 is the caller's.

    Warns
    -----
    NeurosimWarning
        Unless within :func:`warnings_told`.
    """
    if _blocks:
        log.warning("%s", message)
    else:
        warnings.warn(message, NeurosimWarning, stacklevel=stacklevel + 1)


@contextlib.contextmanager
def warnings_told() -> Iterator[None]:
    """Say neurosim's warnings through its logger, without a line of code beside them.

    Yields
    ------
    None
        For the length of the block.
    """
    _blocks.append(None)
    try:
        yield
    finally:
        _blocks.pop()


def near_matches(name: object, allowed: Iterable[str]) -> str:
    """Phrase listing the allowed names, nearest to ``name`` first.

    Parameters
    ----------
    name : object
        What the user wrote; what is no text is compared as Python prints it.
    allowed : iterable of str
        What would have been understood.

    Returns
    -------
    str
        ``"did you mean 'a'? Allowed: a, b, c"`` or ``"allowed: a, b, c"``; ``"there are none"``
        if nothing would have been.

    Examples
    --------
    >>> near_matches("epsilom", ["epsilon", "g_l"])
    "did you mean 'epsilon'? Allowed: epsilon, g_l"
    """
    names = sorted(allowed)
    if not names:
        return "there are none"
    close = difflib.get_close_matches(str(name), names, n=2, cutoff=0.6)
    close = close or [other for other in names if other.casefold() == str(name).casefold()]
    listing = ", ".join(names)
    if close:
        guesses = " or ".join(repr(guess) for guess in close)
        return f"did you mean {guesses}? Allowed: {listing}"
    return f"allowed: {listing}"


def brief(value: object) -> str:
    """A value for a message, shortened in the middle if it would not fit on a line.

    Parameters
    ----------
    value : object
        What was given.

    Returns
    -------
    str
        As Python writes it, at most 80 characters.
    """
    try:
        text = " ".join(repr(value).split())
    except ValueError:
        # Python does not write out whole numbers of more than 4300 digits
        return f"a {type(value).__name__} of very many digits"
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:30]}...{text[-10:]}"


def counted(number: int, what: str) -> str:
    """A number of things, in the singular for one.

    Parameters
    ----------
    number : int
        How many.
    what : str
        One of them; its plural ends in s.

    Returns
    -------
    str
        For example ``"1 epoch"``, ``"2 epochs"``.

    Examples
    --------
    >>> counted(1, "image"), counted(0, "image"), counted(5000, "image")
    ('1 image', '0 images', '5000 images')
    """
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
