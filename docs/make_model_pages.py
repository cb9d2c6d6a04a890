"""Write ``docs/models/<system>.md`` and ``docs/equations.md`` from what the models say.

    python docs/make_model_pages.py

No equation is typed a second time: the page is made from the very strings that
run (a system's circuit), from their comments, which carry the paper's equation
numbers, from the declared parameters, and from the head of the model's file.
``tests/test_docs.py`` fails when a page is out of date.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from brian2.equations.equations import DIFFERENTIAL_EQUATION

from neurosim.circuit import MOMENTS, Circuit, Event, Pathway, Population, Projection
from neurosim.data import DATASETS
from neurosim.figures.formulas import (
    Line,
    Printer,
    alike,
    comment_of,
    equation_block,
    latex_text,
    like_projections,
    math_block,
    printer_for,
    read_equations,
    render_equations,
    statement,
    system_comments,
)
from neurosim.models import SYSTEMS
from neurosim.system import System
from neurosim.system.parameters import allowed_text, describe_parameters

FOLDER = Path(__file__).parent / "models"

#: Other choices of a system's options that give other equations, in words.
VARIANTS: dict[str, tuple[tuple[str, dict[str, Any]], ...]] = {
    "corinfomax": (
        (
            'Output conductance as printed in the paper, `output_apical="nudge"`',
            {"output_apical": "nudge"},
        ),
        (
            "Leaky dendrites, `tau_basal > 0` and `tau_apical > 0`",
            {"tau_basal": 5.0, "tau_apical": 5.0},
        ),
    ),
    "corinfomax-sparse": (
        ('Unit simplex, `domains=("simplex",)`', {"domains": ("simplex",)}),
        ('B_1, `domains=("sparse",)`', {"domains": ("sparse",)}),
        ('B_inf (antisparse), `domains=("antisparse",)`', {"domains": ("antisparse",)}),
        (
            'A mixed feature set, `domains=(("mixed", 2, (0, 1), (1, 2)),)`',
            {"domains": (("mixed", 2, (0, 1), (1, 2)),)},
        ),
        (
            "Leaky dendrites, `tau_basal > 0` and `tau_apical > 0`",
            {"tau_basal": 5.0, "tau_apical": 5.0},
        ),
    ),
}


#: What a system is about, in a few sentences.
DESCRIPTIONS = {
    "corinfomax": """\
Every layer of pyramidal cells predicts the layer above through feedforward
synapses and the layer below through feedback synapses. Two sets of synapses
learn two predictions, so no synapse needs the weight of another: there is no
weight transport. The soma of a cell sits between a basal dendrite, which
carries the prediction from below, and an apical dendrite, which carries the
prediction from above, the cell's autapse and the inhibition of its SST
interneuron. The rate minus the basal potential is the forward prediction error,
the rate minus the top-down input the backward one; for a cell that is neither
silent nor saturated the first is soma minus basal dendrite. A synapse contrasts
error times presynaptic rate at the end of the nudged phase with the same product
at the end of the free phase.

![The circuit](../images/circuit.svg)
""",
    "ep": """\
A layered network of leaky integrators with an energy. Every synapse between two
layers carries signal both ways: up with the weight, down with the same weight. In
the free phase the network sees the image alone and relaxes towards a minimum of the
energy. In the nudged phase the output is also drawn a little towards the target, or
away from it when the sign of the nudge is negative, and the network relaxes again. A
synapse contrasts the product of its two cells' rates at the ends of the phases; in the
limit of a small nudge this is the gradient of the cost
([measured here](../gradient-checks.md)). Biases are synapses from one cell of rate 1.

![The circuit](../images/circuit-ep.svg)
""",
    "corinfomax-sparse": """\
The circuit of [CorInfoMax](corinfomax.md) for other sets of rates. One inhibitory
interneuron per constraint integrates by how much its layer exceeds the bound,
and inhibits all its cells alike: its output is the Lagrange multiplier of the
constraint. Each layer may have a domain of its own (`domains`).

![The circuit](../images/circuit-sparse.svg)
""",
    "corinfomax-sparse-enforced": """\
The circuit of [corinfomax-sparse](corinfomax-sparse.md), which has all domains, with
fast interneurons and a free phase so long that the constraints hold at its end. The
picture is that of corinfomax-sparse, whose phases are shorter.

