"""How soon is the page there, how much is sent, and what does it look like?

    python -m benchmarks.page [--url http://127.0.0.1:8000] [--out docs/images]

Drives headless Chromium against a running server (with a runner, for the training), with every
other host blocked. Prints the first contentful paint of fresh visits and the bytes sent; takes the
pictures of the documentation. Needs playwright and a Chromium on the path, and Pillow.
"""

import argparse
import io
import shutil
import statistics
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, Route, sync_playwright

DESKTOP = {"width": 1360, "height": 860}
PHONE = {"width": 390, "height": 844}
PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
SENT = """["resource", "navigation"].flatMap((kind) => performance.getEntriesByType(kind))
    .reduce((sum, entry) => sum + entry.transferSize, 0)"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        visits = [measure(browser, arguments.url) for _ in range(5)]
        paints = [paint for paint, _ in visits]
        print(f"first paint: median {statistics.median(paints):.0f} ms, worst {max(paints):.0f} ms")
        print(f"sent: {visits[0][1] / 1000:.0f} kB")
        if arguments.out is not None:
            Gallery(browser, arguments.url, arguments.out).take()
        browser.close()


def measure(browser: Browser, url: str) -> tuple[float, float]:
    """Return the milliseconds to the first paint of a fresh visit, and the bytes it took."""
    page = visit(browser, url)
    page.wait_for_function(f"{PAINT} > 0")
    found = page.evaluate(PAINT), page.evaluate(SENT)
    page.context.close()
    return found


def visit(browser: Browser, url: str, **options: Any) -> Page:
    page = browser.new_context(**options).new_page()

    def only_here(route: Route) -> None:
        is_here = route.request.url.startswith((url, "data:", "blob:"))
        (route.continue_ if is_here else route.abort)()

    page.context.route("**/*", only_here)
    page.goto(url)
    page.wait_for_selector("body[data-ready=yes]")
    return page


class Gallery:
    """Takes the pictures of the documentation."""

    def __init__(self, browser: Browser, url: str, folder: Path) -> None:
        self.browser = browser
        self.url = url
        self.folder = folder

    def take(self) -> None:
        page = self._open()
        page.locator("#chart .u-over").hover(position={"x": 780, "y": 120})
        self._keep(page, "page-desktop")
        page.click("#backtest")
        self._wait(page, 2)
        self._keep(page, "page-backtest")
        lines = page.input_value("#text").splitlines()
        lines[-20] = lines[-20].rsplit(",", 1)[0] + ",600"
        lines[-60] = lines[-60].rsplit(",", 1)[0] + ",150"
        page.fill("#text", "\n".join(lines))
        page.click("#anomalies")
        self._wait(page, 3)
        page.locator("#chart .u-over").hover(position={"x": 620, "y": 200})
        self._keep(page, "page-anomalies")
        page.context.close()
        self._train()
        self._refuse()
        self._keep(self._open(color_scheme="dark"), "page-dark")
        phone = self._open(viewport=PHONE, device_scale_factor=2)
        self._keep(phone, "page-phone", full_page=True)

    def _open(self, **options: Any) -> Page:
        page = visit(self.browser, self.url, **({"viewport": DESKTOP} | options))
        page.select_option("#example", "air_passengers.csv")
        self._wait(page, 1)
        return page

    def _train(self) -> None:
        page = self._open()
        page.click("#training summary")
        page.fill("#name", "passengers")
        page.click("#train")
        page.wait_for_selector("#curve canvas", timeout=120_000)
        page.get_by_text("120 of").wait_for(timeout=120_000)
        self._keep(page, "page-training")
        page.get_by_text("Done:").wait_for(timeout=240_000)
        page.click("#see")
        self._wait(page, 2)
        self._keep(page, "page-compare")
        page.context.close()

    def _refuse(self) -> None:
        page = self._open()
        page.fill("#text", "ds,y\n2024-01-01,1\n2024-01-02,abc\n")
        page.click("#go")
        page.wait_for_selector("#error:not([hidden])")
        self._keep(page, "page-error")
        page.context.close()

    def _wait(self, page: Page, count: int) -> None:
        page.wait_for_selector(f"body[data-shown='{count}']", timeout=60_000)
        page.wait_for_timeout(200)

    def _keep(self, page: Page, name: str, *, full_page: bool = False) -> None:
        shot = page.screenshot(full_page=full_page)
        picture = Image.open(io.BytesIO(shot)).convert("P", palette=Image.Palette.ADAPTIVE)
        picture.save(self.folder / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
