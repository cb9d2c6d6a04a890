"""Settings of a training run: how they are put together and saved.

Values resolve as command line > configuration file > the system's preset for
the data set > defaults. A saved ``config.toml`` is itself a configuration file.
"""

from __future__ import annotations

import dataclasses
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w

from neurosim.data import (
    DATASETS,
    READING_OPTIONS,
    Dataset,
    DatasetInfo,
    Reading,
    describe_dataset,
    is_own,
    load_dataset,
    short_name,
)
from neurosim.errors import ParameterError, near_matches
from neurosim.learning.named_systems import reference_of, system_named
from neurosim.models import SYSTEMS
from neurosim.runs.checks import check_run
from neurosim.system import Preset, PublishedCurve, System
from neurosim.system.earlier import of_any_version
from neurosim.system.parameters import describe_parameters
from neurosim.system.values import parse_value

__all__ = ["RUN_DEFAULTS", "RunSettings", "read_config_file", "resolve", "settings_from_config"]

#: Run settings and their defaults; None where the preset or the data set decides.
RUN_DEFAULTS: dict[str, Any] = {
    "system": "corinfomax",
    "dataset": "mnist",
    "data_dir": None,
    "hidden": None,
    "epochs": None,
    "train_images": None,
    "test_images": None,
    "seed": 0,
    "backend": "cpp",
    "dtype": "float32",
    "check_output": True,
    "preset_from": None,
    **dict.fromkeys(READING_OPTIONS),
}

#: Whose settings serve for data of one's own, unless another data set is named.
_USUAL_PRESET = "mnist"

#: Tables of a saved configuration that inform the reader and set nothing.
_INFORMATIVE = frozenset({"data", "environment", "preset"})


