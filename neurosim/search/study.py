"""A search with Optuna: a study that can be stopped, gone on with and shared by processes."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import json
import logging
import statistics
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from neurosim.errors import NeurosimError, ParameterError, RunFolderError
from neurosim.runs.computable import check_computable
from neurosim.runs.folder import make_folder, write_result
from neurosim.runs.interrupts import Interrupted, noted_interrupts
from neurosim.runs.provenance import environment
from neurosim.runs.rows import summary_text
from neurosim.runs.settings import RunSettings
from neurosim.search.space import Dimension, parameters_of
from neurosim.search.split import Split, split_training
from neurosim.search.trials import validation_accuracies

__all__ = ["SearchPlan", "require_optuna", "search"]

#: Name of the study in its storage.
_STUDY = "neurosim"
#: Seconds between two signs of life; a trial without one for twice as long is begun anew.
_HEARTBEAT = 30
#: Trials before the first one is pruned, and epochs before one may be.
_PATIENT_TRIALS, _PATIENT_EPOCHS = 4, 1
#: Fewest complete trials from which the importance of settings is estimated.
_TELLING = 4

log = logging.getLogger("neurosim")


@dataclasses.dataclass(frozen=True)
class SearchPlan:
    """What a search tries.

    Attributes
    ----------
    settings : RunSettings
        What it begins with.
    dimensions : tuple of Dimension
        What it varies.
    held : int or None
        Training images to choose by; None for a sixth.
    seeds : int
        Networks of each trial, whose mean counts: the settings' seed and those after it.
    """

    settings: RunSettings
    dimensions: tuple[Dimension, ...]
    held: int | None = None
    seeds: int = 1

    def with_values(self, values: Mapping[str, Any]) -> RunSettings:
        """Settings with the values of a trial.

        Parameters
        ----------
        values : mapping of str to object
            By the names of the dimensions.

        Returns
        -------
        RunSettings
            What the trial trains.

        Raises
        ------
        ParameterError
            If the system does not take them together.
        """
        system = self.settings.system
        changed = dataclasses.replace(system, **parameters_of(system, values))
        return dataclasses.replace(self.settings, system=changed)

    def identity(self) -> dict[str, Any]:
        """What trials must have in common to be compared, as JSON holds it."""
        plain = dataclasses.replace(self.settings, data_dir=None)
        described = {
            "settings": plain.to_config(),
            "dimensions": [dataclasses.asdict(dimension) for dimension in self.dimensions],
            "held": self.held,
            "seeds": self.seeds,
        }
        kept: dict[str, Any] = json.loads(json.dumps(described))
        return kept


def require_optuna() -> None:
    """Raise an error if the package is missing, before anything begins.

    Raises
    ------
    ParameterError
        If ``optuna`` is not installed.
    """
    if importlib.util.find_spec("optuna") is None:
        raise ParameterError(
            "neurosim search needs the package optuna, which is not installed; install it by "
            "pip install -e '.[search]' in the folder of this repository"
        )


def search(
    plan: SearchPlan,
    out: Path,
    *,
    trials: int,
    storage: str | None = None,
    threads: int | None = None,
) -> dict[str, Any]:
    """Try settings until a study has as many finished trials as asked for.

    Parameters
    ----------
    plan : SearchPlan
        What to try. The first trial is that of the settings it begins with.
    out : Path
        Folder for ``best.toml`` and ``search.json``; made if missing.
    trials : int
        Trials in all, those of earlier calls and of other processes included.
    storage : str, optional
        URL of the study; ``out/study.db`` in SQLite by default.
    threads : int, optional
        Threads of the back end; by default one per core.

    Returns
    -------
    dict
        As ``out/search.json``: the best trial, the first one, and all values.

    Raises
    ------
    ParameterError
        If Optuna is not installed, or a number is out of range.
    RunFolderError
        If the study is one of other settings, or cannot be opened.
    Interrupted
        After a signal; the trial under way is begun anew by the next call.
    """
    require_optuna()
    for name, number in (("trials", trials), ("seeds", plan.seeds)):
        if number < 1:
            raise ParameterError(f"--{name} {number}: give 1 or more")
    split = split_training(plan.settings.load_data(), plan.held)
    make_folder(out)
    study = _open(plan, storage or f"sqlite:///{(out / 'study.db').absolute()}")
    if _finished(study) < trials:
        # what no trial can take is refused before the study is bound to these settings
        check_computable(plan.settings, None, threads)
        _bind(study, plan)
    with noted_interrupts() as caught:
        while _finished(study) < trials and not caught:
            study.optimize(lambda trial: _accuracy(trial, plan, split, caught, threads), n_trials=1)
    if caught:
        raise Interrupted(caught[0])
    return _write(study, plan, out)


def _open(plan: SearchPlan, url: str) -> Any:
    """The study, made if absent."""
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    # as a warning it prints the traceback of every error and interrupt that ends a trial
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        storage = _storage(url)
        study = optuna.create_study(
            study_name=_STUDY, storage=storage, load_if_exists=True, direction="maximize"
        )
        identity = study.user_attrs.get("identity")
        begun = len(study.trials)
    except (SQLAlchemyError, ImportError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise RunFolderError(
            f"cannot open the study {url}: {reason}; give another --storage"
        ) from error
    if identity not in (None, plan.identity()):
        raise RunFolderError(
            f"the study {url} is one of other settings, dimensions or images; go on with those, or "
            "give another --out or --storage"
        )
    # what was drawn before an interrupt is not drawn again
    study.sampler = optuna.samplers.TPESampler(seed=plan.settings.seed + begun)
    study.pruner = optuna.pruners.MedianPruner(_PATIENT_TRIALS, _PATIENT_EPOCHS)
    return study


def _bind(study: Any, plan: SearchPlan) -> None:
    """Let a new study be one of this plan; its first trial is that of the plan's own settings."""
    if "identity" not in study.user_attrs:
        study.set_user_attr("identity", plan.identity())
        study.enqueue_trial(_begin(plan), skip_if_exists=True)


