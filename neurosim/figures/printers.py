"""Brian2 expressions as LaTeX, and as one line of text with Greek letters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from brian2.parsing.sympytools import str_to_sympy
from sympy.printing.latex import LatexPrinter
from sympy.printing.precedence import PRECEDENCE
from sympy.printing.str import StrPrinter

__all__ = ["Printer", "UnicodePrinter", "unicode_name"]


class Printer(LatexPrinter):
    """LaTeX of Brian2 expressions, with the names of a model's symbols.

    Parameters
    ----------
    symbols : dict of str to str
        LaTeX of names that are not spelt by the common rule.
    """

    def __init__(self, symbols: dict[str, str]) -> None:
        super().__init__({"mul_symbol": r"\,"})
        self._symbols = symbols

    def name(self, name: str) -> str:
        """LaTeX of a variable: ``e_B_free_post`` is e with indices B and free, post above.

        Parameters
        ----------
        name : str
            As it stands in the equations.

        Returns
        -------
        str
            Its symbol: the one declared for it, or one made of its parts.
        """
        if name in self._symbols:
            return self._symbols[name]
        stem, _, side = name.rpartition("_")
        if stem and side in ("pre", "post"):
            return rf"{self.name(stem)}^{{\mathrm{{{side}}}}}"
        first, *indices = name.split("_")
        if len(first) > 1 and first not in _GREEK:
            upright = name.replace("_", r"\_")
            return rf"\mathrm{{{upright}}}"
        below = ",".join(_word(index) for index in indices if index)
        return f"{_word(first)}_{{{below}}}" if below else _word(first)

    def _as_ordered_terms(self, expr: Any, order: Any = None) -> list[Any]:
        return _negative_last(super()._as_ordered_terms(expr, order=order))

    def _print_Symbol(self, expr: Any, style: str = "plain") -> str:
        del style
        return self.name(expr.name)

    def _print_Function(self, expr: Any, exp: Any = None) -> str:
        arguments = [self._print(argument) for argument in expr.args]
        name = expr.func.__name__
        if name == "int_":
            text = rf"\left[{arguments[0]}\right]"
        else:
            upright = name.replace("_", r"\_")
            text = rf"\mathrm{{{upright}}}\left({', '.join(arguments)}\right)"
        return text if exp is None else f"{text}^{{{exp}}}"

    def _print_Abs(self, expr: Any, exp: Any = None) -> str:
        text = rf"\left\lvert {self._print(expr.args[0])} \right\rvert"
        return text if exp is None else f"{text}^{{{exp}}}"

    def _print_And(self, expr: Any) -> str:
        return r" \text{ and } ".join(self._clause(part) for part in _sorted(expr.args))

    def _print_Or(self, expr: Any) -> str:
        return r" \text{ or } ".join(self._clause(part) for part in _sorted(expr.args))

    def _clause(self, expr: Any) -> str:
        text = self._print(expr)
        return text if expr.is_Symbol or expr.is_Relational else rf"\left({text}\right)"


def _negative_last(terms: Iterable[Any]) -> list[Any]:
    return sorted(terms, key=lambda term: bool(term.could_extract_minus_sign()))


def _sorted(parts: Iterable[Any]) -> list[Any]:
    """Simple clauses first, then in alphabetical order."""
    return sorted(parts, key=lambda part: (not part.is_Symbol, part.is_Boolean, str(part)))


def _word(text: str) -> str:
    """One part of a name: a Greek letter, a single letter, or an upright word."""
    if text in _GREEK:
        return rf"\{text}"
    return text if len(text) == 1 else rf"\mathrm{{{text}}}"


_GREEK = frozenset(
    ("beta", "gamma", "epsilon", "theta", "lambda", "mu", "tau", "sigma", "kappa", "eta", "delta")
)


class UnicodePrinter(StrPrinter):
    """One line of text with Greek letters, a real minus sign and a centred dot."""

    def _as_ordered_terms(self, expr: Any, order: Any = None) -> list[Any]:
        return _negative_last(super()._as_ordered_terms(expr, order=order))

    def _print_Symbol(self, expr: Any) -> str:
        return unicode_name(expr.name)

    def _print_Function(self, expr: Any) -> str:
        arguments = ", ".join(self._print(argument) for argument in expr.args)
        return f"[{arguments}]" if expr.func.__name__ == "int_" else f"{expr.func}({arguments})"

    def _print_Pow(self, expr: Any, rational: bool = False) -> str:
        base, exponent = expr.base, expr.exp
        if exponent.is_Number and exponent.is_negative:
            return f"1/{self.parenthesize(base**-exponent, PRECEDENCE['Pow'], strict=True)}"
        if exponent.is_Rational and not exponent.is_Integer:
            root: str = super()._print_Pow(expr, rational)
            return root.replace("**", "^")
        below: str = self.parenthesize(base, PRECEDENCE["Pow"])
        if exponent.is_Integer:
            return below + str(exponent).translate(_SUPERSCRIPTS)
        return f"{below}^{self.parenthesize(exponent, PRECEDENCE['Pow'])}"

    def _print_Not(self, expr: Any) -> str:
        return f"not {self._clause(expr.args[0])}"

    def _print_Infinity(self, expr: Any) -> str:
        del expr
        return "∞"

    def _print_And(self, expr: Any) -> str:
        return " and ".join(self._clause(part) for part in _sorted(expr.args))

    def _print_Or(self, expr: Any) -> str:
        return " or ".join(self._clause(part) for part in _sorted(expr.args))

    def _print_Relational(self, expr: Any) -> str:
        return f"{self._print(expr.lhs)} {expr.rel_op} {self._print(expr.rhs)}"

    def _clause(self, expr: Any) -> str:
        text: str = self._print(expr)
        simple = expr.is_Symbol or expr.is_Relational or expr.is_Not
        return text if simple else f"({text})"

    def text(self, code: str) -> str:
        """An expression in Brian2's syntax, as one line.

        Parameters
        ----------
        code : str
            The expression.

        Returns
        -------
        str
            Its text.
        """
        printed: str = self.doprint(str_to_sympy(code))
        for plain, drawn in (("*", "·"), ("-", "−"), ("<=", "≤"), (">=", "≥"), ("!=", "≠")):
            printed = printed.replace(plain, drawn)
        return printed


_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")

_LETTERS = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "eta": "η",
    "theta": "θ", "kappa": "κ", "lambda": "λ", "mu": "μ", "sigma": "σ", "tau": "τ",
}  # fmt: skip


def unicode_name(name: str) -> str:
    """A variable with Greek letters: ``tau_u`` as τ_u.

    Parameters
    ----------
    name : str
        As it stands in the equations.

    Returns
    -------
    str
        One line of text.
    """
    return "_".join(_LETTERS.get(part, part) for part in name.rstrip("_").split("_"))
