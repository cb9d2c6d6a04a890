"""Connect to the scheduler of a cluster, or start one with workers here or as jobs of Slurm."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import re
import shutil
import signal
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from neurosim.errors import NeurosimError, ParameterError
from neurosim.runs.cluster import Cluster

__all__ = ["open_cluster"]

#: Longest wait for a scheduler that does not answer.
_CONNECT_SECONDS = 5.0

log = logging.getLogger("neurosim")


@contextlib.contextmanager
def open_cluster(
    where: str, *, jobs: int | None = None, threads: int | None = None, stretch: int | None = None
) -> Iterator[Cluster]:
    """Connect to a scheduler, or start one with workers.

    Parameters
    ----------
    where : str
        ``"local"``: workers on this machine; ``"slurm"``: workers as jobs of Slurm; or the
        address of a scheduler that is running, such as ``"tcp://host:8786"``.
    jobs : int, optional
        Most runs at one time; by default as many as there is room for.
    threads : int, optional
        Threads of each run, one by default.
    stretch : int, optional
        Epochs of a task; a tenth of the run by default.

    Yields
    ------
    Cluster
        Connected; what was started ends with the block.

    Raises
    ------
    ParameterError
        If a package or a command is missing, ``where`` is none of these, or a number is
        below 1.
    NeurosimError
        If no scheduler answers.
    """
    for name, number in (("jobs", jobs), ("threads", threads), ("stretch", stretch)):
        if number is not None and number < 1:
            raise ParameterError(f"--{name} {number}: give a whole number of 1 or more")
    _check(where)
    # what the library reports of lost connections is told here in one line
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    with contextlib.ExitStack() as stack:
        started = _STARTERS[where](threads or 1) if where in _STARTERS else None
        if started is not None:
            stack.callback(_close, started)
        client = _connect(started or where)
        stack.callback(_close, client)
        if where == "local":
            client.register_plugin(_deaf_to_interrupts())
        if client.dashboard_link:
            log.info("dashboard of the cluster: %s", client.dashboard_link)
        yield Cluster(client, started, jobs=jobs, threads=threads or 1, stretch=stretch)


def _check(where: str) -> None:
    """Refuse what cannot be meant, and what cannot be used here."""
    if where not in _STARTERS and not re.fullmatch(r"(\w+://)?\S+:\d+", where):
        raise ParameterError(
            f"--cluster {where}: give local, slurm, or the address of a Dask scheduler, such as "
            "tcp://host:8786"
        )
    needed = ["distributed", *(["dask_jobqueue"] if where == "slurm" else [])]
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        raise ParameterError(
            f"--cluster {where} needs {' and '.join(missing)}, which is not installed; install it "
            "by pip install -e '.[cluster]' in the folder of this repository"
        )
    if where == "slurm":
        absent = [name for name in ("sbatch", "scancel") if shutil.which(name) is None]
        if absent:
            raise ParameterError(
                f"--cluster slurm needs the commands of Slurm, and {' and '.join(absent)} is not "
                "found here; call it on a machine that submits jobs, or give the address of a "
                "scheduler"
            )


def _connect(to: Any) -> Any:
    from distributed import Client

    try:
        return Client(to, timeout=_CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise NeurosimError(
            f"no Dask scheduler answers at {to} within {_CONNECT_SECONDS:g} s; is it running "
            "(dask scheduler), and can this machine reach it?"
        ) from error


def _local(threads: int) -> Any:
    """No workers yet: they come when it is known how many runs there are."""
    from distributed import LocalCluster

    del threads
    return LocalCluster(
        n_workers=0,
        threads_per_worker=1,
        processes=True,
        memory_limit=0,
        dashboard_address=":0",
        silence_logs=logging.CRITICAL,
    )


def _slurm(threads: int) -> Any:
    """Jobs as the user's configuration of dask-jobqueue says, or else of one worker each."""
    import dask
    from dask_jobqueue import SLURMCluster

    given = {name: dask.config.get(f"jobqueue.slurm.{name}", None) for name in ("cores", "memory")}
    own = {"cores": threads, "memory": f"{4 * threads}GB"}
    return SLURMCluster(
        **{name: own[name] for name, value in given.items() if value is None},
        # a worker does one task at a time, which may have several threads
        **({"worker_extra_args": ["--nthreads", "1"]} if given["cores"] is None else {}),
        death_timeout=300,
        scheduler_options={"dashboard_address": ":0"},
    )


#: What starts a cluster, by the word that asks for it.
_STARTERS: dict[str, Callable[[int], Any]] = {"local": _local, "slurm": _slurm}


def _close(opened: Any) -> None:
    with contextlib.suppress(Exception), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        opened.close()


def _deaf_to_interrupts() -> Any:
    """Ctrl-C reaches the workers of a terminal's job, too; who waits for them tells them."""
    from distributed import WorkerPlugin

    class Deaf(WorkerPlugin):
        name = "neurosim-interrupts"

        def setup(self, worker: Any) -> None:
            del worker
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGINT, signal.SIG_IGN)

    return Deaf()
