"""Pieces of generated code as C++ statements: what is read, computed and written back."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from brian2.codegen.generators.cpp_generator import c_data_type
from brian2.core.variables import Constant
from brian2.groups.neurongroup import NeuronGroup
from brian2.parsing.rendering import CPPNodeRenderer

from neurosim.backends.cpp.fields import Fields
from neurosim.backends.cpp.pieces import Access, Block, Piece

__all__ = [
    "LOOP",
    "ONE_LANE",
    "cpp_function",
    "cpp_head",
    "cpp_lines",
    "cpp_names",
    "cpp_namespace",
    "cpp_read",
    "cpp_text",
    "cpp_unread",
    "cpp_value",
]


def cpp_value(fields: Fields, access: Access) -> str:
    """Where a variable's value lies, as C++.

    Parameters
    ----------
    fields : Fields
        Arrays of the program; those used are added.
    access : Access
        A variable and its index.

    Returns
    -------
    str
        An expression.
    """
    variable = access.variable
    if variable.name == "i" and isinstance(variable.owner, NeuronGroup):
        return f"(int32_t){access.index}"
    if variable.name in ("_synaptic_pre", "_synaptic_post"):
        side = "pre" if variable.name == "_synaptic_pre" else "post"
        return f"(int32_t)_{side}synaptic_idx"
    return f"{fields.place(variable)}[{access.index}]"


def cpp_read(access: Access, value: str, *, constant: bool = True) -> str:
    """A local C++ variable that starts from a value.

    Parameters
    ----------
    access : Access
        The variable it stands for.
    value : str
        An expression.
    constant : bool
        Whether the statements leave it as it is.

    Returns
    -------
    str
        A declaration.
    """
    return f"{'const ' * constant}{c_data_type(access.variable.dtype)} {access.name} = {value};"


def cpp_lines(
    fields: Fields, block: Block, value: Callable[[Access], str] | None = None
) -> list[str]:
    """A block as C++: what it reads, computes and writes back.

    Parameters
    ----------
    fields : Fields
        Arrays of the program; those used are added.
    block : Block
        Statements.
    value : callable, optional
        Where the value of an access lies; default: :func:`cpp_value`.

    Returns
    -------
    list of str
        C++ statements.
    """
    place = value or (lambda access: cpp_value(fields, access))
    written = {access.name for access in block.writes}
    lines = [cpp_read(a, place(a), constant=a.name not in written) for a in block.reads]
    lines += cpp_unread(block)
    lines += [step.code for step in block.steps]
    return lines + [f"{place(a)} = {a.name};" for a in block.writes]


def cpp_names(*blocks: Block) -> list[tuple[str, str]]:
    """What blocks read and compute.

    Parameters
    ----------
    *blocks : Block
        Statements.

    Returns
    -------
    list of (str, str)
        Names with their C++ types: all that is read, then all that is computed.
    """
    read = [(a.name, c_data_type(a.variable.dtype)) for block in blocks for a in block.reads]
    return read + [(step.target, step.declares) for block in blocks for step in block.steps]


def cpp_unread(block: Block) -> list[str]:
    """Declare what a block writes without reading it.

    Parameters
    ----------
    block : Block
        Statements.

    Returns
    -------
    list of str
        C++ declarations.
    """
    read = {access.name for access in block.reads}
    return [
        f"{c_data_type(access.variable.dtype)} {access.name};"
        for access in block.writes
        if access.name not in read
    ]


def cpp_head(fields: Fields, piece: Piece) -> list[str]:
    """Constants, and the statements that run once before a loop.

    Parameters
    ----------
    fields : Fields
        Arrays of the program; those used are added.
    piece : Piece
        Statements of Brian2.

    Returns
    -------
    list of str
        C++ statements.
    """
    render = CPPNodeRenderer()
    constants = [
        f"const {c_data_type(value.dtype)} {name} = {render.render_expr(repr(value.value))};"
        for name, value in sorted(piece.variables.items())
        if isinstance(value, Constant)
    ]
    return constants + cpp_lines(fields, piece.scalar)


def cpp_text(lines: Iterable[str]) -> str:
    """Lines as one text, without the empty ones.

    Parameters
    ----------
    lines : iterable of str
        May hold empty ones.

    Returns
    -------
    str
        Joined by line feeds.
    """
    return "\n".join(line for line in lines if line)


def cpp_function(name: str, piece: Piece, arguments: str, lines: Iterable[str]) -> str:
    """A C++ function in a namespace of its own, beside the support code of its piece.

    Parameters
    ----------
    name : str
        Name of the namespace; the function is ``run``.
    piece : Piece
        Statements of Brian2.
    arguments : str
        C++ parameters.
    lines : iterable of str
        The body.

    Returns
    -------
    str
        A C++ function.
    """
    body = f"static inline void run({arguments}) {{\n{cpp_text(lines)}\n}}"
    return cpp_namespace(name, piece, body)


def cpp_namespace(name: str, piece: Piece, text: str) -> str:
    """C++ in a namespace of its own, beside the support code of its piece.

    Parameters
    ----------
    name : str
        Name of the namespace.
    piece : Piece
        Statements of Brian2.
    text : str
        C++ functions.

    Returns
    -------
    str
        C++.
    """
    support = "\n".join(piece.support)
    return f"namespace {name} {{\n{support}\n{text} }}\n"


ONE_LANE = "const Shared& S, Lane& L"
LOOP = "#pragma GCC ivdep"
