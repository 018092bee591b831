"""The page in a real browser, with every other host blocked; and what it must be without one."""

import re
import shutil
from pathlib import Path

import httpx
import pytest

WEB = Path(__file__).parent.parent.parent / "service" / "web"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
EVIL = "<img src=x onerror=document.title='hacked'>"


def test_everything_the_page_loads_is_served_and_small(server):
    page = httpx.get(f"{server.url}/")
    assert page.status_code == 200
    policy = page.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "http:" not in policy
    names = re.findall(r'(?:src|href)="(web/[^"]+)"', page.text)
    names += [f"web/{file.name}" for file in WEB.glob("*.js") if f"web/{file.name}" not in names]
    total = len(page.content)
    for name in names:
        answer = httpx.get(f"{server.url}/{name}")
        assert answer.status_code == 200, name
        total += len(answer.content)
    assert total < 250_000
    assert not re.search(r"<script(?![^>]*src)|<style|\sstyle=|\son[a-z]+=", page.text)


def test_no_text_of_a_user_becomes_html():
    for file in WEB.glob("*.js"):
        if not file.name.startswith("uPlot"):
            assert not re.search(
                r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", file.read_text()
            )


def test_every_input_has_a_label():
    page = (WEB / "index.html").read_text()
    for name in re.findall(r'<(?:input|select|textarea) id="([^"]+)"', page):
        assert f'for="{name}"' in page, name


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed here")
    with playwright.sync_playwright() as running:
        made = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield made
        made.close()


@pytest.fixture
def page(browser, server):
    context = browser.new_context()
    errors: list[str] = []

    def only_here(route):
        url = route.request.url
        if url.startswith((server.url, "data:", "blob:")):
            route.continue_()
        else:
            errors.append(f"asked for {url}")
            route.abort()

    context.route("**/*", only_here)
    made = context.new_page()
    made.on("pageerror", lambda error: errors.append(str(error)))
    made.goto(server.url)
    made.wait_for_selector("body[data-ready=yes]")
    yield made
    context.close()
    assert errors == []


def shown(page, count: int) -> None:
    page.wait_for_selector(f"body[data-shown='{count}']", timeout=15_000)


def test_pasted_numbers_are_forecast_by_keyboard_alone(page):
    assert page.locator("#download").is_hidden()
    page.focus("#text")
    page.keyboard.insert_text("1, 2, 3, 4, 5, 6, 7, 8")
    page.keyboard.press("Tab")
    page.focus("#horizon")
    page.keyboard.press("Control+A")
    page.keyboard.type("3")
    page.keyboard.press("Enter")
    shown(page, 1)
    assert page.locator("#chart canvas").count() == 1
    rows = page.locator("#table tbody tr")
    assert rows.count() == 3
    assert rows.first.locator("td").first.inner_text() == "8"
    assert page.locator("#error").is_hidden()


def test_an_example_a_backtest_and_anomalies(page):
    page.select_option("#example", "air_passengers.csv")
    shown(page, 1)
    assert "unique_id" in page.inner_text("#source")
    page.click("#backtest")
    shown(page, 2)
    assert "seasonal naive" in page.inner_text("#measures")
    page.click("#anomalies")
    shown(page, 3)
    with page.expect_download() as download:
        page.click("#download")
    assert download.value.suggested_filename == "anomalies.csv"
    assert "Time,Value,Low,High" in Path(download.value.path()).read_text()


def test_a_file_with_a_hostile_id_is_text(page, tmp_path):
    rows = "".join(f'"{EVIL}",2024-01-{day:02d},{day}\n' for day in range(1, 20))
    rows += "".join(f"=cmd,2024-01-{day:02d},{day}\n" for day in range(1, 20))
    (tmp_path / "hostile.csv").write_text("unique_id,ds,y\n" + rows)
    page.set_input_files("#file", tmp_path / "hostile.csv")
    shown(page, 1)
    page.select_option("#series", label=EVIL)
    shown(page, 2)
    assert EVIL in page.inner_text("#summary")
    assert page.title() == "Forecasts"
    assert page.locator("#result img").count() == 0
    page.select_option("#series", label="=cmd")
    shown(page, 3)
    with page.expect_download() as download:
        page.click("#download")
    cells = re.split(r"[,\n]", Path(download.value.path()).read_text())
    assert not [cell for cell in cells if cell.strip('"').startswith(("=", "@"))]


def test_files_and_numbers_as_spreadsheets_write_them(page, tmp_path):
    rows = "".join(
        f"{place};{day:02d}.01.2024;{day},5\n"
        for place in ("Zürich", "Genève")
        for day in range(1, 29)
    )
    (tmp_path / "ansi.csv").write_bytes(f"Ort;Tag;Wert\n{rows}".encode("cp1252"))
    page.set_input_files("#file", tmp_path / "ansi.csv")
    shown(page, 1)
    assert page.inner_text("#summary").startswith("Genève: after 28.5")
    assert "Zürich" in page.inner_text("#which")
    page.fill("#text", "1,5; 2,5; 3,5; 4,5")
    page.click("#go")
    shown(page, 2)
    assert page.inner_text("#source") == "4 numbers. '1,5' is read with a decimal comma."


