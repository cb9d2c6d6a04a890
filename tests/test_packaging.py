"""What is installed: every folder of code, and every file it needs beside it."""

from __future__ import annotations

import configparser
import fnmatch
import shutil
import subprocess
from pathlib import Path

import pytest

import neurosim
from neurosim.models import SYSTEMS

ROOT = Path(__file__).resolve().parents[1]


def listed() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return parser


def test_every_folder_of_code_is_installed() -> None:
    """Guards a command that works in the repository and is missing where it is installed."""
    folders = {file.parent for file in (ROOT / "neurosim").rglob("*.py")}
    packages = {".".join(folder.relative_to(ROOT).parts) for folder in folders}
    models = {file.parent for file in (ROOT / "models").rglob("*.py")}
    packages |= {".".join(("neurosim", *folder.relative_to(ROOT).parts)) for folder in models}
    assert set(listed()["options"]["packages"].split()) == packages


def test_every_other_file_beside_the_code_is_installed() -> None:
    """Guards templates, style sheets and the like that only the repository has."""
    patterns = {
        name: files.split() for name, files in listed()["options.package_data"].items() if files
    }
    for root, name in ((ROOT / "neurosim", "neurosim"), (ROOT / "models", "neurosim.models")):
        # folders of code are packages; other files belong to the nearest package above them
        folders = {file.parent for file in root.rglob("*.py")}
        for file in root.rglob("*"):
            if file.is_dir() or file.suffix in (".py", ".pyc"):
                continue
            owner = next(folder for folder in file.parents if folder in folders)
            package = ".".join((name, *owner.relative_to(root).parts))
            within = str(file.relative_to(owner))
            assert any(fnmatch.fnmatch(within, p) for p in patterns.get(package, [])), file


def test_every_system_has_published_settings_of_its_own() -> None:
    """Guards a system whose file of settings is forgotten."""
    # one family learns the same networks from the same rates
    for name in set(SYSTEMS) - {"frfb", "urfb-bp"}:
        assert (ROOT / "models" / "published" / f"{name}.toml").is_file()


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_no_folder_of_code_is_ignored_by_git() -> None:
    """Guards against a new module that is never committed, such as one in neurosim/runs."""
    if not (ROOT / ".git").exists():
        pytest.skip("no git repository")
    code = ("neurosim", "models", "benchmarks", "scripts", "tests")
    folders = {file.parent for folder in code for file in (ROOT / folder).rglob("*.py")}
    new = [(folder / "a_new_module.py").relative_to(ROOT).as_posix() for folder in folders]
    command = ["git", "check-ignore", *new]
    ignored = subprocess.run(command, capture_output=True, text=True, cwd=ROOT).stdout.split()
    assert ignored == []


def test_every_system_is_a_name_of_the_package() -> None:
    """Guards a system that only the command line knows."""
    for system in SYSTEMS.values():
        assert system.__name__ in neurosim.__all__
        assert getattr(neurosim, system.__name__) is system
