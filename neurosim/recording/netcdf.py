"""Recordings as netCDF files."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neurosim.errors import DataError
from neurosim.files import temporary_path
from neurosim.recording.labels import FORMAT

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["open_recording", "save_recording", "write_blocks"]


def save_recording(recording: Any, path: str | Path) -> Path:
    """Write a recording as netCDF, all of it or nothing.

    Parameters
    ----------
    recording : xarray.Dataset or xarray.DataTree
        A recording.
    path : str or Path
        The file; replaced if it exists.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    DataError
        If it cannot be written.
    """
    import xarray as xr

    groups: dict[str, Any] = {"": recording}
    if not isinstance(recording, xr.Dataset):
        groups = {node.path.strip("/"): node.to_dataset() for node in recording.subtree}
    return write_blocks(iter([groups]), Path(path), grows=False)


def write_blocks(
    blocks: Iterator[Mapping[str, xr.Dataset]], path: Path, *, grows: bool = True
) -> Path:
    """Write groups of images one after the other, appending along the images.

    Parameters
    ----------
    blocks : iterator of mapping of str to xarray.Dataset
        Groups by name, for some images at a time.
    path : Path
        The file; replaced if it exists.
    grows : bool
        Whether there is more than one block. Images are then a dimension without limit, which
        takes longer to open: h5netcdf finds its length in every variable, again for each.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    DataError
        If it cannot be written.
    """
    temporary = temporary_path(path)
    try:
        # making a block can fail as well; only what writing raises is about the file
        for number, groups in enumerate(blocks):
            with _explained(path):
                if number:
                    _append_groups(temporary, groups)
                else:
                    _write_groups(temporary, groups, grows)
        with _explained(path):
            temporary.replace(path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
    return path


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(
            f"cannot write the recording {path}: {error.strerror or error}; choose another file"
        ) from error


def _write_groups(path: Path, groups: Mapping[str, xr.Dataset], grows: bool) -> None:
    for name, group in groups.items():
        encoding = {
            variable: {"chunksizes": (1, *array.shape[1:])}
            for variable, array in group.data_vars.items()
            if array.dims[0] == "image"
        }
        group.to_netcdf(
            path,
            mode="a" if name else "w",
            group=name or None,
            engine="h5netcdf",
            encoding=encoding,
            unlimited_dims=["image"] if grows else [],
        )


def _append_groups(path: Path, groups: Mapping[str, xr.Dataset]) -> None:
    import h5netcdf

    with h5netcdf.File(path, "a") as file:
        before = file.dimensions["image"].size
        # groups below the root use its dimension, and grow with it
        file.resize_dimension("image", before + groups[""].sizes["image"])
        for name, group in groups.items():
            place = file[name] if name else file
            for variable, array in group.variables.items():
                if "image" in array.dims:
                    place.variables[variable][before:] = array.values


def open_recording(path: str | Path) -> Any:
    """Open a recording; values are read when they are used.

    Parameters
    ----------
    path : str or Path
        A file written by :func:`save_recording` or ``neurosim record``.

    Returns
    -------
    xarray.Dataset or xarray.DataTree
        As it was recorded: one layer, or a tree of layers.

    Raises
    ------
    DataError
        If the file is absent or no recording.
    """
    import xarray as xr

    try:
        root = xr.open_dataset(path, engine="h5netcdf")
    except FileNotFoundError as error:
        raise DataError(f"no recording {path}: there is no such file") from error
    except (OSError, ValueError, KeyError) as error:
        # what the system refuses has a number; a file of another kind has none
        number = getattr(error, "errno", None)
        if number:
            raise DataError(f"cannot read the recording {path}: {os.strerror(number)}") from error
        raise DataError(f"{path} is not a recording: it is no netCDF file") from error
    if root.attrs.get("format") != FORMAT:
        root.close()
        raise DataError(
            f"{path} is not a recording of neurosim (no format {FORMAT!r}); make one with "
            "neurosim record RUN --out FILE.nc"
        )
    if "layer" in root.attrs:
        return root
    root.close()
    return xr.open_datatree(path, engine="h5netcdf")
