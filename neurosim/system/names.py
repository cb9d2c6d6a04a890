"""Names that equations, generated C++ and Python can all take."""

from __future__ import annotations

import keyword
import re

from neurosim.errors import ParameterError

__all__ = ["check_name"]

#: Words of C++ that are no words of Python; a variable of this name does not compile.
_CPP = (
    "alignas alignof and_eq asm auto bitand bitor bool case catch char char8_t char16_t "
    "char32_t co_await co_return co_yield compl concept const const_cast consteval constexpr "
    "constinit decltype default delete do double dynamic_cast enum explicit export extern "
    "false float friend goto inline int long mutable namespace new noexcept not_eq nullptr "
    "operator or_eq private protected public register reinterpret_cast requires short signed "
    "sizeof static static_assert static_cast struct switch template this thread_local throw "
    "true typedef typeid typename union unsigned using virtual void volatile wchar_t xor xor_eq"
)
_CPP_WORDS = frozenset(_CPP.split())
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def check_name(owner: str, name: str) -> None:
    """Refuse a name that equations or generated code cannot take.

    Parameters
    ----------
    owner : str
        Class that declares it, for the message.
    name : str
        Name of a parameter.

    Raises
    ------
    ParameterError
        If it is a word of Python or C++, or has other characters than ASCII letters,
        digits and ``_``, or does not begin with a letter.
    """
    if keyword.iskeyword(name) or name in _CPP_WORDS:
        language = "Python" if keyword.iskeyword(name) else "C++"
        raise ParameterError(
            f"{owner}.{name}: {name!r} is a word of {language} and cannot name a parameter; "
            f"write {name}_"
        )
    if not _PLAIN.fullmatch(name):
        raise ParameterError(
            f"{owner}.{name}: a parameter's name is made of the letters a to z and A to Z, digits "
            f"and _, and begins with a letter; write it out, e.g. alpha, and give the paper's "
            "symbol as the third argument of parameter()"
        )
