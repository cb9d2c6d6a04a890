"""A server on this machine for the view, and a browser that is opened on it."""

from __future__ import annotations

import contextlib
import webbrowser
from typing import Any

from neurosim.errors import DataError
from neurosim.viewer.session import LiveView

__all__ = ["open_server", "serve"]

#: Reached from this machine only.
_ADDRESS = "127.0.0.1"


def open_server(view: LiveView, *, port: int = 0) -> tuple[Any, str]:
    """Start a server for a view.

    Parameters
    ----------
    view : LiveView
        What it shows.
    port : int
        Where it listens; 0 for any that is free.

    Returns
    -------
    server : bokeh.server.server.Server
        Started; it answers while the present event loop of this thread runs.
    address : str
        To open in a browser on this machine.

    Raises
    ------
    DataError
        If the port is taken.
    """
    from bokeh.server.server import Server

    def show(document: Any) -> None:
        view.open(document)

    try:
        server = Server({"/": show}, port=port, address=_ADDRESS)
    except OSError as error:
        raise DataError(
            f"port {port} cannot be used: {error.strerror or error}; choose another (--port) or "
            "leave it out"
        ) from error
    server.start()
    return server, f"http://localhost:{server.port}/"


def serve(server: Any, browse: str = "") -> None:
    """Run a server until it is interrupted.

    Parameters
    ----------
    server : bokeh.server.server.Server
        As :func:`open_server` gives it.
    browse : str
        An address to open a browser on; none if empty.
    """
    if browse:
        server.io_loop.add_callback(webbrowser.open, browse)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            server.io_loop.start()
    finally:
        server.stop()
