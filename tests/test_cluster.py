"""Runs on a cluster of Dask: whatever is killed, nothing is lost and the results are the same."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import (
    DIGITS,
    call,
    ended,
    is_running,
    lines_of,
    metrics_of,
    position_of,
    refusal,
    started,
    surroundings,
    wait_until,
    weights_of,
    without_timings,
)

from neurosim.errors import NeurosimError, ParameterError, RunFolderError
from neurosim.runs import cluster as module
from neurosim.runs import stretches
from neurosim.runs.cluster import Cluster
from neurosim.runs.cluster_opening import open_cluster
from neurosim.runs.locks import take_lock
from neurosim.runs.planned import PlannedRun
from neurosim.runs.stretches import Mark, Outcome, run_command, train_stretch

needs_dask = pytest.mark.skipif(
    importlib.util.find_spec("distributed") is None,
    reason="distributed is not installed: pip install -e '.[cluster]'",
)

EPOCHS, STRETCH = 24, 12
#: Workers take their time to start on a machine that is busy.
PATIENCE = 240.0

#: A scheduler whose workers end with it.
HOST = """
import sys, time
from distributed import LocalCluster
if __name__ == "__main__":
    cluster = LocalCluster(n_workers=int(sys.argv[1]), threads_per_worker=1, memory_limit=0,
                           dashboard_address=None, silence_logs=50)
    print(cluster.scheduler_address, flush=True)
    time.sleep(600)
