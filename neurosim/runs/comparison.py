"""A table of groups of runs: accuracy, time, spikes, SynOps and angles, over seeds."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from neurosim.runs.groups import Group, Spread

__all__ = ["comparison_markdown", "published_angles", "published_curve"]

#: In a cell of the table: there is no such value.
_NONE = "-"

_COLUMNS = (
    "system",
    "network",
    "seeds",
    "epochs",
    "test accuracy, %",
    "published, %",
    "train accuracy, %",
    "ms per image",
    "graded spikes per image",
    "SynOps per image",
    "dense MACs per SynOp",
    "angle, degrees",
    "published angle, degrees",
)


def comparison_markdown(groups: Sequence[Group]) -> str:
    """A table of groups, one line each, in Markdown.

    Parameters
    ----------
    groups : sequence of Group
        From :func:`load_groups`.

    Returns
    -------
    str
        Means ± standard deviations over seeds, after the last common epoch of
        each group. A published value is one of the same epoch; ``-`` where there is none.
    """
    lines = [
        "| " + " | ".join(_COLUMNS) + " |",
        "| --- | --- | " + " | ".join(["---:"] * (len(_COLUMNS) - 2)) + " |",
    ]
    return "\n".join([*lines, *("| " + " | ".join(_cells(group)) + " |" for group in groups)])


def published_curve(group: Group, quantity: str = "test_accuracy") -> dict[float, float]:
    """Points of a published curve; none unless the settings are the published ones.

    Parameters
    ----------
    group : Group
        Runs of one experiment.
    quantity : str
        See :class:`neurosim.system.PublishedCurve`.

    Returns
    -------
    dict of float to float
        Accuracy in %, or angle in degrees, by epoch; parts of an epoch are possible.
    """
    published = group.settings.published()
    curves = [curve for curve in published if curve.quantity == quantity]
    return {epoch: value for curve in curves for epoch, value in curve.points.items()}


def published_angles(group: Group) -> dict[float, float]:
    """Published weight angles, averaged over layers as the measured ones are.

    Parameters
    ----------
    group : Group
        Runs of one experiment.

    Returns
    -------
    dict of float to float
        Angle in degrees by epoch, where it is published for every layer that has one.
    """
    pairs = group.settings.system.feedback_pairs()
    curves = [published_curve(group, pair.name) for pair in pairs]
    if not curves:
        return {}
    common = [epoch for epoch in curves[0] if all(epoch in curve for curve in curves)]
    return {epoch: statistics.fmean(curve[epoch] for curve in curves) for epoch in common}


def _cells(group: Group) -> list[str]:
    def percent(name: str) -> str:
        return Spread.of([100 * value for value in group.values(name, group.epochs)]).text()

    per_synop = [
        macs / max(synops, 1)
        for macs, synops in zip(
            group.values("dense_macs_per_image", group.epochs),
            group.values("synops_per_image", group.epochs),
            strict=True,
        )
    ]

    def published(points: Mapping[float, float], form: str) -> str:
        # only a value of the same epoch: nothing is interpolated
        return format(points[group.epochs], form) if group.epochs in points else _NONE

    return [
        group.label,
        "-".join(map(str, group.settings.system.layers)),
        str(len(group.rows)),
        str(group.epochs),
        percent("test_accuracy"),
        published(published_curve(group), ".2f"),
        percent("train_accuracy"),
        group.spread("ms_per_image").text(".3f"),
        group.spread("graded_spikes_per_image").text(".0f"),
        group.spread("synops_per_image").text(".0f"),
        Spread.of(per_synop).text(".1f"),
        group.spread("angle_degrees").text(".1f") if group.has_angles() else _NONE,
        published(published_angles(group), ".1f"),
    ]