PASTED = {
    "12,5\n13,2\n1.014,9": [12.5, 13.2, 1014.9],
    "1 234,5\n1 300,2\n950": [1234.5, 1300.2, 950],
    "1,234.5\n1,300.2": [1234.5, 1300.2],
    "1,234\n950\n2,345": [1234, 950, 2345],
    "0,125\n0,250": [0.125, 0.25],
    "12,5\t13,2\t14,9": [12.5, 13.2, 14.9],
    "1.5, 2.5, 3.5": [1.5, 2.5, 3.5],
    "1,5 2,5 3,5": [1.5, 2.5, 3.5],
    "112,118,132": [112, 118, 132],
    "112 118 132": [112, 118, 132],
    "$12\n$1,300\n-5 %\n\N{MINUS SIGN}3": [12, 1300, -5, -3],
    "12\n\n14\nNA": [12, None, 14, None],
    "[1, null, 3]": [1, None, 3],
    "Umsatz\n12,5\n13": [12.5, 13],
    "1,2,3,\n4,5": [1, 2, 3, 4, 5],
    "1\t5\n2\t6": None,
    "ds,y\n2024-01-01,3": None,
    "112, abc": None,
}


def test_pasted_numbers_are_read_as_their_country_writes_them(page):
    read = """async (texts) => {
        const { numbersOf } = await import("/web/numbers.js");
        return texts.map((text) => (numbersOf(text) || { values: null }).values);
    }"""
    assert dict(zip(PASTED, page.evaluate(read, list(PASTED)), strict=True)) == PASTED


def test_columns_that_are_known_ahead_are_sent_and_the_empty_rows_are_forecast(page):
    rows = "".join(
        f"2024-01-{day:02d},{day % 7 if day < 25 else ''},{day % 3}\n" for day in range(1, 31)
    )
    page.fill("#text", f"date,sales,price\n{rows}")
    page.click("#go")
    shown(page, 1)
    assert "The last 6 rows have no value" in page.inner_text("#source")
    assert page.input_value("#horizon") == "6"
    page.click("#columns summary")
    page.select_option("#roles select[data-name=price]", label="known ahead")
    shown(page, 2)
    assert page.locator("#table tbody tr").first.inner_text().startswith("2024-01-25")
    assert page.inner_text("#notes") == ""
    page.fill("#horizon", "7")
    page.keyboard.press("Tab")
    page.wait_for_selector("#error:not([hidden])")
    assert "'price' is known for 6 steps" in page.inner_text("#error")
    page.click("#backtest")
    shown(page, 3)
    assert page.locator("#error").is_hidden()
    page.select_option("#roles select[data-name=price]", label="known so far")
    shown(page, 4)
    assert "was trained without 'price'" in page.inner_text("#notes")


def test_what_is_shown_follows_the_options_and_the_last_answer_wins(page):
    page.select_option("#example", "aus_retail_wide.csv")
    shown(page, 1)
    page.click("#backtest")
    shown(page, 2)
    page.evaluate("""() => {
        const series = document.getElementById("series");
        for (const value of ["1", "2", "3"]) {
            series.value = value;
            series.dispatchEvent(new Event("change"));
        }
    }""")
    shown(page, 3)
    assert page.locator("#table caption").inner_text() == "Backtest of tasmania_cafes"
    page.wait_for_timeout(200)
    assert page.evaluate("document.body.dataset.shown") == "3"


def test_all_series_are_downloaded_at_once(page):
    page.select_option("#example", "aus_retail_wide.csv")
    shown(page, 1)
    with page.expect_download() as download:
        page.click("#all")
    lines = Path(download.value.path()).read_text().splitlines()
    assert lines[0] == "Series,Time,Mean,2.5 %,10 %,Median,90 %,97.5 %"
    assert len(lines) == 1 + 5 * 12
    assert len({line.split(",")[0] for line in lines[1:]}) == 5


def test_a_refusal_is_shown_as_a_sentence(page):
    page.fill("#text", "ds,y\n2024-01-01,1\n2024-01-02,abc\n")
    page.click("#go")
    page.wait_for_selector("#error:not([hidden])")
    assert "row 3" in page.inner_text("#error")


def test_training_starts_and_is_cancelled(page):
    page.fill("#text", ",".join(str(n % 7) for n in range(80)))
    page.click("#training summary")
    page.select_option("#start", "none")
    page.click("#train")
    page.wait_for_selector("#cancel:enabled")
    assert page.inner_text("#job") == "mine: waiting for a runner…"
    page.reload()
    page.wait_for_selector("#cancel:enabled")
    assert page.input_value("#text").startswith("0,1,2,3")
    other = page.context.new_page()
    other.goto(page.url)
    other.wait_for_selector("#cancel:enabled")
    other.click("#cancel")
    page.get_by_text("Cancelled.").wait_for()
    assert page.locator("#cancel").is_hidden()


def test_the_curve_shows_where_training_begins_anew(page):
    page.evaluate("""async () => {
        const { drawCurve } = await import("/web/chart.js");
        const curve = document.getElementById("curve");
        document.getElementById("progress").hidden = false;
        drawCurve(curve, [[20, 0.5, 0.4], [40, 0.3, 0.35], [60, 0.5, null], [80, 0.3, null]]);
    }""")
    assert page.locator("#curve canvas").count() == 1
    shown_lines = page.inner_text("#curve-readout")
    assert "Loss of points held back" in shown_lines
    assert "Training loss, anew on all points" in shown_lines