"""


@contextlib.contextmanager
def hosted(folder: Path, workers: int) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A scheduler with workers, as a program of its own."""
    (folder / "host.py").write_text(HOST)
    process = subprocess.Popen(
        [sys.executable, "-P", str(folder / "host.py"), str(workers)],
        stdout=subprocess.PIPE,
        text=True,
        env=surroundings({}),
        cwd=folder,
    )
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of seed 3 on this machine."""
    out = tmp_path_factory.mktemp("local")
    options = ("--epochs", EPOCHS, "--seed", 3, "--out", out / "seed-3", "--quiet")
    assert call(*DIGITS, *options).status == 0
    return out


def assert_same(folder: Path, other: Path) -> None:
    weights, wanted = weights_of(folder), weights_of(other)
    assert weights.keys() == wanted.keys()
    for name, array in wanted.items():
        np.testing.assert_array_equal(array, weights[name], err_msg=name)
    rows, expected = metrics_of(folder), metrics_of(other)
    assert len(rows) == len(expected)
    for row, one in zip(rows, expected, strict=True):
        assert without_timings(row) == without_timings(one)


def workers_of(address: str) -> list[int]:
    """Process numbers of the workers."""
    from distributed import Client

    with Client(address, set_as_default=False) as client:
        return list(client.run(os.getpid).values())


# What is killed --------------------------------------------------------------------------------


@needs_dask
def test_a_killed_client_and_a_killed_worker_lose_nothing(local: Path, tmp_path: Path) -> None:
    """Guards runs that begin anew, and folders that are never free again."""
    out = tmp_path / "run"
    run = out / "seed-3"
    with hosted(tmp_path, 2) as (_, address):
        options = ("--epochs", EPOCHS, "--seeds", 3, "--cluster", address, "--stretch", STRETCH)
        with started(*DIGITS, *options, "--out", out, "--quiet") as client:
            wait_until(lambda: lines_of(run / "metrics.jsonl") > 0, client, PATIENCE)
            client.kill()
            client.wait()
        # the stretch under way comes to its end, and no other one begins

        def kill_its_worker() -> None:
            deadline = time.monotonic() + PATIENCE
            while lines_of(run / "metrics.jsonl") < STRETCH + 2:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            holder = (run / ".lock").read_text().strip()
            worker = int(Path(f"/proc/{holder}/stat").read_text().rpartition(") ")[2].split()[1])
            killed.append(worker)
            os.kill(worker, signal.SIGKILL)

        killed: list[int] = []
        workers = workers_of(address)
        killer = threading.Thread(target=kill_its_worker)
        killer.start()
        resumed = call("train", "--resume", out, "--cluster", address, "--stretch", STRETCH)
        killer.join()
        assert resumed.status == 0, resumed.err
        assert {*killed} < {*workers}
    assert f"{out.name}/seed-3: ended after epoch {EPOCHS}" in resumed.err
    log = (run / "log.txt").read_text()
    # the second stretch was cut short by the end of its worker
    assert log.count("resumed in epoch") >= 2
    assert log.count("stopping after the images under way") == 1
    assert_same(run, local / "seed-3")
    # the client that was killed has left its mark; the other one has not
    assert len([*out.glob(".cluster-*")]) == 1


@pytest.mark.slow
@needs_dask
def test_a_killed_scheduler_is_told_and_loses_nothing(local: Path, tmp_path: Path) -> None:
    """Guards a wait for ever for a scheduler that is gone."""
    out = tmp_path / "run"
    run = out / "seed-3"
    with hosted(tmp_path, 1) as (host, address):

        def kill() -> None:
            deadline = time.monotonic() + PATIENCE
            while lines_of(run / "metrics.jsonl") < 2 and time.monotonic() < deadline:
                time.sleep(0.01)
            host.kill()

        killer = threading.Thread(target=kill)
        killer.start()
        options = ("--epochs", EPOCHS, "--seeds", 3, "--cluster", address, "--out", out)
        failed = call(*DIGITS, *options, "--stretch", EPOCHS, "--quiet")
        killer.join()
    assert failed.status == 2
    assert "the connection to the scheduler is lost" in failed.complaint
    # the process of the worker writes its checkpoint and lets the folder go
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            os.close(take_lock(run))
            break
        except RunFolderError:
            assert time.monotonic() < deadline, "it goes on for nobody"
            time.sleep(0.05)
    assert (0, 0) < position_of(run) < (EPOCHS, 0)
    assert call("train", "--resume", run, "--quiet").status == 0
    assert_same(run, local / "seed-3")


@pytest.mark.slow
@needs_dask
def test_an_interrupt_reaches_workers_once_and_every_run_is_saved(tmp_path: Path) -> None:
    """Guards workers that end with Ctrl-C before their runs are saved, and go on after it."""
    out = tmp_path / "run"
    options = ("--epochs", 5000, "--seeds", 3, "--cluster", "local", "--jobs", 1, "--out", out)
    with started(*DIGITS, *options) as process:
        wait_until(lambda: lines_of(out / "seed-3" / "metrics.jsonl") > 1, process, PATIENCE)
        holder = int((out / "seed-3" / ".lock").read_text())
        # as a terminal does: everyone in the foreground gets the signal
        os.killpg(process.pid, signal.SIGINT)
        result = ended(process, PATIENCE)
    assert result.status == 128 + signal.SIGINT, result.err
    assert result.complaint.endswith(f"neurosim train --resume {out}")
    assert "dashboard of the cluster: http" in result.err
    assert not is_running(holder)
    assert position_of(out / "seed-3") > (1, 0)
    assert "stopping after the images under way" in (out / "seed-3" / "log.txt").read_text()
    assert not [*out.glob(".cluster-*")]


@pytest.mark.slow
@needs_dask
@pytest.mark.skipif(
    importlib.util.find_spec("dask_jobqueue") is None,
    reason="dask-jobqueue is not installed: pip install -e '.[cluster]'",
)
def test_workers_are_jobs_of_slurm(tmp_path: Path, monkeypatch: Any) -> None:
    """Guards options that dask-jobqueue does not take; sbatch here starts the job at once."""
    commands = tmp_path / "bin"
    commands.mkdir()
    (commands / "sbatch").write_text(
        f'#!/bin/sh\ncp "$1" {tmp_path}/job.sh\n'
        f'setsid sh {tmp_path}/job.sh >/dev/null 2>&1 &\necho "Submitted batch job $!"\n'
    )
    (commands / "scancel").write_text('#!/bin/sh\nkill -TERM -- "-$1"\n')
    for file in commands.iterdir():
        file.chmod(0o755)
    monkeypatch.setenv("PATH", f"{commands}:{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "run"
    how = (*DIGITS, "--epochs", 2, "--quiet", "--out")
    assert call(*how, tmp_path / "local", "--seed", 3).status == 0
    done = call(*how, out, "--seeds", 3, "--cluster", "slurm")
    assert done.status == 0, done.err
    assert_same(out / "seed-3", tmp_path / "local")
    job = (tmp_path / "job.sh").read_text()
    assert "--nthreads 1" in job
    assert "#SBATCH --cpus-per-task=1" in job


@pytest.mark.slow
@needs_dask
@pytest.mark.skipif(
    importlib.util.find_spec("optuna") is None,
    reason="optuna is not installed: pip install -e '.[search]'",
)
def test_workers_share_the_trials_of_a_search(tmp_path: Path) -> None:
    """Guards a study that the worker takes for another one, and trials done twice."""
    out, given = tmp_path / "out", ("--dataset", "digits", "--hidden", 20, "--set", "mu_fb=0.02")
    limits = ("--trials", 2, "--epochs", 1, "--train-images", 300, "--validation", 100)
    where = ("--cluster", "local", "--jobs", 1, "--out", out)
    done = call("search", *given, *limits, "--vary", "mu_ff=0.01:0.1", *where)
    assert done.status == 0, done.err
    found = json.loads((out / "search.json").read_text())
    assert [trial["number"] for trial in found["trials"]] == [0, 1]
    assert "of the images held out" in done.out
    # the trials were the worker's
    assert "trial 0:" not in done.err
    asked = ("search", "--dataset", "digits")
    assert "needs --storage" in refusal(*asked, "--cluster", "tcp://127.0.0.1:9")
    assert "give --cluster local as well" in refusal(*asked, "--jobs", 2)


@pytest.mark.slow
@needs_dask
def test_workers_train_the_systems_of_a_comparison(tmp_path: Path) -> None:
    """Guards systems that wait for each other, or are trained here."""
    what = ("compare", "--systems", "bp,fa", "--seeds", 1, "--dataset", "digits", "--hidden", 20)
    limits = ("--epochs", 2, "--train-images", 200)
    here, there = tmp_path / "here", tmp_path / "there"
    assert call(*what, *limits, "--out", here).status == 0
    done = call(*what, *limits, "--out", there, "--cluster", "local", "--jobs", 2)
    assert done.status == 0, done.err
    assert (there / "comparison.md").exists()
    for name in ("bp", "fa"):
        assert_same(there / name / "seed-0", here / name / "seed-0")


# Mistakes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--seeds", "1", "--cluster", "nowhere"], "give local, slurm, or the address of a Dask"),
        (["--seeds", "1", "--stretch", "2"], "--stretch is for runs on a cluster"),
        (["--cluster", "local"], "--cluster is for several runs; give --seeds as well"),
        (["--seeds", "1", "--until", "2"], "--until is for one run"),
        (["--until", "0"], "--until 0: give an epoch of 1 or more"),
        (["--until", "3", "--epochs", "2"], "--until 3: the run ends after epoch 2"),
        (["--seeds", "1", "--cluster", "local", "--stretch", "0"], "--stretch 0: give a whole"),
    ],
)
def test_mistakes_are_told_in_one_line(options: list[str], complaint: str, tmp_path: Path) -> None:
    assert complaint in refusal(*DIGITS, *options, "--out", tmp_path / "run")
    assert not (tmp_path / "run" / "seeds.json").exists()


@needs_dask
def test_a_scheduler_that_does_not_answer_is_named_within_seconds(tmp_path: Path) -> None:
    begin = time.monotonic()
    options = ("--seeds", "1", "--cluster", "tcp://127.0.0.1:9", "--out", tmp_path / "run")
    assert "no Dask scheduler answers at tcp://127.0.0.1:9" in refusal(*DIGITS, *options)
    assert time.monotonic() - begin < 30
    assert not (tmp_path / "run").exists()


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *a: None if name.startswith(("distributed", "dask")) else found(name, *a),
    )
    with pytest.raises(ParameterError, match=r"needs distributed, .*pip install -e '.\[cluster\]'"):
        open_cluster("local").__enter__()
    with pytest.raises(ParameterError, match="needs distributed and dask_jobqueue"):
        open_cluster("slurm").__enter__()


def test_commands_of_slurm_that_are_missing_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: object())
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(ParameterError, match="sbatch and scancel is not found here"):
        open_cluster("slurm").__enter__()


# The shared folder -----------------------------------------------------------------------------


def test_a_worker_that_does_not_see_the_folder_does_nothing(tmp_path: Path) -> None:
    """Guards runs written to another machine's disk, where nobody goes on with them."""
    mark = Mark(tmp_path / "mark", "session")
    run = PlannedRun(tmp_path, 3, 5)
    absent = train_stretch(mark, run, 1)
    assert absent.refused
    assert f"does not see the folder {tmp_path}" in absent.failure
    (tmp_path / "mark").write_text("another session")
    assert run_command(mark, ("--version",)).refused
    mark.write()
    assert mark.complaint() == ""
    other = Mark(mark.file, "session", version="0.0.1")
    assert "and this is 0.0.1; install the same version" in other.complaint()
    assert not (tmp_path / "seed-3").exists()