![The circuit](../images/circuit-sparse.svg)
""",
}

#: The system in plain NumPy, where there is one.
REFERENCES = {
    "corinfomax": "numpy/corinfomax.py",
    "corinfomax-sparse": "numpy/corinfomax_sparse.py",
    "corinfomax-sparse-enforced": "numpy/corinfomax_sparse.py",
    "ep": "numpy/ep.py",
}

#: What a system reaches here, and the commands that measured it.
RESULTS = {
    "corinfomax-sparse": """\
### MNIST

784-500-10, test accuracy in % after an epoch; here mean and standard deviation of seeds
0, 1 and 2, online, single precision; published are means of ten seeds at batch 20.

| epoch | 1 | 5 | 10 |
| --- | --- | --- | --- |
| published | 94.25 | 97.12 | 97.52 |
| neurosim, event threshold 0.0001 (default) | 94.21 ± 0.36 | 96.98 ± 0.17 | 97.42 ± 0.06 |

```sh
neurosim train --system corinfomax-sparse --epochs 10 --seeds 0 1 2
```

The constraint of the hidden layer has no effect: its l1 norm, seed 0, is 81 on average
after one epoch, 101 after five and 129 after ten (47 to 246 over the test images), the
multiplier q about 0.002.

```sh
python -m benchmarks.constraints --system corinfomax-sparse --dataset mnist
```

The event threshold matters more than in CorInfoMax, since rates move little in four
nudged steps. At 0.001 the hidden rates grow faster, and after ten epochs seeds 0, 1 and 2
reach 96.75, 87.79 and 96.88 %:

```sh
neurosim train --system corinfomax-sparse --epochs 10 --seeds 0 1 2 --set event_threshold=0.001
```

At 0.0001 networks learn as exact signals do: seed 1 reaches 97.45 % after ten epochs, and
97.48 % at threshold 0:

```sh
neurosim train --system corinfomax-sparse --epochs 10 --seed 1 --set event_threshold=0
```

### Fashion-MNIST

As above, for Fashion-MNIST:

| epoch | 1 | 2 | 3 | 5 | 10 |
| --- | --- | --- | --- | --- | --- |
| published | 76.75 | 80.92 | 82.10 | 84.49 | 86.49 |
| neurosim | 75.03 ± 4.20 | 78.17 ± 4.56 | 82.62 ± 3.48 | 85.31 ± 0.29 | 85.63 ± 1.17 |

```sh
neurosim train --system corinfomax-sparse --dataset fashion-mnist --epochs 10 --seeds 0 1 2
```

In some seeds an output cell stays silent for the first epochs. CIFAR-10 was not run here.

### Digits

64-100-10, ten epochs: 93.6 %.

```sh
neurosim train --system corinfomax-sparse --dataset digits --epochs 10
```
""",
    "corinfomax-sparse-enforced": """\
### MNIST and Fashion-MNIST

784-500-10, settings chosen here (for MNIST; Fashion-MNIST has them too), test accuracy in %:

| epoch | 1 | 2 | 3 | 5 |
| --- | --- | --- | --- | --- |
| MNIST, seeds 0, 1 and 2 | 93.82 ± 0.15 | 94.32 ± 0.16 | 94.33 ± 0.26 | 94.35 ± 0.25 |
| Fashion-MNIST, seed 0 | 79.97 | 81.37 | 80.73 | 81.10 |

The constraint holds: after five epochs of MNIST (seed 0) the hidden l1 norm is 1.000 on
average (0.97 to 1.00), all test images are within 5 % of the bound, q is 6.4, and 1.6 % of
the hidden cells are active. A layer of so few active cells is what the bound asks for; it
costs three points against the published settings, whose bound has no effect.

```sh
neurosim train --system corinfomax-sparse-enforced --seeds 0 1 2
neurosim train --system corinfomax-sparse-enforced --dataset fashion-mnist
python -m benchmarks.constraints --system corinfomax-sparse-enforced --dataset mnist --epochs 1 5
```

Two things decide whether it learns. The burst at the onset of an image drives q beyond what
is needed and silences the layer for a while. With a fast interneuron (tau_q_hidden = 3 ms)
and a free phase of 100 ms the layer is still on its way back when the nudge begins. As it
seems, learning takes this drift for an effect of the nudge, weights grow, and the next burst
is larger: 86 % of the test images are right after 10 000 training images, 36 % after 20 000,
and in the end nearly all hidden cells are silent. And the output layer learns from squares
of small rates, so its learning rate is large. Learning rates that stay as they are end in the
same way some epochs later (with a decay of 0.9 per epoch, seed 0 reaches 94.05 % after two
epochs and diverges in the fifth); with half the rate
in each epoch the network settles before that.

