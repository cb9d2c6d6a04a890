"""The state of a view, and what the controls of a window or a notebook change in it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from neurosim.errors import DataError, NeurosimError, ParameterError
from neurosim.viewer.explorer import Explorer, Knob
from neurosim.viewer.labels import (
    check_trace,
    default_layer,
    default_traces,
    position,
    trace_names,
)
from neurosim.viewer.look import Look
from neurosim.viewer.picture import Picture
from neurosim.viewer.source import LiveSource, Source

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Viewer", "one_line"]


class Viewer:
    """One neuron of one layer during one image, drawn into a figure.

    Parameters
    ----------
    source : Source
        Where recordings come from.
    figure : matplotlib.figure.Figure
        Where to draw.
    image, layer, neuron : int, optional
        Number of the image, the layer and the neuron to begin with; the first image,
        the first layer above the input, the first neuron by default.
    traces : iterable of str, optional
        Names of the traces shown; the system's choice by default.
    nudged : bool
        Show the nudged phase as well.
    explore : bool
        Offer parameters; every change shows the image again.
    bottom : float
        Part of the figure kept free below the picture.

    Raises
    ------
    DataError
        If there is no such image, layer, neuron or trace.
    """

    def __init__(
        self,
        source: Source,
        figure: Figure,
        *,
        image: int | None = None,
        layer: int | None = None,
        neuron: int | None = None,
        traces: Iterable[str] | None = None,
        nudged: bool = True,
        explore: bool = False,
        bottom: float = 0.075,
    ) -> None:
        self.source = source
        self.beta = source.beta
        self.nudged = nudged
        self.explorer: Explorer | None = None
        if explore:
            self.explorer = _explorer(source)
        live = source.live
        self.image = 0 if image is None else position(image, source.ids, "image", live=live)
        if layer is None:
            layer = default_layer(source.layers)
        self.layer = source.layers[position(layer, source.layers, "layer", live=live)]
        neurons = source.neurons(self.layer)
        at = 0 if neuron is None else position(neuron, neurons, "neuron", live=live)
        self.neuron = neurons[at]
        self.look: Look = self._look(self.image, self.layer)
        self.hidden: set[str] = set()
        self._choose(traces)
        self.picture = Picture(figure, bottom=bottom)
        self.draw()

    def _choose(self, traces: Iterable[str] | None) -> None:
        """Hide the other traces of this layer; those of other layers are not affected."""
        wanted = list(default_traces(self.look.data) if traces is None else traces)
        for name in wanted:
            check_trace(self.look.data, name)
        self.hidden = set(trace_names(self.look.data)) - set(wanted)

    # ------------------------------------------------------------ present state

    def traces(self) -> dict[str, bool]:
        """Whether each trace of the layer is drawn, by name."""
        return {name: name not in self.hidden for name in trace_names(self.look.data)}

    def neurons(self) -> list[int]:
        """Numbers of the layer's neurons."""
        return [int(number) for number in self.look.data.neuron.values]

    def knobs(self) -> list[Knob]:
        """Sliders of the parameters; none unless exploring."""
        return [] if self.explorer is None else self.explorer.knobs(self._population())

    def _population(self) -> str:
        return str(self.look.data.attrs["population"])

    # ------------------------------------------------------------ changes

    def set_image(self, place: int) -> None:
        """Show another image.

        Parameters
        ----------
        place : int
            Position in the source's list of images, modulo their number.

        Raises
        ------
        DataError
            If the potentials grow without bound; the picture stays.
        """
        place %= len(self.source.ids)
        self.look = self._look(place, self.layer)
        self.image = place
        self.draw()

    def set_layer(self, layer: int) -> None:
        """Go to another layer, to the neuron with the same or the nearest number.

        Parameters
        ----------
        layer : int
            Number of the layer.

        Raises
        ------
        DataError
            If there is no such layer, or the potentials grow without bound; the picture
            stays.
        """
        position(layer, self.source.layers, "layer", live=self.source.live)
        before = set(trace_names(self.look.data))
        self.look = self._look(self.image, layer)
        self.layer = layer
        neurons = self.source.neurons(layer)
        self.neuron = min(neurons, key=lambda number: abs(number - self.neuron))
        new = set(trace_names(self.look.data)) - before
        self.hidden |= new - set(default_traces(self.look.data))
        self.draw()

    def set_neuron(self, neuron: int) -> None:
        """Go to another neuron of the layer.

        Parameters
        ----------
        neuron : int
            Number of the neuron.

        Raises
        ------
        DataError
            If there is no such neuron.
        """
        position(neuron, self.neurons(), "neuron", live=self.source.live)
        self.neuron = neuron
        self.draw()

    def set_nudged(self, nudged: bool) -> None:
        """Show all phases, or the free one only.

        Parameters
        ----------
        nudged : bool
            With False, the free phase only.
        """
        self.nudged = nudged
        self.draw()

    def set_sign(self, negative: bool) -> None:
        """Choose the sign of the nudge.

        Parameters
        ----------
        negative : bool
            Nudge away from the target.

        Raises
        ------
        DataError
            If this is a recording, whose nudge is fixed.
        """
        if not self.source.live:
            raise DataError(
                f"this is a recording with nudge {self.beta:g}; open its run folder to try another"
            )
        size = abs(self.beta if self.explorer is None else self.explorer.beta)
        self.beta = -size if negative else size
        if self.explorer is not None:
            self.explorer.beta = self.beta
        self.refresh()

    def show_trace(self, name: str, shown: bool) -> None:
        """Draw a trace, or leave it out.

        Parameters
        ----------
        name : str
            One of :meth:`traces`.
        shown : bool
            Whether to draw it.

        Raises
        ------
        DataError
            If there is no such trace.
        """
        check_trace(self.look.data, name)
        (self.hidden.discard if shown else self.hidden.add)(name)
        self.draw()

    def set_knob(self, name: str, value: float) -> None:
        """Set a parameter and show the image again.

        Parameters
        ----------
        name : str
            One of :meth:`knobs`.
        value : float
            New value, in the unit of the knob's label.

        Raises
        ------
        NeurosimError
            If the value is refused or the potentials grow without bound; the picture stays.
        """
        if self.explorer is None:
            raise ParameterError("parameters can be changed only with --explore (explore=True)")
        self.explorer.set(name, value, self._population())
        self.refresh()

    def reset_knobs(self) -> None:
        """Set all parameters to those of the run."""
        if self.explorer is not None:
            self.explorer.reset()
            self.refresh()

    # ------------------------------------------------------------ drawing

    def refresh(self) -> None:
        """Look again and draw.

        Raises
        ------
        DataError
            If the potentials grow without bound; the picture stays.
        """
        self.look = self._look(self.image, self.layer)
        self.draw()

    def _look(self, image: int, layer: int) -> Look:
        if self.explorer is not None:
            assert isinstance(self.source, LiveSource)
            self.beta = self.explorer.beta
            return self.source.try_out(image, layer, self.beta, self.explorer.changes())
        return self.source.look(image, layer, self.beta)

    def draw(self) -> None:
        """Draw the present look."""
        self.picture.draw(
            self.look,
            self.neuron,
            shown=[name for name, shown in self.traces().items() if shown],
            image_shape=self.source.image_shape,
            nudged=self.nudged,
        )


def _explorer(source: Source) -> Explorer:
    if not isinstance(source, LiveSource):
        raise DataError(
            "a recording cannot be run with other parameters; give the run folder to --explore"
        )
    return Explorer(source.simulator.system, source.beta)


def one_line(error: NeurosimError) -> str:
    """The message of an error as one line of a window.

    Parameters
    ----------
    error : NeurosimError
        What went wrong.

    Returns
    -------
    str
        At most 110 characters.
    """
    text = " ".join(str(error).split())
    return text if len(text) <= 110 else text[:107] + "..."
