"""A run folder has one writer, overwrites no run and says why it cannot write."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurosim
from neurosim.errors import RunFolderError
from neurosim.files import temporary_path
from neurosim.learning.checkpoint import Checkpoint, save_checkpoint
from neurosim.runs import provenance
from neurosim.runs.folder import RunFolder, default_run_folder
from neurosim.runs.provenance import environment

ROOT = Path(__file__).resolve().parents[1]
START = datetime(2026, 1, 31, 14, 25, 1)
needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished run of two epochs."""
    with RunFolder.create(tmp_path / "run") as folder:
        folder.write_config('system = "corinfomax"\n')
        folder.write_metrics([{"epoch": 1}, {"epoch": 2}])
    return tmp_path / "run"


def message_of(action: Callable[[], object]) -> str:
    """The text of the error that an action ends in."""
    with pytest.raises(RunFolderError) as caught:
        action()
    return str(caught.value)


def test_write_and_read_back(tmp_path: Path) -> None:
    """Guards settings and metrics being written other than they were given."""
    with RunFolder.create(tmp_path / "a" / "b") as folder:
        assert folder.path == tmp_path / "a" / "b"
        assert folder.log_file == folder.path / "log.txt"
        assert folder.read_metrics() == []
        folder.write_config('seed = 3\nname = "µ"\n')
        folder.append_metrics({"epoch": 1, "accuracy": 0.1 + 0.2, "note": None})
        folder.append_metrics({"epoch": 2})
        folder.write_summary({"best": 1})
    assert folder.read_config() == {"seed": 3, "name": "µ"}
    assert folder.read_metrics() == [
        {"epoch": 1, "accuracy": 0.1 + 0.2, "note": None},
        {"epoch": 2},
    ]
    assert (folder.path / "summary.json").read_text() == '{\n  "best": 1\n}\n'
    assert not list(folder.path.glob("*.tmp")) + list(folder.path.glob(".*.tmp"))


def test_rewriting_cuts_back(run: Path) -> None:
    """Guards epochs that a resumed run computes again being listed twice."""
    with RunFolder.reopen(run) as folder:
        folder.write_metrics(folder.read_metrics()[:1])
        folder.append_metrics({"epoch": 2, "again": True})
        assert folder.read_metrics() == [{"epoch": 1}, {"epoch": 2, "again": True}]


def test_unlocked_folder_only_reads(run: Path) -> None:
    """Guards a second writer beside the one that holds the lock."""
    reader = RunFolder(run)
    assert len(reader.read_metrics()) == 2
    closed = RunFolder.reopen(run)
    closed.close()
    closed.close()
    for folder in (reader, closed):
        for write in (
            partial(folder.write_config, ""),
            partial(folder.append_metrics, {}),
            partial(folder.write_metrics, []),
            partial(folder.write_summary, {}),
        ):
            with pytest.raises(RuntimeError, match="not locked"):
                write()
    assert len(reader.read_metrics()) == 2


HOLDER = """
import sys
from pathlib import Path
from neurosim.runs.folder import RunFolder
with RunFolder.create(Path(sys.argv[1])) as folder:
    if sys.argv[2] == "config":
        folder.write_config("seed = 1")
    print("locked", flush=True)
    sys.stdin.read()
"""


def hold(path: Path, what: str) -> subprocess.Popen[str]:
    """Start another process that holds a run folder until its input ends."""
    command = [sys.executable, "-c", HOLDER, str(path), what]
    holder = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "locked\n"
    return holder


@pytest.mark.parametrize(
    ("what", "enter"),
    [("config", RunFolder.create), ("config", RunFolder.reopen), ("nothing", RunFolder.create)],
)
def test_one_process_at_a_time(
    tmp_path: Path, what: str, enter: Callable[[Path], RunFolder]
) -> None:
    """Guards two runs mixing their metrics and checkpoints in one folder."""
    path = tmp_path / "run"
    with hold(path, what) as holder:
        message = message_of(lambda: enter(path))
        holder.kill()
    assert f"{path} is in use by another process (pid {holder.pid})" in message
    assert "--out" in message