```sh
neurosim train --system corinfomax-sparse-enforced --set decay=0.9
```

### Fashion-MNIST

As above, for Fashion-MNIST:

| epoch | 1 | 2 | 3 | 5 | 10 |
| --- | --- | --- | --- | --- | --- |
| published | 76.75 | 80.92 | 82.10 | 84.49 | 86.49 |
| neurosim | 75.03 ± 4.20 | 78.17 ± 4.56 | 82.62 ± 3.48 | 85.31 ± 0.29 | 85.63 ± 1.17 |

```sh
neurosim train --system corinfomax-sparse --dataset fashion-mnist --epochs 10 --seeds 0 1 2
```

In some seeds an output cell stays silent for the first epochs. CIFAR-10 was not run here.

### Digits

64-100-10, ten epochs: 90.0 %, with all hidden l1 norms between 0.98 and 1.02.

```sh
python -m benchmarks.constraints --system corinfomax-sparse-enforced --epochs 10
```
""",
    "ep": """\
Test accuracy in % after an epoch; here means of seeds 0, 1 and 2, online, event
threshold 0.001, single precision; published are means of ten seeds at batch 20.

| epoch | 1 | 2 | 3 | 5 | 10 |
| --- | --- | --- | --- | --- | --- |
| MNIST, published | 95.21 | 96.37 | 96.81 | 97.19 | 97.52 |
| MNIST, neurosim | 95.52 | 96.58 | 96.66 | 97.06 | 97.53 |
| Fashion-MNIST, published | 83.19 | 84.50 | 85.73 | 85.89 | 86.90 |
| Fashion-MNIST, neurosim | 83.17 | 84.83 | 85.26 | 86.32 | 86.56 |

```sh
neurosim train --system ep --epochs 10 --seeds 0 1 2
neurosim train --system ep --dataset fashion-mnist --epochs 10 --seeds 0 1 2
```

The standard deviation over seeds is 1.56 after one epoch of Fashion-MNIST and 0.34 after
ten. CIFAR-10 was not run here.

An image takes about half as long as in CorInfoMax, 0.50 and 0.42 of its time when measured
twice on one core: there are 24 steps instead of 40, no lateral weights and fewer
events. CorInfoMax's own times are on the page about [performance](../performance.md).

```sh
neurosim train --epochs 1
neurosim train --system ep --epochs 1
```

What the event threshold trades, MNIST, seed 0, second epoch. A dense simulation of the
same network needs 9.66 million multiply-accumulates per image.

| event threshold | test accuracy, % | graded spikes per image | synaptic operations per image |
| --- | --- | --- | --- |
| 0 (exact) | 96.24 | 4153 | 123 900 |
| 0.001 (default) | 96.44 | 2299 | 104 600 |
| 0.003 | 96.31 | 1865 | 99 900 |
| 0.01 | 96.02 | 1282 | 92 600 |
| 0.03 | 96.02 | 841 | 86 200 |
| 0.1 | 96.04 | 500 | 81 300 |

```sh
neurosim train --system ep --epochs 2 --event-threshold 0.01
```

Seven tenths of the operations at the default are the image itself, sent once. In this
seed the default loses nothing, and 0.01 to 0.1 lose 0.2 points.

Online or in batches, the same network in NumPy, test accuracy in %. MNIST, seed 0, after
epochs 1 and 2: 95.66 and 96.42 with batches of 20, against 95.35 and 96.44 online (the
compiled network above). On the digits, means of five seeds after epochs 1, 2, 5 and 10:
75.1, 88.7, 93.8 and 96.4 with batches of 20, against 90.8, 93.2, 95.7 and 95.7 online: 72
updates an epoch are few at first.

```sh
python -m benchmarks.ep_batches --dataset mnist --batches 20 --epochs 2
python -m benchmarks.ep_batches --epochs 10 --seeds 0 1 2 3 4
```
""",
}

# ---------------------------------------------------------------- markdown


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def code(text: str) -> str:
    """Text as code, several statements on one line."""
    joined = "; ".join(line.strip() for line in text.strip().splitlines())
    return f"`{joined}`" if joined else ""


def formula(text: str) -> str:
    """Inline mathematics."""
    return f"${text}$" if text else ""


def _names(populations: Sequence[Population]) -> str:
    return ", ".join(f"`{population.name}`" for population in populations)


# ---------------------------------------------------------------- the head of the model's file


def docstring_sections(module: ModuleType) -> dict[str, str]:
    """Sections of a module's docstring by heading; the first line under ``""``."""
    text = inspect.cleandoc(module.__doc__ or "")
    parts = re.split(r"^(\S.*)\n-{3,}\n", text, flags=re.M)
    sections = {"": parts[0].strip()}
    sections.update(zip(parts[1::2], (part.strip() for part in parts[2::2]), strict=True))
    return sections


