"""Settings and published results of a system, read from ``published/<system>.toml``."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import tomllib
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np

from neurosim.data.registry import DATASETS
from neurosim.errors import DataError, NeurosimError, ParameterError, near_matches
from neurosim.system.file_entries import (
    check_keys,
    is_whole,
    layer_sizes,
    mistake,
    numbers_of,
    table_of,
    text_of,
)
from neurosim.system.parameters import describe_parameters, find_parameter
from neurosim.system.published_curves import PublishedCurve, read_curve
from neurosim.system.table_entries import TableEntry, read_entry
from neurosim.system.values import parse_value

__all__ = [
    "Preset",
    "PresetOption",
    "find_preset",
    "published_file",
    "read_presets",
]

#: Data set whose settings serve where a system has none for the one asked for.
_STAND_IN = "mnist"

_TABLES = ("description", "results", "variants", "presets")
_NEEDED = ("dataset", "hidden", "epochs", "source")
_OPTIONAL = ("batch", "rates", "parameters", "curves", "options", "table")
_OPTION = ("hidden", "epochs", "source", "rates", "parameters", "curves", "table")


@dataclasses.dataclass(frozen=True)
class PresetOption:
    """What a preset changes where a parameter has a value that calls for it.

    Attributes
    ----------
    chosen : mapping of str to object
        Values of parameters, such as a loss, that call for it.
    parameters : mapping of str to object
        Values that replace those of the preset.
    published : tuple of PublishedCurve
        Results published for it.
    hidden : tuple of int, optional
        Hidden layer sizes that replace those of the preset.
    table : TableEntry or None
        What a table of the paper says of it.
    epochs : int, optional
        Length of training that replaces that of the preset.
    source : str, optional
        Where its values come from, if they are not from where those of the preset are.
    """

    chosen: Mapping[str, Any]
    parameters: Mapping[str, Any]
    published: tuple[PublishedCurve, ...] = ()
    hidden: tuple[int, ...] | None = None
    table: TableEntry | None = None
    epochs: int | None = None
    source: str | None = None


@dataclasses.dataclass(frozen=True)
class Preset:
    """Settings of a system for a data set.

    Attributes
    ----------
    hidden : tuple of int
        Hidden layer sizes of the published network.
    epochs : int
        Published (or chosen) length of training.
    parameters : mapping of str to object
        Values of the system's parameters that differ from its defaults.
    source : str
        Where the values come from, in plain words.
    published : tuple of PublishedCurve
        Results published for exactly these settings, if there are any.
    options : tuple of PresetOption
        Settings for other values of a parameter that stands for a method, such as a loss.
    table : TableEntry or None
        What a table of the paper says of exactly these settings.
    """

    hidden: tuple[int, ...]
    epochs: int
    parameters: Mapping[str, Any]
    source: str
    published: tuple[PublishedCurve, ...] = ()
    options: tuple[PresetOption, ...] = ()
    table: TableEntry | None = None

    def given(self, values: Mapping[str, Any]) -> Preset:
        """The preset for a system with some values of its parameters.

        Parameters
        ----------
        values : mapping of str to object
            Parameters that differ from their defaults; others may be there, too.

        Returns
        -------
        Preset
            With the parameters and published results of the options called for.
        """
        made = self
        for option in self.options:
            if all(name in values and values[name] == value
                   for name, value in option.chosen.items()):  # fmt: skip
                parameters = {**made.parameters, **option.chosen, **option.parameters}
                hidden = made.hidden if option.hidden is None else option.hidden
                made = dataclasses.replace(
                    made,
                    hidden=hidden,
                    epochs=made.epochs if option.epochs is None else option.epochs,
                    parameters=parameters,
                    source=made.source if option.source is None else option.source,
                    published=option.published,
                    table=option.table,
                )
        return made


# ------------------------------------------------------------------ choosing


def find_preset(system: type[Any], dataset: str, hidden: tuple[int, ...] | None) -> Preset:
    """The setting of a system for a data set and hidden layers.

    Parameters
    ----------
    system : type[System]
        The system's class.
    dataset : str
        A data set that the system has settings for, or a key of
        :data:`neurosim.data.DATASETS`. For images of your own, name the data set
        whose settings are to serve.
    hidden : tuple of int or None
        Hidden layer sizes; None for those of the main setting.

    Returns
    -------
    Preset
        ``source`` says what was taken from where. Per-layer rates are interpolated
        for a depth without settings of its own.

    Raises
    ------
    DataError
        If there is no such data set.
    ParameterError
        If the system has no settings, or its file has a mistake.
    """
    presets = read_presets(system)
    known = {*presets, *DATASETS}
    if dataset not in known:
        raise DataError(
            f"there is no data set {dataset!r}; {near_matches(str(dataset), known)}; for images of "
            "your own take the preset of one of these"
        )
    family, note = _family(presets, dataset)
    main = family[0]
    if hidden is None:
        return _noted(_unpublished(main) if note else main, note)
    for candidate in family:
        if len(candidate.hidden) == len(hidden):
            same = "" if candidate.hidden == hidden else f", for hidden {candidate.hidden}"
            # a published curve is that of the published network on its own data
            kept = _unpublished(candidate) if same or note else candidate
            kept = _noted(kept, same + note)
            options = tuple(dataclasses.replace(o, hidden=None) for o in kept.options)
            return dataclasses.replace(kept, hidden=hidden, options=options)
    parameters = _for_depth(system, main.parameters, len(hidden) + 2)
    options = tuple(
        PresetOption(
            option.chosen,
            _for_depth(system, option.parameters, len(hidden) + 2),
            epochs=option.epochs,
        )
        for option in main.options
    )
    source = f"interpolated from {main.source}{note}"
    return Preset(hidden, main.epochs, parameters, source, options=options)


def _noted(preset: Preset, note: str) -> Preset:
    """A preset with a note where it, or an option, says where its values are from."""
    options = tuple(
        dataclasses.replace(option, source=option.source and option.source + note)
        for option in preset.options
    )
    return dataclasses.replace(preset, source=preset.source + note, options=options)


def _unpublished(preset: Preset) -> Preset:
    """A preset without the results that belong to another network or other data."""
    bare: dict[str, Any] = {"published": (), "table": None}
    options = tuple(dataclasses.replace(option, **bare) for option in preset.options)
    return dataclasses.replace(preset, **bare, options=options)


def _family(
    presets: Mapping[str, tuple[Preset, ...]], dataset: str
) -> tuple[tuple[Preset, ...], str]:
    """Settings that serve for a data set, the main one first, and a note if they are another's."""
    if dataset in presets:
        return presets[dataset], ""
    other = _STAND_IN if _STAND_IN in presets else next(iter(presets))
    name = "MNIST" if other == "mnist" else other
    return presets[other], f" (none published for {dataset}: those of {name})"