def test_lock_ends_with_a_killed_process(tmp_path: Path) -> None:
    """Guards a folder that stays locked for ever after a kill."""
    path = tmp_path / "run"
    with hold(path, "config") as holder:
        holder.kill()
    with RunFolder.reopen(path) as folder:
        assert folder.read_config() == {"seed": 1}
        assert (path / ".lock").read_text() == f"{os.getpid()}\n"


def test_lock_is_held_and_given_back_in_one_process(run: Path) -> None:
    """Guards a lock lost early, or kept after the block or after a failed create."""
    with RunFolder.reopen(run):
        assert f"pid {os.getpid()}" in message_of(lambda: RunFolder.reopen(run))
    assert "already holds a run" in message_of(lambda: RunFolder.create(run))
    RunFolder.reopen(run).close()


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts in /proc/self/fd")
def test_waiting_for_a_lock_leaks_nothing(run: Path) -> None:
    """Guards a script that tries again and again running out of file descriptors."""
    with RunFolder.reopen(run):
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(5):
            message_of(lambda: RunFolder.reopen(run))
        assert len(os.listdir("/proc/self/fd")) == before


def test_owner_not_yet_written(run: Path) -> None:
    """Guards the instant in which the lock file is still empty."""
    with RunFolder.reopen(run):
        (run / ".lock").write_text("")
        assert "pid unknown" in message_of(lambda: RunFolder.reopen(run))


@pytest.mark.parametrize("name", ["config.toml", "metrics.jsonl", "summary.json", "checkpoint.npz"])
def test_occupied_folder_is_left_alone(tmp_path: Path, name: str) -> None:
    """Guards a new run overwriting an earlier one."""
    (tmp_path / name).write_text("precious")
    message = message_of(lambda: RunFolder.create(tmp_path))
    assert f"{tmp_path} already holds a run ({name})" in message
    assert f"--resume {tmp_path}" in message
    assert "another --out" in message
    assert (tmp_path / name).read_text() == "precious"


def test_real_checkpoint_occupies(tmp_path: Path) -> None:
    """Guards the name that checkpoints have and the one looked for growing apart."""
    save_checkpoint(tmp_path, Checkpoint({}, {}))
    save_checkpoint(tmp_path, Checkpoint({}, {})).unlink()
    assert "already holds a run" in message_of(lambda: RunFolder.create(tmp_path))


def test_foreign_folder_is_left_alone(tmp_path: Path) -> None:
    """Guards strewing a run's files over somebody's home folder."""
    for name in ("a.txt", "b.txt", "c.txt", "d.txt"):
        (tmp_path / name).touch()
    message = message_of(lambda: RunFolder.create(tmp_path))
    assert "is not empty and holds no run (a.txt, b.txt, c.txt, ...)" in message
    assert "another --out" in message
    assert not (tmp_path / ".lock").exists()


def test_leftovers_of_a_run_that_never_began_are_no_hindrance(tmp_path: Path) -> None:
    """Guards a run killed in its first moments making its folder unusable."""
    (tmp_path / ".lock").write_text("1\n")
    (tmp_path / "log.txt").touch()
    temporary_path(tmp_path / "config.toml").touch()
    RunFolder.create(tmp_path).close()
    (tmp_path / "mine.txt").touch()
    assert "holds no run (mine.txt)" in message_of(lambda: RunFolder.create(tmp_path))


def test_file_in_the_way(tmp_path: Path) -> None:
    """Guards a file, or a path through a file, ending in a traceback."""
    (tmp_path / "file").write_text("mine")
    for path in (tmp_path / "file", tmp_path / "file" / "run"):
        message = message_of(partial(RunFolder.create, path))
        assert f"{path} cannot be a run folder" in message
        assert "another --out" in message
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="uses /proc")
def test_place_where_nobody_can_write() -> None:
    """Guards a place that even root cannot write to ending in a traceback."""
    message = message_of(lambda: RunFolder.create(Path("/proc/neurosim-run")))
    assert message.startswith(
        "cannot make the run folder /proc/neurosim-run: No such file or directory"
    )
    assert "another --out" in message


