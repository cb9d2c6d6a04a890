"""Draw the pictures of the compartment view from a run on the digits.

python scripts/draw_view_pictures.py RUN

Needs chromium and chromedriver, and writes docs/images/view.png, view.gif and compartments.png.
"""

from __future__ import annotations

import argparse
import base64
import io
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

IMAGES = Path(__file__).parent.parent / "docs" / "images"
SIZE = (1240, 800)
#: Steps of the moving picture, with how long each is shown in ms.
_FRAME, _PAUSE = 160, 1600


def main() -> None:
    """Read the arguments and draw."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--out", type=Path, default=IMAGES)
    options = parser.parse_args()
    draw(options.run, options.out)


def draw(run: Path, out: Path) -> None:
    """Draw all pictures of a run into a folder."""
    # slow to import: help answers at once
    from neurosim.figures import style
    from neurosim.viewer.opening import open_source
    from neurosim.viewer.page import write_page
    from neurosim.viewer.still import draw_still

    source = open_source(run, ids=[0, 1, 2])
    with style.applied():
        figure = style.empty_figure(11.5, 7.2)
        draw_still(source, figure)
        figure.savefig(out / "compartments.png", dpi=110)
    with tempfile.TemporaryDirectory() as name:
        page = write_page(source, Path(name) / "view.html")
        browser = _browser(Path(name) / "profile")
        try:
            _photograph(browser, page, out)
        finally:
            browser.quit()
    source.close()


def _browser(profile: Path) -> Any:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for flag in ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                 f"--user-data-dir={profile}"):  # fmt: skip
        options.add_argument(flag)
    service = Service(str(shutil.which("chromedriver")))
    browser = webdriver.Chrome(options=options, service=service)
    # machines may be busy
    browser.set_script_timeout(600)
    metrics = {"width": SIZE[0], "height": SIZE[1], "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    return browser


def _photograph(browser: Any, page: Path, out: Path) -> None:
    from PIL import Image

    browser.get(page.as_uri())
    ready = "return !!(window.neurosim_view && Bokeh.documents[0].is_idle)"
    while not browser.execute_script(ready):
        time.sleep(0.1)

    def shot() -> Any:
        time.sleep(0.4)
        taken = browser.execute_cdp_cmd("Page.captureScreenshot", {})["data"]
        return Image.open(io.BytesIO(base64.b64decode(taken))).convert("RGB")

    def do(script: str) -> Any:
        browser.execute_script(f"const m = neurosim_view.models; {script}")
        return shot()

    first = do("m.time.value = m.time.end")
    first.save(out / "view.png", optimize=True)
    frames = [(first, _PAUSE)]
    last = browser.execute_script("return neurosim_view.models.time.end")
    frames += [(do(f"m.time.value = {step}"), _FRAME) for step in range(0, last + 1, 4)]
    frames.append((do("neurosim_view.act('zoom')"), _PAUSE))
    frames.append((do("neurosim_view.act('whole'); m.layer.value = '1'"), _PAUSE))
    frames += [
        (do("m.cell.value = m.cell.options[1][0]"), _PAUSE),
        (do("m.compare.value = '1'"), _PAUSE),
    ]
    small = [frame.resize((SIZE[0] * 2 // 3, SIZE[1] * 2 // 3), Image.Resampling.LANCZOS)
             for frame, _ in frames]  # fmt: skip
    # one palette for all, so that what does not change is not stored again; thin lines keep theirs
    palette = small[0].quantize(160, method=Image.Quantize.MAXCOVERAGE)
    drawn = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in small]
    drawn[0].save(
        out / "view.gif", save_all=True, append_images=drawn[1:], loop=0, optimize=True,
        duration=[pause for _, pause in frames],
    )  # fmt: skip


if __name__ == "__main__":
    main()