def _symbol_table(section: str) -> str:
    """The reStructuredText table of symbols as a markdown table, and the words after it."""
    lines = section.splitlines()
    if not lines:
        return ""
    rules = [number for number, line in enumerate(lines) if line.startswith("===")]
    columns = [match.span() for match in re.finditer("=+", lines[rules[0]])]

    def cells(line: str) -> list[str]:
        last = len(columns) - 1
        return [
            line[start : None if n == last else stop]
            .strip()
            .replace("|", r"\|")
            .replace(r"\_", "_")
            for n, (start, stop) in enumerate(columns)
        ]

    body = [cells(line) for line in lines[rules[1] + 1 : rules[2]]]
    words = "\n".join(lines[rules[2] + 1 :]).strip()
    return f"{table(cells(lines[rules[0] + 1]), body)}\n\n{words}"


def _paragraph(text: str) -> str:
    return text.replace("``", "`")


# ---------------------------------------------------------------- sections


def _overview(circuit: Circuit) -> str:
    populations = table(
        ("population", "cells", "what"),
        ((f"`{p.name}`", str(p.size), p.role) for p in circuit.populations),
    )
    projections = table(
        ("projection", "from", "to", "wiring", "learns", "what"),
        (
            (
                f"`{p.name}`",
                f"`{p.source}`",
                f"`{p.target}`",
                p.wiring.replace("_", " "),
                "yes" if p.plastic else "no",
                p.role,
            )
            for p in circuit.projections
        ),
    )
    phases = ", then ".join(f"**{p.name}** ({p.steps * circuit.dt:g} ms)" for p in circuit.phases)
    return (
        f"The circuit for layers of the default sizes. One cycle shows one image: {phases}, in "
        f"steps of {circuit.dt:g} ms.\n\n{populations}\n\n{projections}"
    )


_SOURCES = (
    "Numbers of equations and sections are the paper's; *code* marks what only the code "
    "behind the published numbers says."
)


def _equations(circuit: Circuit, printer: Printer) -> str:
    words = r"In these formulas $[\,\cdot\,]$ is 1 where the condition in it holds and 0 elsewhere."
    numbered = any("eq. " in population.equations for population in circuit.populations)
    parts = [f"{words} {_SOURCES}" if numbered else words]
    for group in alike(circuit.populations):
        block = equation_block(read_equations(group[0].equations), printer)
        parts.append(f"### {group[0].role} ({_names(group)})\n\n{block}")
    return "\n\n".join(parts)


def _variants(system: type[System], printer: Printer) -> str:
    parts = []
    usual = {p.name: set(read_equations(p.equations)) for p in system().circuit().populations}
    for title, options in VARIANTS.get(system.name, ()):
        parts.append(f"### {title}")
        for group in alike(system(**options).circuit().populations):
            changed = [
                line
                for line in read_equations(group[0].equations)
                if line.expression and line not in usual.get(group[0].name, set())
            ]
            if changed:
                parts.append(f"{group[0].role}:\n\n{equation_block(changed, printer)}")
    return "\n\n".join(parts)


def _synapses(circuit: Circuit, printer: Printer, comments: dict[str, str]) -> str:
    parts = []
    for projections in like_projections(circuit.projections):
        first = projections[0]
        names = ", ".join(f"`{p.name}`" for p in projections)
        rows = [row for p in first.pathways for row in _pathway_rows(p, printer, comments)]
        parts.append(f"### {first.role} ({names})\n\n{math_block(rows)}")
        parts.append(
            "\n".join(
                f"- *{pathway.name}*, on `{pathway.event}` of the "
                f"{'source' if pathway.side == 'pre' else 'target'}: {code(pathway.code)}"
                f"{_rest_of_comment(comment_of(pathway.code, comments))}"
                for pathway in first.pathways
            )
        )
    return "\n\n".join(parts)