class Answering:
    """A client whose workers answer as they are told to."""

    def __init__(self, *answers: object) -> None:
        self.answers = answers
        self.status = "running"

    def run(self, *given: object, **how: object) -> dict[str, object]:
        """What every worker says."""
        return {f"tcp://worker:{n}": answer for n, answer in enumerate(self.answers)}

    def nthreads(self) -> dict[str, int]:
        """A thread for each."""
        return dict.fromkeys(map(str, self.answers), 1)


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        ("the worker on b does not see the folder", "does not see the folder"),
        (ModuleNotFoundError("No module named 'neurosim'"), "cannot load neurosim"),
    ],
)
def test_blind_workers_are_refused_before_anything_begins(
    answer: object, complaint: str, tmp_path: Path
) -> None:
    blind = Cluster(Answering("", answer))
    with pytest.raises(NeurosimError, match=complaint):
        blind.run(["--version"], 1, tmp_path)
    assert not [*tmp_path.iterdir()]


class Done:
    """A task that has ended."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        self.status = "finished"

    def done(self) -> bool:
        """Always."""
        return True

    def result(self) -> Outcome:
        """As given."""
        return self.outcome


def test_tasks_that_never_get_further_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards a run that is begun again and again, for ever."""
    monkeypatch.setattr(module, "_POLL_SECONDS", 0.0)
    begun: list[Any] = []
    ended_with: list[Outcome] = []

    def submit(item: Any) -> Done:
        begun.append(item)
        # it gets further twice, and then no more
        return Done(Outcome("host", epochs=min(len(begun), 3)))

    one = Cluster(Answering())
    one._follow(["run"], submit, lambda item, outcome: ended_with.append(outcome), lambda: None)
    assert len(begun) == 3 + 5
    assert "stopped 5 times on its worker" in ended_with[0].failure


