"""The view with a server behind it: sliders of parameters, and other images of the data set."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from neurosim.errors import DataError, NeurosimError
from neurosim.viewer.data import plain_arrays
from neurosim.viewer.explorer import Explorer, Knob
from neurosim.viewer.page import Prepared, prepare
from neurosim.viewer.source import LiveSource, Source

__all__ = ["LiveView", "Session", "one_line"]


class LiveView:
    """What a server shows; browsers that are opened on it look at the same images.

    Parameters
    ----------
    source : Source
        Where recordings come from.
    explore : bool
        Whether to add sliders for parameters.
    **start
        As :func:`neurosim.viewer.page.prepare`.

    Raises
    ------
    DataError
        As :func:`neurosim.viewer.page.prepare`, or if a recording is to be run with other
        parameters.
    """

    def __init__(self, source: Source, *, explore: bool = False, **start: Any) -> None:
        if explore and not isinstance(source, LiveSource):
            raise DataError(
                "a recording cannot be run with other parameters; give the run folder to --explore"
            )
        self.source, self.explore, self._start = source, explore, start
        self.prepared: Prepared = prepare(source, **start)
        if explore and isinstance(source, LiveSource):
            source.prepare()

    def open(self, document: Any) -> Session:
        """Put the view into the document of a browser.

        Parameters
        ----------
        document : bokeh.document.Document
            Of a new session.

        Returns
        -------
        Session
            What this browser does.
        """
        return Session(self, document)

    def add(self, number: int) -> None:
        """Look at another image of the data set as well, and begin with it.

        Parameters
        ----------
        number : int
            Its number.

        Raises
        ------
        DataError
            If there is no such image.
        """
        if not isinstance(self.source, LiveSource):
            raise DataError("a recording has no images but its own")
        self.source.add(number)
        self._start = {**self._start, "image": number, "neuron": None, "layer": None}
        self.prepared = prepare(self.source, **self._start)


class Session:
    """One browser on a :class:`LiveView`.

    Parameters
    ----------
    view : LiveView
        What is looked at.
    document : bokeh.document.Document
        Where it is shown.

    Attributes
    ----------
    application : Application
        Parts of the view.
    sliders : dict of str to object
        Sliders of parameters by name; those of the layer that is shown.
    """

    def __init__(self, view: LiveView, document: Any) -> None:
        self._view, self._document = view, document
        self._prepared = view.prepared
        self.application = view.prepared.application(live=True)
        self.sliders: dict[str, Any] = {}
        self._quiet = False
        source = view.source
        self._explorer: Explorer | None = None
        if view.explore and isinstance(source, LiveSource):
            self._explorer = Explorer(source.simulator.system, source.beta)
            for name in ("image", "layer"):
                self.application.models[name].on_change("value", self._moved)
        self._fill_knobs()
        self.application.add_to(document)

    # ------------------------------------------------------------ controls

    def _fill_knobs(self) -> None:
        """Make sliders for the parameters of the layer; other layers may have others."""
        from bokeh.models import Button, NumericInput, Slider

        self.sliders = {}
        children: list[Any] = []
        if self._explorer is not None:
            for knob in self.knobs():
                unit = f" ({knob.unit})" if knob.unit else ""
                made = Slider(
                    start=knob.low, end=knob.high, value=knob.value, width=165, format="0[.]0000",
                    step=(knob.high - knob.low) / 400, title=knob.name + unit, name=knob.name,
                )  # fmt: skip
                made.on_change("value_throttled", self._turner(knob.name))
                self.sliders[knob.name] = made
            reset = Button(label="the run's parameters", width=165, name="reset")
            reset.on_click(self.reset)
            children += [*self.sliders.values(), reset]
        source = self._view.source
        if isinstance(source, LiveSource) and source.fetch is not None:
            number = NumericInput(title="another image (number)", width=165, name="another")
            number.on_change("value", lambda name, old, new: self.add(new))
            children.append(number)
        self.application.knobs.children = children
        self.application.knobs.visible = bool(children)

    def _turner(self, name: str) -> Callable[[str, float, float], None]:
        def turn(changed: str, old: float, new: float) -> None:
            del changed, old
            if not self._quiet:
                self.turn(name, new)

        return turn

    def _place(self) -> int:
        return int(self.application.models["image"].value)

    def _population(self) -> str:
        number = self._view.source.layers[int(self.application.models["layer"].value)]
        return str(self._view.source.layer(number).attrs["population"])

    def knobs(self) -> list[Knob]:
        """Parameters that sliders change, at their present values; none unless exploring."""
        return [] if self._explorer is None else self._explorer.knobs(self._population())

    # ------------------------------------------------------------ what they do

    def turn(self, name: str, value: float) -> None:
        """Set a parameter and show the image again.

        Parameters
        ----------
        name : str
            One of :attr:`sliders`.
        value : float
            New value. One that is refused is told in the page, which stays as it was.
        """
        assert self._explorer is not None
        explorer = self._explorer
        self._do(lambda: explorer.set(name, value, self._population()))

    def reset(self) -> None:
        """Set all parameters to those of the run."""
        assert self._explorer is not None
        self._do(self._explorer.reset)

    def add(self, number: int | None) -> None:
        """Look at another image of the data set as well; the page is loaded anew.

        Parameters
        ----------
        number : int or None
            Its number; nothing happens without.
        """
        if number is None:
            return
        self._tell("the image is shown to the network ...")

        def show() -> None:
            try:
                self._view.add(number)
            except NeurosimError as error:
                self._tell(one_line(error))
                return
            self.application.reload()

        self._document.add_next_tick_callback(show)

    def _moved(self, changed: str, old: str, new: str) -> None:
        """Another image or layer: other sliders, and the image with their values."""
        del changed, old, new
        self._fill_knobs()
        self._do(lambda: None)

    def _do(self, act: Callable[[], None]) -> None:
        """Act and show the image again; tell what is refused."""
        explorer, source = self._explorer, self._view.source
        assert explorer is not None
        assert isinstance(source, LiveSource)
        self._tell("")
        try:
            act()
            if not explorer.changes() and explorer.beta == source.beta:
                self.application.models["tried"].data = {"image": []}
            else:
                place = self._place()
                material = source.try_out(place, explorer.beta, explorer.changes())
                gathered = self._prepared.gathered
                arrays = plain_arrays(source, material, gathered)
                columns: dict[str, Any] = {n: [a.ravel()] for n, a in arrays.items()}
                self.application.models["tried"].data = {**columns, "image": np.array([place])}
        except NeurosimError as error:
            self._tell(one_line(error))
        self._sync(self.knobs())

    def _sync(self, knobs: list[Knob]) -> None:
        """Set the sliders to the present parameters; one may have changed others."""
        self._quiet = True
        try:
            for knob in knobs:
                slider = self.sliders[knob.name]
                slider.update(start=knob.low, end=knob.high, value=knob.value)
        finally:
            self._quiet = False

    def _tell(self, text: str) -> None:
        self.application.models["message"].text = text


def one_line(error: NeurosimError) -> str:
    """The message of an error as one line.

    Parameters
    ----------
    error : NeurosimError
        What went wrong.

    Returns
    -------
    str
        At most 160 characters.
    """
    text = " ".join(str(error).split())
    return text if len(text) <= 160 else text[:157] + "..."