def _for_depth(system: type[Any], given: Mapping[str, Any], layers: int) -> dict[str, Any]:
    """Parameters with as many values per layer as a network of ``layers`` layers needs."""
    infos = describe_parameters(system)
    return {
        name: _interpolated(value, infos[name].counts(layers)[-1])
        if infos[name].per and all(isinstance(item, float) for item in value)
        else value
        for name, value in given.items()
    }


def _interpolated(rates: tuple[float, ...], count: int) -> tuple[float, ...]:
    """``count`` values, linear from the first to the last; for one, the first."""
    if count == 0 or not rates:
        return ()
    positions = np.linspace(0, 1, count) if count > 1 else np.zeros(1)
    return tuple(np.interp(positions, np.linspace(0, 1, len(rates)), rates).tolist())


# ------------------------------------------------------------------ reading


def published_file(system: type[Any]) -> tuple[Path, type[Any]]:
    """Where the settings and published results of a system are.

    Parameters
    ----------
    system : type[System]
        The system's class.

    Returns
    -------
    path : Path
        ``published/<name>.toml`` beside the file that defines the class, or, if there is
        none, the file of the nearest class it is derived from.
    owner : type[System]
        The class the file belongs to.

    Raises
    ------
    ParameterError
        If neither the class nor one it is derived from has such a file.
    """
    missing = []
    owner: type[Any]
    for owner in system.__mro__:
        if not isinstance(getattr(owner, "name", None), str):
            continue
        try:
            folder = Path(inspect.getfile(owner)).parent
        except (OSError, TypeError):
            # the class was typed into a terminal or a notebook
            continue
        path = folder / "published" / f"{owner.name}.toml"
        if path.is_file():
            return path, owner
        missing.append(str(path))
    raise ParameterError(
        f"{system.__name__} has no presets; write them into {' or '.join(missing) or 'a file'}, or "
        f"define {system.__name__}.preset"
    )


def read_presets(system: type[Any]) -> dict[str, tuple[Preset, ...]]:
    """All settings of a system.

    Parameters
    ----------
    system : type[System]
        The system's class.

    Returns
    -------
    dict of str to tuple of Preset
        By data set, each in the order of the file: the main setting first.

    Raises
    ------
    ParameterError
        If there is no file, or it has a mistake; the message names file and key.
    """
    path, owner = published_file(system)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ParameterError(f"{path} cannot be read: {error}") from error
    return dict(_parse_presets(cast(Hashable, owner), path, text))