@dataclasses.dataclass(frozen=True)
class RunSettings:
    """All settings that a training run depends on, resolved.

    Attributes
    ----------
    system : System
        The model with all its parameters.
    dataset : str
        Name of the data set, or path of data of one's own.
    data_dir : Path or None
        Where its files lie; None for the user's cache folder.
    epochs : int
        Passes over the training images in all.
    train_images, test_images : int or None
        How many images to use; None for all.
    seed : int
        Seed of weights, order and nudges.
    backend, dtype : str
        Back end and precision.
    preset : str
        Where the preset values come from, in plain words.
    check_output : bool
        Stop when the output gives one answer to every image.
    preset_from : str or None
        Data set whose settings serve; None for those of ``dataset``, or for data of one's own
        those of MNIST.
    reading : Reading
        How data of one's own are read.
    """

    system: System
    dataset: str
    data_dir: Path | None
    epochs: int
    train_images: int | None
    test_images: int | None
    seed: int
    backend: str
    dtype: str
    preset: str
    check_output: bool = True
    preset_from: str | None = None
    reading: Reading = dataclasses.field(default_factory=Reading)

    @property
    def data_name(self) -> str:
        """Name of the data set for titles and folders."""
        return short_name(self.dataset)

    def data_info(self) -> DatasetInfo:
        """Shape, classes and numbers of images of the data set.

        Returns
        -------
        DatasetInfo
            Of data of one's own: read from the file or folder.

        Raises
        ------
        DataError
            If there is no such data set.
        """
        return describe_dataset(self.dataset, data_dir=self.data_dir, reading=self.reading)

    @property
    def images_per_epoch(self) -> int:
        """Training images shown in one epoch.

        Raises
        ------
        DataError
            If ``train_images`` is None and there is no such data set.
        """
        if self.dataset not in DATASETS and self.train_images is not None:
            return self.train_images
        everything = self.data_info().n_train
        return min(self.train_images or everything, everything)

    def load_data(self) -> Dataset:
        """The images to train and test with.

        Returns
        -------
        Dataset
            As many images as these settings say, chosen by their seed.

        Raises
        ------
        DataError
            If the data set is absent, damaged or holds fewer images.
        """
        return load_dataset(
            self.dataset,
            data_dir=self.data_dir,
            train_images=self.train_images,
            test_images=self.test_images,
            seed=self.seed,
            **self.reading.given(),
        )

    def _preset(self) -> Preset:
        """The preset of these layers and of the method that the parameters choose."""
        names = describe_parameters(self.system)
        source = _preset_of(self.dataset, self.preset_from)
        preset = self.system.preset(source, self.system.layers[1:-1])
        return preset.given({name: getattr(self.system, name) for name in names})

    def changed_parameters(self) -> dict[str, Any]:
        """Parameters of the system that differ from the preset's.

        Returns
        -------
        dict of str to object
            Values by name.
        """
        preset = self._preset()
        defaults = {field.name: field.default for field in dataclasses.fields(self.system)}
        usual = {**defaults, **preset.parameters}
        values = {name: getattr(self.system, name) for name in describe_parameters(self.system)}
        return {
            name: value for name, value in values.items() if _plain(value) != _plain(usual[name])
        }

    def describe_changes(self) -> str:
        """The changed parameters as one line, values as they were understood.

        Returns
        -------
        str
            Such as ``"changed: epsilon = 0.2, mu_ff = (0.1, 0.07)"``; empty if none is.
        """
        changed = ", ".join(
            f"{name} = {value}" for name, value in self.changed_parameters().items()
        )
        return changed and f"changed: {changed}"

    def published(self) -> tuple[PublishedCurve, ...]:
        """Published curves, if these are exactly the settings they were published for."""
        system = self.system
        # a user's changed copy of a system has no published results
        if SYSTEMS.get(system.name) is not type(system) or self.dataset not in DATASETS:
            return ()
        preset = dataclasses.replace(self, preset_from=None)._preset()
        same = type(system)(layers=system.layers, **preset.parameters) == system
        whole = self.images_per_epoch == DATASETS[self.dataset].n_train
        return preset.published if same and whole and self.test_images is None else ()

    def to_config(
        self,
        environment: Mapping[str, str] | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> str:
        """The settings as TOML text that :func:`read_config_file` understands.

        Parameters
        ----------
        environment : mapping of str to str, optional
            Versions, for the reader.
        data : mapping of str to object, optional
            What the data files hold, for the reader; see ``Dataset.notes``.

        Returns
        -------
        str
            Settings that are None are left out.
        """
        run = {
            "system": reference_of(self.system),
            "dataset": self.dataset,
            "data_dir": None if self.data_dir is None else str(self.data_dir),
            "hidden": list(self.system.layers[1:-1]),
            "epochs": self.epochs,
            "train_images": self.train_images,
            "test_images": self.test_images,
            "seed": self.seed,
            "backend": self.backend,
            "dtype": self.dtype,
            "check_output": self.check_output,
            "preset_from": self.preset_from,
            **{name: _plain(value) for name, value in self.reading.given().items()},
        }
        # TOML has no null: the preset or the data set decides settings that are absent
        tables: dict[str, Any] = {name: value for name, value in run.items() if value is not None}
        tables["parameters"] = {
            name: _plain(getattr(self.system, name)) for name in describe_parameters(self.system)
        }
        tables["preset"] = {"source": self.preset}
        if data is not None:
            tables["data"] = dict(data)
        if environment is not None:
            tables["environment"] = dict(environment)
        return tomli_w.dumps(tables)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def read_config_file(path: Path) -> dict[str, Any]:
    """Read a configuration file.

    Parameters
    ----------
    path : Path
        TOML file.

    Returns
    -------
    dict
        Its settings, names checked.

    Raises
    ------
    ParameterError
        If it cannot be read, is not TOML, or names an unknown setting.
    """
    try:
        # some editors begin a file with a byte order mark, which TOML does not know
        given = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ParameterError(f"cannot read {path}: {error.strerror}; check --config") from error
    except (ValueError, RecursionError) as error:
        raise ParameterError(f"{path} is not a TOML file: {error}") from error
    return settings_from_config(given, str(path))


def settings_from_config(given: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Check the names in a parsed configuration and drop its informative tables.

    Parameters
    ----------
    given : mapping
        Parsed TOML.
    source : str
        File name, for messages.

    Returns
    -------
    dict
        Run settings, and the system's parameters under ``"parameters"``.

    Raises
    ------
    ParameterError
        If a name is unknown or the parameters are not a table.
    """
    settings = {name: value for name, value in given.items() if name not in _INFORMATIVE}
    allowed = [*RUN_DEFAULTS, "parameters"]
    for name in settings:
        if name not in allowed:
            raise ParameterError(
                f"{source}: unknown setting {name!r}; {near_matches(name, allowed)} "
                "(parameters of the system stand below [parameters])"
            )
    if not isinstance(settings.get("parameters", {}), Mapping):
        raise ParameterError(
            f"{source}: 'parameters' must be a table, e.g. [parameters] and below it epsilon = 0.3"
        )
    if "environment" in given and "parameters" in settings:
        settings["parameters"] = of_any_version(settings["parameters"])
    return settings


def resolve(
    command_line: Mapping[str, Any], config_file: Mapping[str, Any] | None = None
) -> RunSettings:
    """Put the settings of a run together.

    Parameters
    ----------
    command_line : mapping
        Given settings by the names of :data:`RUN_DEFAULTS` (None: not given), and
        the system's parameters as text or values under ``"parameters"``.
    config_file : mapping, optional
        The same from a configuration file.

    Returns
    -------
    RunSettings
        Resolved and checked.

    Raises
    ------
    ParameterError
        If a value is unknown or out of range.
    DataError
        If the data set is unknown.
    """
    given = {name: value for name, value in command_line.items() if value is not None}
    run = {**RUN_DEFAULTS, **(config_file or {}), **given}
    check_run(run)
    system_class = system_named(run["system"])
    data_dir = _data_dir(run["data_dir"])
    name = _dataset_name(run["dataset"])
    reading = Reading.of({option: run[option] for option in READING_OPTIONS})
    dataset = describe_dataset(name, data_dir=data_dir, reading=reading)
    hidden = None if run["hidden"] is None else tuple(run["hidden"])
    changed = {
        name: parse_value(system_class, name, value)
        for source in (config_file or {}, given)
        for name, value in source.get("parameters", {}).items()
    }
    preset = system_class.preset(_preset_of(name, run["preset_from"]), hidden).given(changed)
    parameters = {**preset.parameters, **changed}
    layers = (dataset.n_inputs, *preset.hidden, dataset.n_classes)
    return RunSettings(
        system=system_class(layers=layers, **parameters),
        dataset=name,
        data_dir=data_dir,
        epochs=preset.epochs if run["epochs"] is None else run["epochs"],
        train_images=run["train_images"],
        test_images=run["test_images"],
        seed=run["seed"],
        backend=run["backend"],
        dtype=run["dtype"],
        preset=preset.source,
        check_output=run["check_output"],
        preset_from=run["preset_from"],
        reading=reading,
    )


def _preset_of(dataset: str, named: str | None) -> str:
    """The data set whose settings serve."""
    return named or (_USUAL_PRESET if is_own(dataset) else dataset)


def _dataset_name(given: str) -> str:
    """A data set's name; a whole path, because a run may be resumed in another folder."""
    return str(Path(given).expanduser().absolute()) if is_own(given) else given


def _data_dir(given: str | Path | None) -> Path | None:
    # absolute, because a run may be resumed in another working folder
    if given is None:
        return None
    folder = os.path.expanduser(given)
    if folder.split(os.sep)[0] == "~":
        raise ParameterError(
            f"data_dir = {str(given)!r}: this user has no home folder; set HOME, or write the "
            "whole path"
        )
    return Path(folder).absolute()