def test_folder_without_permission(tmp_path: Path) -> None:
    """Guards a forbidden folder ending in a traceback."""
    tmp_path.chmod(0o500)
    if os.access(tmp_path, os.W_OK):
        pytest.skip("this user, probably root, may write whatever the mode bits say")
    try:
        message = message_of(lambda: RunFolder.create(tmp_path / "run"))
    finally:
        tmp_path.chmod(0o700)
    assert "Permission denied" in message
    assert "make the folder writable or choose another --out" in message


@pytest.mark.parametrize("call", ["mkdir", "open"])
def test_permission_denied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    """Guards the same where the tests run as root, for the folder and its lock."""

    def denied(*arguments: Any, **options: Any) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, call, denied)
    message = message_of(
        lambda: RunFolder.create(tmp_path / "run" if call == "mkdir" else tmp_path)
    )
    assert "Permission denied" in message
    assert "make the folder writable or choose another --out" in message


def test_reopening_nothing(tmp_path: Path) -> None:
    """Guards a mistyped --resume that starts an empty run."""
    for path in (tmp_path, tmp_path / "absent"):
        message = message_of(partial(RunFolder.reopen, path))
        assert f"{path} holds no run to go on with: no config.toml there" in message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"seed = ", b"name = '\xff'"])
def test_damaged_config(run: Path, content: bytes) -> None:
    """Guards default settings taking the place of unreadable ones."""
    (run / "config.toml").write_bytes(content)
    with RunFolder.reopen(run) as folder:
        message = message_of(folder.read_config)
    assert f"{run / 'config.toml'} is damaged (" in message
    (run / "config.toml").unlink()
    message = message_of(RunFolder(run).read_config)
    assert message == f"{run} holds no run: no config.toml there; give a run folder"