def _rest_of_comment(comment: str) -> str:
    _, found, rest = comment.partition(", with ")
    return f", with `{rest}`" if found else ""


def _pathway_rows(pathway: Pathway, printer: Printer, comments: dict[str, str]) -> list[str]:
    """One row per statement; the equation number stands beside the last, the rest below."""
    rows = []
    for written in filter(str.strip, pathway.code.splitlines()):
        name, _, rest = statement(written, printer).partition(" ")
        rows.append(f"{name} &{rest}")
    note = comment_of(pathway.code, comments).partition(", with ")[0]
    if note:
        rows[-1] += rf" && \text{{{latex_text(note)}}}"
    return rows


def _events(circuit: Circuit) -> str:
    rows = []
    for group in alike(circuit.populations):
        for event in group[0].events:
            rows.append(
                (
                    _names(group),
                    f"`{event.name}`" + (" (counted)" if event.counted else ""),
                    f"`{event.moment}`",
                    code(event.condition),
                    code(event.action),
                )
            )
    moments = "\n".join(f"- `{name}`: {words}" for name, words in MOMENTS.items())
    head = ("population", "event", "moment", "when", "what the cell does")
    return f"{table(head, rows)}\n\nThe moments of a time step, in order:\n\n{moments}"


def _parameters(system: type[System]) -> str:
    defaults = {field.name: field.default for field in dataclasses.fields(system)}
    rows = []
    for name, info in describe_parameters(system).items():
        value = defaults[name]
        shown = _plain(value).replace(",", ", ") if isinstance(value, tuple) else f"{value}"
        allowed = allowed_text(value, info)
        rows.append((f"`{name}`", formula(info.symbol), f"`{shown}`", info.unit, allowed, info.doc))
    return table(("parameter", "symbol", "default", "unit", "allowed", "meaning"), rows)


def _state_variables(circuit: Circuit, printer: Printer) -> str:
    parts = []
    for group in alike(circuit.populations):
        rows = []
        for line in read_equations(group[0].equations):
            if "constant" in line.flags or (line.expression and line.kind != DIFFERENTIAL_EQUATION):
                continue
            writers = "; ".join(_writers(circuit, group[0], line))
            symbol = formula(printer.name(line.name))
            rows.append((f"`{line.name}`", symbol, line.unit, line.comment, writers))
        head = ("variable", "symbol", "unit", "meaning", "changed by")
        parts.append(f"### {group[0].role} ({_names(group)})\n\n{table(head, rows)}")
    return "\n\n".join(parts)


def _writers(circuit: Circuit, population: Population, line: Line) -> list[str]:
    """What changes a variable of a population: its equation, events, synapses or a link."""
    writers = []
    if line.kind == DIFFERENTIAL_EQUATION:
        writers.append("its differential equation")
    if line.name in population.links:
        other, variable = population.links[line.name]
        writers.append(f"read from `{other}.{variable}`")
    writers += [f"event `{e.name}`" for e in population.events if _assigns(e, line.name)]
    for projection in circuit.projections:
        for pathway in projection.pathways:
            ends = {"post": projection.target, "pre": projection.source}
            writers += [
                f"synapses `{projection.name}`"
                for end, name in ends.items()
                if name == population.name and f"{line.name}_{end} +=" in pathway.code
            ]
    return writers


def _assigns(event: Event, name: str) -> bool:
    return any(re.match(rf"\s*{name}\s*[-+*/]?=", text) for text in event.action.splitlines())


def _receives_and_sends(circuit: Circuit) -> str:
    rows = []
    for population in circuit.populations:
        comes = [
            f"`{projection.name}` from `{sender}`: {code(pathway.code)}"
            for projection in circuit.projections
            for pathway, sender, receiver in _signals(projection)
            if receiver == population.name
        ]
        comes += [
            f"`{name}(cycle_time, i)`, anew in every cycle"
            for name in _inputs_read(circuit, population)
        ]
        goes = [
            f"`{pathway.event}` through `{projection.name}`"
            for projection in circuit.projections
            for pathway, sender, _ in _signals(projection)
            if sender == population.name
        ]
        links = [
            f"`{other.name}.{variable}` reads `{name}`"
            for other in circuit.populations
            for variable, (source, name) in other.links.items()
            if source == population.name
        ]
        rows.append((f"`{population.name}`", "<br>".join(comes), "<br>".join(goes + links)))
    return table(("population", "receives", "sends"), rows)


