"""Uses the window of ``neurosim view`` as hands would.

Run as ``window_driver.py RECORDING FOLDER``; leaves ``window.png`` and ``seen.json`` in the
folder. Keys, clicks and movements go through Tk's event loop. A process of its own, because
a toolkit that has opened a window stays.
"""

from __future__ import annotations

import json
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from matplotlib import pyplot as plt

from neurosim.cli import main


class Hands:
    """Keys and a mouse on a figure's Tk widget."""

    def __init__(self, figure: Any) -> None:
        self.figure = figure
        self.tk = figure.canvas.get_tk_widget()

    def wait(self, true: Callable[[], bool], what: str) -> None:
        """Let Tk handle events until something holds."""
        deadline = time.monotonic() + 60
        while not true():
            assert time.monotonic() < deadline, f"waited a minute for {what}"
            self.tk.update()

    def press(self, key: str) -> None:
        """A key, down and up."""
        self.tk.event_generate(f"<KeyPress-{key}>")
        self.tk.event_generate(f"<KeyRelease-{key}>")
        self.tk.update()

    def point(self, event: str, axes: Any, x: float, y: float) -> None:
        """A mouse event at a place of axes, in their data's coordinates."""
        across, up = axes.transData.transform((x, y))
        down = self.figure.bbox.height - up
        self.tk.event_generate(event, x=round(across), y=round(down))
        self.tk.update()

    def colour(self, axes: Any, x: float, y: float) -> list[int]:
        """Colour of a pixel of the widget, as it is on the screen."""
        across, up = axes.transData.transform((x, y))
        place = round(across), round(self.figure.bbox.height - up)
        return list(self.figure.canvas._tkphoto.get(*place))


def use(figure: Any, picture: Path) -> dict[str, Any]:
    """Move through the view; tell what it shows after each step."""
    window, hands = figure.window, Hands(figure)
    viewer, seen = window.viewer, {"toolkit": type(figure.canvas).__name__}
    hands.wait(hands.tk.winfo_viewable, "the window")
    hands.tk.focus_force()
    hands.wait(lambda: hands.tk.focus_get() is hands.tk, "the focus")

    hands.press("Right")
    seen["image"] = window.sliders["image"].valtext.get_text()

    slider = window.sliders["neuron"].ax
    seen["bar_before"] = hands.colour(slider, 2, 0.5)
    hands.point("<ButtonPress-1>", slider, 1, 0.5)
    hands.point("<B1-Motion>", slider, 4, 0.5)
    hands.point("<ButtonRelease-1>", slider, 4, 0.5)
    seen["bar_after"] = hands.colour(slider, 2, 0.5)
    seen["neuron"] = window.sliders["neuron"].valtext.get_text()
    seen["soma"] = viewer.picture.lines["soma"].get_ydata().tolist()
    seen["title"] = viewer.picture._title.get_text()

    panel = viewer.picture.panels["rate"]
    hands.point("<Motion>", panel, 6.7, sum(panel.get_ylim()) / 2)
    seen["readout"] = viewer.picture.readout.get_text()

    hands.press("b")
    seen["status"] = window.status.get_text()
    hands.press("Prior")
    seen["layer"] = window.sliders["layer"].valtext.get_text()
    figure.savefig(picture)
    return seen


def drive(recording: str, folder: str) -> int:
    """Run the command with somebody at the window, who closes it in the end."""
    show, found = plt.show, []
    picture = Path(folder) / "window.png"

    def show_and_use() -> None:
        figure = plt.gcf()
        root = figure.canvas.manager.window

        def session() -> None:
            try:
                found.append(use(figure, picture))
            except BaseException:
                traceback.print_exc()
            finally:
                # what the button in the window's corner calls
                root.tk.eval(root.protocol("WM_DELETE_WINDOW"))

        root.after(0, session)
        show()

    plt.show = show_and_use
    status = main(["view", recording, "--layer", "1"])
    if not found:
        return 1
    seen = {**found[0], "figures_left": plt.get_fignums()}
    (Path(folder) / "seen.json").write_text(json.dumps(seen))
    return status


if __name__ == "__main__":
    sys.exit(drive(*sys.argv[1:]))