# lists of rows ask for the presets of all systems again and again; a changed file is another text
@functools.lru_cache(maxsize=64)
def _parse_presets(owner: type[Any], path: Path, text: str) -> Mapping[str, tuple[Preset, ...]]:
    try:
        tables = tomllib.loads(text)
    except ValueError as error:
        raise ParameterError(f"{path} cannot be read: {error}") from error
    check_keys(f"{path}", tables, (), _TABLES)
    found: dict[str, tuple[Preset, ...]] = {}
    entries = tables.get("presets", [])
    if not isinstance(entries, list) or not entries:
        raise ParameterError(f"{path}: presets = {entries!r}: write at least one [[presets]] table")
    for number, entry in enumerate(entries, start=1):
        where = f"{path}, preset {number}"
        check_keys(where, entry, _NEEDED, _OPTIONAL)
        dataset = text_of(where, "dataset", entry)
        found[dataset] = (*found.get(dataset, ()), _read_preset(where, owner, entry))
    return found


def _read_preset(where: str, owner: type[Any], entry: Mapping[str, Any]) -> Preset:
    hidden = layer_sizes(where, entry)
    _check_whole(where, entry)
    source = text_of(where, "source", entry)
    parameters = {
        **({"batch": entry["batch"]} if "batch" in entry else {}),
        **_rates(where, owner, table_of(where, "rates", entry), entry.get("batch", 1)),
        **_parameters(where, owner, table_of(where, "parameters", entry)),
    }
    try:
        # every check of the system, in a network of this depth
        owner(layers=(1, *hidden, 1), **parameters)
    except NeurosimError as error:
        raise ParameterError(f"{where}: {error}") from error
    curves = entry.get("curves", [])
    if not isinstance(curves, list):
        raise mistake(where, "curves", curves, "[[presets.curves]] tables")
    published = tuple(
        read_curve(f"{where}, curve {number}", curve)
        for number, curve in enumerate(curves, start=1)
    )
    options = tuple(
        _read_option(f"{where}, option {number}", owner, given, entry)
        for number, given in enumerate(entry.get("options", []), start=1)
    )
    table = read_entry(where, entry.get("table"))
    return Preset(hidden, entry["epochs"], parameters, source, published, options, table)


def _read_option(
    where: str, owner: type[Any], given: Mapping[str, Any], entry: Mapping[str, Any]
) -> PresetOption:
    check_keys(where, given, ("with",), _OPTION)
    hidden = layer_sizes(where, given) if "hidden" in given else None
    _check_whole(where, given)
    chosen = _parameters(where, owner, table_of(where, "with", given))
    parameters = {
        **_rates(where, owner, table_of(where, "rates", given), entry.get("batch", 1)),
        **_parameters(where, owner, table_of(where, "parameters", given)),
    }
    try:
        owner(layers=(1, *(hidden or entry["hidden"]), 1), **{**chosen, **parameters})
    except NeurosimError as error:
        raise ParameterError(f"{where}: {error}") from error
    curves = (
        read_curve(f"{where}, curve {number}", curve)
        for number, curve in enumerate(given.get("curves", []), start=1)
    )
    table = read_entry(where, given.get("table"))
    source = text_of(where, "source", given) if "source" in given else None
    return PresetOption(
        chosen, parameters, tuple(curves), hidden, table, given.get("epochs"), source
    )


def _check_whole(where: str, given: Mapping[str, Any]) -> None:
    for key in ("epochs", "batch"):
        if not is_whole(given.get(key, 1)):
            raise mistake(where, key, given[key], "a whole number of 1 or more")


def _rates(
    where: str, owner: type[Any], given: Mapping[str, Any], batch: int
) -> dict[str, tuple[float, ...]]:
    """Rates per image: the published rate multiplies the mean over a batch."""
    made = {}
    for name, values in given.items():
        try:
            per_layer = find_parameter(owner, name).per
        except ParameterError as error:
            raise ParameterError(f"{where}, rates: {error}") from error
        if not per_layer:
            raise ParameterError(f"{where}: rates.{name} is no per-layer parameter")
        made[name] = tuple(rate / batch for rate in numbers_of(where, f"rates.{name}", values))
    return made


def _parameters(where: str, owner: type[Any], given: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return {name: parse_value(owner, name, value) for name, value in given.items()}
    except ParameterError as error:
        raise ParameterError(f"{where}: {error}") from error