def test_reading_says_what_is_missing_and_nothing_of_writing(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards free space and --out in a message for somebody who only wants to look."""
    absent = run.with_name("absent")
    for read in (RunFolder(absent).read_config, RunFolder(absent).read_metrics):
        message = message_of(read)
        assert message == f"{absent} holds no run: there is no such folder; give a run folder"

    def denied(path: Path) -> bytes:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "read_bytes", denied)
    message = message_of(RunFolder(run).read_config)
    assert message.startswith(f"cannot read {run / 'config.toml'}: Permission denied; make it")
    assert "free" not in message
    assert "--out" not in message


def test_summary_is_read_back_or_named(run: Path) -> None:
    """Guards a damaged summary being taken for that of a finished run, or of none."""
    assert RunFolder(run).read_summary() == {}
    with RunFolder.reopen(run) as folder:
        folder.write_summary({"epoch": 2})
        assert folder.read_summary() == {"epoch": 2}
    for content in ("", "[1]", '{"epoch": NaN}', "{"):
        (run / "summary.json").write_text(content)
        message = message_of(RunFolder(run).read_summary)
        assert f"{run / 'summary.json'} is damaged (" in message
        assert f"--resume {run}" in message


@pytest.mark.parametrize("line", ["{", "[1]", '{"loss": NaN}', ""])
def test_damaged_metrics_line_is_numbered(run: Path, line: str) -> None:
    """Guards a spoiled line being skipped, by which epochs would shift."""
    (run / "metrics.jsonl").write_text(f'{{"epoch": 1}}\n{line}\n{{"epoch": 3}}\n')
    assert "metrics.jsonl, line 2 is damaged" in message_of(RunFolder(run).read_metrics)


def test_torn_last_line(run: Path) -> None:
    """Guards half a line, left by a kill, spoiling the line appended after it."""
    with (run / "metrics.jsonl").open("a") as handle:
        handle.write('{"epo')
    assert RunFolder(run).read_metrics() == [{"epoch": 1}, {"epoch": 2}]
    with RunFolder.reopen(run) as folder:
        folder.append_metrics({"epoch": 3})
        assert folder.read_metrics() == [{"epoch": 1}, {"epoch": 2}, {"epoch": 3}]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -np.inf, [float("nan")]])
def test_json_is_strict(run: Path, value: object) -> None:
    """Guards NaN in files that other programs then cannot read, or read as null."""
    before = (run / "metrics.jsonl").read_bytes()
    with RunFolder.reopen(run) as folder:
        for write in (
            lambda: folder.append_metrics({"loss": value}),
            lambda: folder.write_metrics([{"loss": value}]),
            lambda: folder.write_summary({"loss": value}),
        ):
            with pytest.raises(ValueError, match=r"'loss': .*give finite numbers"):
                write()
    assert (run / "metrics.jsonl").read_bytes() == before
    assert not (run / "summary.json").exists()


@pytest.mark.parametrize("name", ["config.toml", "metrics.jsonl", "summary.json"])
def test_full_disk_keeps_the_old_file(run: Path, name: str) -> None:
    """Guards a full disk that empties the file it was to replace."""
    (run / "summary.json").write_text("{}")
    before = (run / name).read_bytes()
    temporary_path(run / name).symlink_to("/dev/full")
    with RunFolder.reopen(run) as folder:
        write: Callable[[], None] = {
            "config.toml": lambda: folder.write_config("seed = 2"),
            "metrics.jsonl": lambda: folder.write_metrics([{"epoch": 1}]),
            "summary.json": lambda: folder.write_summary({"best": 1}),
        }[name]
        message = message_of(write)
    assert f"cannot write {name} in {run}: No space left on device" in message
    assert f"MB free there); free some space there, then go on with --resume {run}" in message
    assert (run / name).read_bytes() == before
    assert not os.path.lexists(temporary_path(run / name))


def test_append_to_a_full_disk(run: Path) -> None:
    """Guards a lost line of metrics on a disk without room."""
    (run / "metrics.jsonl").unlink()
    with RunFolder.reopen(run) as folder:
        (run / "metrics.jsonl").symlink_to("/dev/full")
        message = message_of(lambda: folder.append_metrics({"epoch": 3}))
    assert f"cannot append to metrics.jsonl in {run}: No space left on device" in message
    assert f"--resume {run}" in message


def test_failed_append_leaves_no_half_line(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards half a line that stays in the file when the sync finds no room."""

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = (run / "metrics.jsonl").read_bytes()
    with RunFolder.reopen(run) as folder:
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            assert "No space left" in message_of(lambda: folder.append_metrics({"epoch": 3}))
        assert (run / "metrics.jsonl").read_bytes() == before
        folder.append_metrics({"epoch": 3})
        assert len(folder.read_metrics()) == 3


def test_line_cut_short_by_a_limit_is_taken_back(run: Path) -> None:
    """Guards a write that the system ends half-way without an error."""
    before = (run / "metrics.jsonl").read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with RunFolder.reopen(run) as folder:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 3, hard))
        try:
            message = message_of(lambda: folder.append_metrics({"epoch": 3}))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "cannot append to metrics.jsonl" in message
    assert (run / "metrics.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("owner", "call", "words"),
    [
        (os, "truncate", "cannot mend metrics.jsonl in"),
        (fcntl, "flock", "cannot lock"),
        (os, "open", "cannot make .lock in"),
    ],
)
def test_reopening_on_a_failing_disk(
    run: Path, monkeypatch: pytest.MonkeyPatch, owner: object, call: str, words: str
) -> None:
    """Guards a system error on resume ending in a traceback, or keeping the lock."""

    def fail(*arguments: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(owner, call, fail)
        message = message_of(lambda: RunFolder.reopen(run))
    assert f"{words} {run}: Input/output error" in message
    assert "check the disk or choose another --out" in message
    RunFolder.reopen(run).close()


def test_folder_that_cannot_be_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards a folder whose content is unknown being taken for an empty one."""

    def fail(path: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "listdir", fail)
    message = message_of(lambda: RunFolder.create(tmp_path))
    assert f"cannot list the files in {tmp_path}: Permission denied" in message


def test_appended_line_is_synced(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards lines that a power cut takes although the checkpoint knows them."""
    sizes = []
    real = os.fsync

    def noted(descriptor: int) -> None:
        sizes.append(os.fstat(descriptor).st_size)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    with RunFolder.reopen(run) as folder:
        folder.append_metrics({"epoch": 3})
    assert sizes == [(run / "metrics.jsonl").stat().st_size]


def test_vanished_folder(run: Path) -> None:
    """Guards metrics that go nowhere after the folder was removed or unmounted."""
    with RunFolder.reopen(run) as folder:
        run.rename(run.with_name("elsewhere"))
        for action in (
            lambda: folder.append_metrics({"epoch": 3}),
            lambda: folder.write_summary({}),
        ):
            message = message_of(action)
            assert f"in {run}: No such file or directory" in message
            assert "bring it back or choose another --out" in message
        assert f"{run} holds no run: there is no such" in message_of(folder.read_metrics)


def test_default_names(tmp_path: Path) -> None:
    """Guards two runs started in one second sharing a folder."""
    names = []
    for _ in range(3):
        folder = default_run_folder(tmp_path, "corinfomax", "mnist", START)
        assert not folder.exists()
        folder.mkdir()
        names.append(folder.name)
    stem = "corinfomax-mnist-20260131-142501"
    assert names == [stem, f"{stem}-2", f"{stem}-3"]


def test_default_name_stays_in_its_base(tmp_path: Path) -> None:
    """Guards a data set given by its path making folders all over the disk."""
    folder = default_run_folder(tmp_path, "a b", "../data/x.npz", START)
    assert folder == tmp_path / "a-b-..-data-x.npz-20260131-142501"


def test_environment_is_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards a record that cannot tell two software versions apart."""
    monkeypatch.setattr(neurosim, "__version__", "1.2.3", raising=False)
    monkeypatch.delenv("CXX", raising=False)
    found = environment()
    assert set(found) == {
        "neurosim", "brian2", "numpy", "python", "platform", "processor", "compiler", "git_commit",
    }  # fmt: skip
    assert re.search(r", \d+ cores?$", found["processor"])
    assert found["numpy"] == np.__version__
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))
    assert re.match(r"\d+\.\d+", found["neurosim"])
    assert re.match(r"\d+\.\d+", found["brian2"])
    assert all(value and "\n" not in value for value in found.values())


def test_own_version_without_installation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards an unknown version in runs from a source tree."""

    def absent(name: str) -> str:
        raise provenance.importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(provenance.importlib.metadata, "version", absent)
    monkeypatch.setattr(neurosim, "__version__", "1.2.3", raising=False)
    found = environment()
    assert (found["neurosim"], found["brian2"]) == ("1.2.3", "not installed")


def test_environment_does_not_import_brian2() -> None:
    """Guards seconds of start-up for every command that only names versions."""
    code = (
        "import sys, neurosim.runs.provenance as r; r._own_version = str; r.environment();"
        "sys.exit('brian2' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def git(folder: Path, *words: str) -> str:
    """Run git in a folder, whatever its user has configured."""
    options = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", str(folder), *options, *words]
    variables = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    variables |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=variables)
    return done.stdout.strip()


@needs_git
def test_git_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards naming a commit whose code is not the code that ran."""
    source = tmp_path / "source.py"
    source.write_text("a = 1\n")
    assert provenance._git_commit(source) == "none"
    git(tmp_path, "init")
    assert provenance._git_commit(source) == "none"
    git(tmp_path, "add", "source.py")
    assert provenance._git_commit(source) == "none"
    git(tmp_path, "commit", "-m", "first")
    commit = git(tmp_path, "rev-parse", "HEAD")
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    assert provenance._git_commit(source) == commit
    source.write_text("a = 2\n")
    assert provenance._git_commit(source) == f"{commit}-dirty"


@needs_git
def test_commit_of_a_surrounding_repository_is_not_ours(tmp_path: Path) -> None:
    """Guards a package installed inside a user's repository claiming its commit."""
    git(tmp_path, "init")
    (tmp_path / "theirs.py").touch()
    git(tmp_path, "add", "theirs.py")
    git(tmp_path, "commit", "-m", "theirs")
    (tmp_path / "ours.py").touch()
    assert provenance._git_commit(tmp_path / "ours.py") == "none"


def test_summary_is_plain_json(run: Path) -> None:
    """Guards a summary that only Python reads."""
    with RunFolder.reopen(run) as folder:
        folder.write_summary({"accuracy": np.float64(0.5), "layers": [2, 3]})
    assert json.loads((run / "summary.json").read_text()) == {"accuracy": 0.5, "layers": [2, 3]}
