"""What is looked at, and what the controls of a window or a notebook do to it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neurosim.errors import DataError, NeurosimError, ParameterError, near_matches
from neurosim.viewer.explorer import Explorer, Knob
from neurosim.viewer.picture import Picture, shown_at_first, trace_names
from neurosim.viewer.source import FileSource, LiveSource, Look, Source, place_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Viewer", "open_source", "said"]


def open_source(
    what: Any,
    images: Any = None,
    labels: Any = None,
    *,
    ids: list[int] | None = None,
    split: str | None = None,
    beta: float | None = None,
    data_dir: Path | None = None,
) -> Source:
    """Make a source of whatever can be looked at.

    Parameters
    ----------
    what : Simulator, recording, or path
        A network (with ``images``), a recording, a recording's file, or a run folder.
    images : array_like, shape (n, n_inputs), optional
        Images to show to a network; those of the run's data set by default.
    labels : array_like, shape (n,), optional
        Their classes.
    ids : list of int, optional
        Numbers of the images. With ``images``, what to call them (default: from 0);
        otherwise which of the data set (default: 0 to 9) or of the recording (default:
        all) to look at.
    split : {"test", "train"}, optional
        Part of a run's data set; the test images by default.
    beta : float, optional
        Signed nudge, 1 by default; a recording has its own.
    data_dir : Path, optional
        Where the data set of a run lies now; by default where the run found it.

    Returns
    -------
    Source
        A :class:`LiveSource` of a network or a run, a :class:`FileSource` of a recording;
        close it when done.

    Raises
    ------
    NeurosimError
        If it is no run and no recording, an image is out of range, or something is given
        that this source cannot follow, such as another nudge for a recording.
    """
    from neurosim.learning.simulator import Simulator

    is_run = isinstance(what, (str, Path)) and not Path(what).is_file()
    if split is not None and (images is not None or not is_run):
        raise DataError(
            "split (--split) chooses images of a run's data set: leave it out, or give a run "
            "folder and no images"
        )
    if data_dir is not None and not is_run:
        raise DataError(
            "data_dir (--data-dir) is for the data set of a run: leave it out, or give a run folder"
        )
    if isinstance(what, Simulator):
        if images is None:
            raise DataError("a network needs images to look at: view(simulator, images, labels)")
        x = what.check_images(images)
        y = None if labels is None else what.check_targets(labels).argmax(axis=1)
        return LiveSource(what, x, y, ids=ids, beta=1.0 if beta is None else beta)
    if is_run:
        nudge = 1.0 if beta is None else beta
        return _from_run(Path(what), images, labels, ids, split, nudge, data_dir)
    if images is not None or labels is not None:
        raise DataError("a recording has its own images; leave out images and labels")
    return _from_recording(what, ids, beta)


def _from_recording(what: Any, ids: list[int] | None, beta: float | None) -> Source:
    source = FileSource(what, ids)
    if beta is not None and beta != source.beta:
        had = source.beta
        source.close()
        raise DataError(
            f"this recording was made with nudge {had:g}: leave out beta (--beta), or give the "
            "run folder to try another"
        )
    return source


def _from_run(
    folder: Path,
    images: Any,
    labels: Any,
    ids: list[int] | None,
    split: str | None,
    beta: float,
    data_dir: Path | None,
) -> Source:
    from neurosim.runs.opened import open_run

    way_out = "give a run folder or a recording (.nc)"
    opened = open_run(folder, data_dir=data_dir, way_out=way_out)
    if images is not None:
        return open_source(opened.simulator, images, labels, ids=ids, beta=beta)
    numbers = list(range(10)) if ids is None else ids
    x, y = opened.data.chosen(split or "test", numbers)
    shape = opened.data.image_shape
    return LiveSource(opened.simulator, x, y, ids=numbers, image_shape=shape, beta=beta)


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
        Offer parameters; every change shows the image anew.
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
        self.image = 0 if image is None else place_of(image, source.ids, "image", live=live)
        if layer is None:
            layer = next((n for n in source.layers if n > 0), source.layers[0])
        self.layer = source.layers[place_of(layer, source.layers, "layer", live=live)]
        neurons = source.neurons(self.layer)
        place = 0 if neuron is None else place_of(neuron, neurons, "neuron", live=live)
        self.neuron = neurons[place]
        self.look: Look = self._look(self.image, self.layer)
        self.hidden: set[str] = set()
        self._choose(traces)
        self.picture = Picture(figure, bottom=bottom)
        self.draw()

    def _choose(self, traces: Iterable[str] | None) -> None:
        """Hide what is not wanted; other layers may have other traces."""
        wanted = list(shown_at_first(self.look.data) if traces is None else traces)
        for name in wanted:
            self._check_trace(name)
        self.hidden = set(trace_names(self.look.data)) - set(wanted)

    def _check_trace(self, name: str) -> None:
        names = trace_names(self.look.data)
        if name not in names:
            raise DataError(f"no trace {name!r} in this layer; {near_matches(name, names)}")

    # ------------------------------------------------------------ what there is

    def traces(self) -> dict[str, bool]:
        """Traces of the layer, and whether each is drawn."""
        return {name: name not in self.hidden for name in trace_names(self.look.data)}

    def neurons(self) -> list[int]:
        """Numbers of the layer's neurons."""
        return [int(number) for number in self.look.data.neuron.values]

    def knobs(self) -> list[Knob]:
        """Sliders of the parameters; none unless exploring."""
        return [] if self.explorer is None else self.explorer.knobs(self._population())

    def _population(self) -> str:
        return str(self.look.data.attrs["population"])

    # ------------------------------------------------------------ what one can do

    def set_image(self, place: int) -> None:
        """Show another image.

        Parameters
        ----------
        place : int
            Place in the source's list of images; it goes round.

        Raises
        ------
        DataError
            If the network runs away with this image; the one before stays.
        """
        place %= len(self.source.ids)
        self.look = self._look(place, self.layer)
        self.image = place
        self.draw()

    def set_layer(self, layer: int) -> None:
        """Go to another layer; the neuron's number is kept as far as there is one.

        Parameters
        ----------
        layer : int
            Number of the layer.

        Raises
        ------
        DataError
            If there is no such layer, or the network runs away; the layer before stays.
        """
        place_of(layer, self.source.layers, "layer", live=self.source.live)
        before = set(trace_names(self.look.data))
        self.look = self._look(self.image, layer)
        self.layer = layer
        neurons = self.source.neurons(layer)
        self.neuron = min(neurons, key=lambda number: abs(number - self.neuron))
        new = set(trace_names(self.look.data)) - before
        self.hidden |= new - set(shown_at_first(self.look.data))
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
        place_of(neuron, self.neurons(), "neuron", live=self.source.live)
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
            If this is a recording: its nudge is what it is.
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
        self._check_trace(name)
        (self.hidden.discard if shown else self.hidden.add)(name)
        self.draw()

    def set_knob(self, name: str, value: float) -> None:
        """Set a parameter and show the image anew.

        Parameters
        ----------
        name : str
            One of :meth:`knobs`.
        value : float
            New value, in the unit of the knob's label.

        Raises
        ------
        NeurosimError
            If the value is refused or the network runs away; the picture stays.
        """
        if self.explorer is None:
            raise ParameterError("parameters can be turned with --explore (explore=True) only")
        self.explorer.set(name, value, self._population())
        self.refresh()

    def reset_knobs(self) -> None:
        """Set all parameters back to those of the run."""
        if self.explorer is not None:
            self.explorer.reset()
            self.refresh()

    # ------------------------------------------------------------ drawing

    def refresh(self) -> None:
        """Take a new look and draw it.

        Raises
        ------
        DataError
            If the network runs away; the picture stays.
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


def said(error: NeurosimError) -> str:
    """An error as a line of a window.

    Parameters
    ----------
    error : NeurosimError
        What went wrong.

    Returns
    -------
    str
        One line, short enough to fit.
    """
    text = " ".join(str(error).split())
    return text if len(text) <= 110 else text[:107] + "..."