def _storage(url: str) -> Any:
    """The database; trials of processes that were killed are begun anew."""
    from optuna import storages
    from optuna.exceptions import ExperimentalWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return storages.RDBStorage(
            url,
            heartbeat_interval=_HEARTBEAT,
            heartbeat_stale_trial_callback=storages.RetryHeartbeatStaleTrialCallback(),
        )


def _begin(plan: SearchPlan) -> dict[str, Any]:
    """Values of the settings that a search begins with, where they can be chosen."""
    return {d.name: d.start for d in plan.dimensions if d.allows(d.start)}


def _finished(study: Any) -> int:
    from optuna.trial import TrialState

    return len(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED)))


def _accuracy(
    trial: Any, plan: SearchPlan, split: Split, caught: list[int], threads: int | None
) -> float:
    """Accuracy in % of the images held out after the last epoch; 0 if nothing was learnt."""
    import optuna

    values = {dimension.name: dimension.suggest(trial) for dimension in plan.dimensions}
    accuracy, epoch = 0.0, 0
    try:
        settings = plan.with_values(values)
        courses = _courses(plan, settings, split, caught, threads)
        for epoch, share in enumerate(courses, start=1):
            accuracy = 100 * share
            trial.report(accuracy, epoch)
            if epoch < settings.epochs and trial.should_prune():
                log.info("trial %d: %.2f %% after epoch %d, pruned", trial.number, accuracy, epoch)
                raise optuna.TrialPruned
    except Interrupted:
        # the next call begins it anew
        trial.study.enqueue_trial(values)
        raise
    except ParameterError as error:
        trial.set_user_attr("refused", str(error))
        log.info("trial %d: refused: %s", trial.number, error)
        return 0.0
    if epoch < settings.epochs:
        trial.set_user_attr("diverged", epoch)
        log.info("trial %d: %s; it counts as 0 %%", trial.number, _failed(trial))
        return 0.0
    log.info("trial %d: %.2f %%", trial.number, accuracy)
    return accuracy


def _courses(
    plan: SearchPlan, settings: RunSettings, split: Split, caught: list[int], threads: int | None
) -> Iterator[float]:
    """Mean accuracy over the seeds of a trial after every epoch, until one has diverged."""
    with contextlib.ExitStack() as stack:
        courses = []
        for number in range(plan.seeds):
            one = dataclasses.replace(settings, seed=settings.seed + number)
            course = validation_accuracies(one, split, caught, threads)
            stack.callback(course.close)
            courses.append(course)
        for shares in zip(*courses, strict=False):
            yield statistics.fmean(shares)


def _write(study: Any, plan: SearchPlan, out: Path) -> dict[str, Any]:
    """Write the best settings, and what all trials gave."""
    from optuna.trial import TrialState

    done = study.get_trials(states=(TrialState.COMPLETE,))
    if not done:
        raise NeurosimError("all trials were pruned; give more --trials")
    learnt = [trial for trial in done if not _failed(trial)]
    if not learnt:
        raise NeurosimError(
            f"none of {len(done)} trials learnt, the first one {_failed(done[0])}; vary other "
            "parameters or bounds by --vary, with another --out or --storage"
        )
    best = max(learnt, key=lambda trial: trial.value)
    first = min(done, key=lambda trial: trial.number)
    settings = plan.with_values(best.params)
    summary = {
        "system": settings.system.name,
        "dataset": settings.dataset,
        "epochs": settings.epochs,
        "best": _trial(best),
        "first": _trial(first),
        "trials": [_trial(trial) for trial in study.get_trials() if trial.state.is_finished()],
        "importances": _importances(study, done),
        "environment": environment(),
    }
    write_result(out / "best.toml", settings.to_config(environment()).encode())
    write_result(out / "search.json", summary_text(summary).encode())
    return summary


def _failed(trial: Any) -> str:
    """Why a complete trial learnt nothing; empty if it did."""
    if "refused" in trial.user_attrs:
        return f"was refused: {trial.user_attrs['refused']}"
    if "diverged" in trial.user_attrs:
        epoch = trial.user_attrs["diverged"] + 1
        return f"diverged, or had a dead output, in epoch {epoch}"
    return ""


def _importances(study: Any, done: list[Any]) -> dict[str, float]:
    """Share of the spread that each dimension explains; empty with too few trials to tell."""
    import optuna

    if len(done) < _TELLING or len({trial.value for trial in done}) < 2:
        return {}
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    found = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {name: float(share) for name, share in found.items()}


def _trial(trial: Any) -> dict[str, Any]:
    return {
        "number": trial.number,
        "state": trial.state.name.lower(),
        "validation_accuracy": trial.value,
        "values": trial.params,
        "epochs": {str(epoch): value for epoch, value in trial.intermediate_values.items()},
    }
