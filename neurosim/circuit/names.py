"""Names that a circuit may use: those that Python, C++ and Brian2 can all take."""

from __future__ import annotations

import keyword
import re

from neurosim.errors import CircuitError

__all__ = [
    "NOISE_FUNCTIONS",
    "RANDOM_FUNCTIONS",
    "RESERVED",
    "check_part_name",
    "check_variable_name",
]

_PART_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")
_VARIABLE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Words of C++ that are none of Python.
_CPP_WORDS = _words(
    "alignas alignof and_eq asm auto bitand bitor bool case catch char char8_t char16_t char32_t "
    "compl concept const const_cast consteval constexpr constinit co_await co_return co_yield "
    "decltype default delete do double dynamic_cast enum explicit export extern false float for "
    "friend goto inline int long mutable namespace new noexcept not_eq nullptr operator or_eq "
    "private protected public register reinterpret_cast requires short signed sizeof static "
    "static_assert static_cast struct switch template this thread_local throw true typedef typeid "
    "typename union unsigned using virtual void volatile wchar_t xor xor_eq"
)
_KEYWORDS = _CPP_WORDS | set(keyword.kwlist)

#: Functions and symbols that draw random numbers in Brian2; circuits may not use them.
RANDOM_FUNCTIONS = frozenset({"rand", "randn", "poisson", "binomial", "xi"})

#: Functions that draw seeded random numbers; see :mod:`neurosim.circuit.noise`.
NOISE_FUNCTIONS = frozenset({"uniform_noise", "normal_noise"})

#: Names that mean something of their own in Brian2's equations.
_BRIAN_WORDS = _words(
    "N N_incoming N_outgoing N_post N_pre abs arccos arcsin arctan boolean ceil clip cos cosh dt "
    "e exp expm1 exprel floor i inf int integer j lastspike lastupdate log log10 log1p "
    "max min not_refractory pi shared sign sin sinh sqrt t t_in_timesteps tan tanh timestep"
)
RESERVED = RANDOM_FUNCTIONS | NOISE_FUNCTIONS | _BRIAN_WORDS


def check_part_name(kind: str, name: str) -> None:
    """Refuse a name of a population, phase, event ... that a back end could not take.

    Parameters
    ----------
    kind : str
        What is named, for the message.
    name : str
        The name.

    Raises
    ------
    CircuitError
        If it is no plain lower-case name, or a word of Python or C++.
    """
    if not _PART_NAME.match(name):
        raise CircuitError(
            f"{kind} name {name!r}: use lower-case letters a-z, digits and _, a letter first "
            "(some back ends fold case)"
        )
    if name in _KEYWORDS:
        raise CircuitError(
            f"{kind} name {name!r} is a word of Python or C++; write {name + '_'!r} instead"
        )


def check_variable_name(owner: str, name: str) -> None:
    """Refuse a name of a variable or parameter that generated code could not take.

    Parameters
    ----------
    owner : str
        What declares it, for the message.
    name : str
        The name.

    Raises
    ------
    CircuitError
        If it has other letters than ASCII ones, begins with an underscore, ends as names
        of cells at the ends of a synapse do, or is a word of Python, C++ or Brian2.
    """
    if not _VARIABLE_NAME.match(name):
        raise CircuitError(
            f"{owner} declares {name!r}; use letters A-Z and a-z, digits and _, a letter first, "
            "such as 'lambda_' for the Greek letter"
        )
    for suffix in ("_pre", "_post"):
        if name.endswith(suffix):
            raise CircuitError(
                f"{owner} declares {name!r}; in synapses {suffix!r} marks a variable of a cell: "
                f"write {name.removesuffix(suffix) + '_' + suffix[1:] + '_'!r} instead"
            )
    language = "Python or C++" if name in _KEYWORDS else "Brian2"
    if name in _KEYWORDS | RESERVED or name.startswith("xi_"):
        raise CircuitError(
            f"{owner} declares {name!r}, which means something else in {language}; write "
            f"{name + '_'!r} instead"
        )