def test_a_folder_that_another_process_holds_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards a task that fails because the process of a lost worker still saves its run."""
    (tmp_path / "seed-3").mkdir()
    held = take_lock(tmp_path / "seed-3")
    free = threading.Timer(0.5, os.close, [held])
    free.start()
    begin = time.monotonic()
    stretches._wait_for(tmp_path / "seed-3", "session")
    assert time.monotonic() - begin > 0.4
    held = take_lock(tmp_path / "seed-3")
    monkeypatch.setattr(stretches, "PATIENCE_SECONDS", 0.3)
    with pytest.raises(RunFolderError, match="is in use by another process"):
        stretches._wait_for(tmp_path / "seed-3", "session")
    os.close(held)


def test_a_stretch_ends_at_its_epoch_and_goes_on(tmp_path: Path) -> None:
    """Guards schedules and results that depend on where a run was cut."""
    cut, whole = tmp_path / "cut", tmp_path / "whole"
    options = (*DIGITS, "--epochs", 3, "--quiet", "--out")
    assert call(*options, cut, "--until", 1).status == 0
    assert (len(metrics_of(cut)), position_of(cut)) == (1, (1, 0))
    assert call("train", "--resume", cut, "--until", 2, "--quiet").status == 0
    assert len(metrics_of(cut)) == 2
    assert call("train", "--resume", cut, "--quiet").status == 0
    assert call(*options, whole).status == 0
    assert_same(cut, whole)