def _signals(projection: Projection) -> list[tuple[Pathway, str, str]]:
    """Pathways that carry signal, each with its sender and its receiver."""
    ends = (projection.source, projection.target)
    return [
        (pathway, *(ends if pathway.side == "pre" else ends[::-1]))
        for pathway in projection.pathways
        if not pathway.learns
    ]


def _inputs_read(circuit: Circuit, population: Population) -> list[str]:
    text = " ".join(event.action for event in population.events) + population.equations
    return [item.name for item in circuit.inputs if f"{item.name}(" in text]


def _presets(system: type[System]) -> str:
    rows = []
    for dataset in DATASETS:
        preset = system.preset(dataset)
        values = ", ".join(
            f"`{name}={_plain(value)}`" for name, value in sorted(preset.parameters.items())
        )
        hidden = "-".join(map(str, preset.hidden))
        rows.append((f"`{dataset}`", hidden, str(preset.epochs), values, preset.source))
    head = ("data set", "hidden", "epochs", "differs from the defaults by", "source")
    return table(head, rows)


def _plain(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(item if isinstance(item, str) else f"{item:g}" for item in value)
    return f"{value:g}" if isinstance(value, float) else f"{value}"


# ---------------------------------------------------------------- the page


def render(system: type[System]) -> str:
    """The page of one system.

    Parameters
    ----------
    system : type[System]
        A system from ``models/``.

    Returns
    -------
    str
        Markdown.
    """
    module = inspect.getmodule(system)
    assert module is not None
    head = docstring_sections(module)
    circuit = system().circuit()
    printer = printer_for(system)
    file = f"models/{Path(inspect.getfile(system)).name}"
    reference = REFERENCES.get(system.name)
    sections = {
        "Short description": head[""],
        "Description": f"{DESCRIPTIONS.get(system.name, '')}\n{_overview(circuit)}".strip(),
        "Equations of the cells": _equations(circuit, printer),
        "Variants": _variants(system, printer),
        "Synapses and learning": _synapses(circuit, printer, system_comments(system)),
        "Events": _events(circuit),
        "Parameters": _parameters(system),
        "Symbols": _paragraph(_symbol_table(head.get("Symbols", ""))),
        "State variables": _state_variables(circuit, printer),
        "Receives and sends": _receives_and_sends(circuit),
        "Presets": _presets(system),
        "Results": RESULTS.get(system.name, ""),
        "Differences from the paper": _paragraph(head.get("Differences from the paper", "")),
        "References": _paragraph(head.get("Citation", system.citation)),
        "See also": (
            f"- [`{file}`](../../{file}): the strings this page is made of\n"
            + (
                f"- [`models/{reference}`](../../models/{reference}): the same in plain NumPy\n"
                if reference
                else ""
            )
            + "- [Gradient checks](../gradient-checks.md)\n"
            "- [Write your own learning rule](../write-your-own-rule.md)\n"
            "- [Architecture](../architecture.md)"
        ),
    }
    body = "\n\n".join(f"## {title}\n\n{text}" for title, text in sections.items() if text)
    return (
        f"<!-- made by docs/make_model_pages.py from {file}; do not edit -->\n\n"
        f"# {system.name}: {system.title}\n\n{body}\n"
    )


def render_all_equations() -> str:
    """The page of the equations of all systems: Markdown, as ``neurosim equations`` prints it."""
    parts = [
        "<!-- made by docs/make_model_pages.py from models/; do not edit -->",
        "# Equations",
        f"The equations that run, made from the strings in `models/`. {_SOURCES} "
        "`neurosim equations SYSTEM` prints them, with `--format latex` or "
        r"`--format unicode` in other forms. $[\,\cdot\,]$ is 1 where the condition in it holds "
        "and 0 elsewhere; *on* names the event at which synapses act.",
    ]
    for name, system in SYSTEMS.items():
        parts.append(f"## {name}\n\n{system.title}; {system.citation}. [All about it]"
                     f"(models/{name}.md)")  # fmt: skip
        parts.append(render_equations(system, "markdown"))
    return "\n\n".join(parts) + "\n"


def main() -> None:
    """Write the pages of all systems."""
    FOLDER.mkdir(exist_ok=True)
    (FOLDER.parent / "equations.md").write_text(render_all_equations(), encoding="utf-8")
    for name, system in SYSTEMS.items():
        (FOLDER / f"{name}.md").write_text(render(system), encoding="utf-8")


if __name__ == "__main__":
    main()
