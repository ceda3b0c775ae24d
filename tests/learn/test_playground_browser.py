"""The playground in a real browser: clicks, keys, drawing, reload, two pages, a server that stops."""

import re
import shutil
import subprocess
import sys
import threading

import pytest

from minidnn.playground import Server, record
from minidnn.playground.server import serve_in_thread

playwright = pytest.importorskip("playwright.sync_api", reason="the browser tests need pip install 'minidnn[browser]'")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="the browser tests need Chromium: apt-get install chromium"),
    pytest.mark.filterwarnings("ignore"),  # resources that the browser's driver does not close
]
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
expect = playwright.expect
expect.set_options(timeout=20_000)


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def server():
    with Server() as server:
        serve_in_thread(server)
        yield server
        server.shutdown()


@pytest.fixture
def page(browser):
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.faults = []
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    page.on("console", lambda message: page.faults.append(message.text) if message.type == "error" else None)
    yield page
    context.close()


def opened(page, server, address=""):
    page.goto(f"{server.url}{address}")
    expect(page.locator("body")).to_have_attribute("data-ready", "1")
    return page


def update(page):
    """The number of updates that the page shows."""
    return int(re.sub(r"\D", "", page.inner_text("#status").split(",", 1)[0].split(".")[0] or "0") or 0)


def test_train_pause_step_reset(page, server):
    opened(page, server)
    expect(page.locator("#status")).to_contain_text("Update 0. Press Train.")
    page.click("#step")
    expect(page.locator("#status")).to_have_text("Update 1, paused")
    page.click("#train")
    expect(page.locator("#train")).to_have_text("Pause")
    expect(page.locator("#status")).to_contain_text(re.compile(r"Update [1-9]\d\d"))
    page.click("#train")
    expect(page.locator("#status")).to_contain_text("paused")
    page.click("#reset")
    expect(page.locator("#status")).to_contain_text("Update 0")
    assert page.faults == []


def test_settings_are_in_the_address_and_survive_a_reload(page, server):
    opened(page, server)
    page.select_option("#a-optimizer", "SGD")
    page.fill("#a-lr", "0.5")
    page.press("#a-lr", "Enter")
    page.check("#compare")
    expect(page.locator(".run")).to_have_count(2)
    assert "optimizer=SGD" in page.url and "lr=0.5" in page.url and "b.optimizer=Adam" in page.url
    page.reload()
    expect(page.locator("#a-lr")).to_have_value("0.5")
    expect(page.locator("#b-optimizer")).to_have_value("Adam")
    expect(page.locator(".run")).to_have_count(2)
    page.click("#step")
    expect(page.locator("#status")).to_contain_text("Update 1")
    assert page.faults == []


def test_an_invalid_setting_is_reported(page, server):
    opened(page, server)
    page.fill("#a-hidden", "16,999")
    page.press("#a-hidden", "Enter")
    expect(page.locator("#problem")).to_contain_text("hidden is '16,999', must be up to 8 numbers")
    page.fill("#a-hidden", "4")
    page.press("#a-hidden", "Enter")
    expect(page.locator("#problem")).to_be_hidden()
    expect(page.locator("#status")).to_contain_text("Update 0")


def test_points_by_mouse_and_by_keyboard(page, server):
    opened(page, server)
    expect(page.locator("#status")).to_contain_text("Update 0")
    box = page.locator(".field").bounding_box()
    page.mouse.click(box["x"] + 0.25 * box["width"], box["y"] + 0.5 * box["height"])
    expect(page.locator("#status")).to_contain_text("at least two points")
    page.get_by_label("orange").check()
    page.locator(".field").focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowUp", "Enter"):
        page.keyboard.press(key)
    expect(page.locator("#status")).to_contain_text("Update 0")
    assert "points=-0.60,0.00,1;0.20,0.10,0" in page.url
    page.click("#step")
    expect(page.locator("#status")).to_contain_text("Update 1")
    assert page.faults == []


@pytest.mark.parametrize("place", range(3))
def test_presets(page, server, place):
    opened(page, server)
    page.select_option("#preset", str(place))
    expect(page.locator("#note")).to_be_visible()
    expect(page.locator(".run")).to_have_count(2)
    page.click("#train")
    expect(page.locator("#status")).to_contain_text(re.compile(r"Update [1-9]\d"))
    assert page.faults == []


def test_two_pages_have_separate_runs(browser, server, monkeypatch):
    end, ended = server.controls.end, threading.Semaphore(0)
    monkeypatch.setattr(server.controls, "end", lambda *given: (end(*given), ended.release()))
    first, second = (opened(browser.new_context().new_page(), server) for _ in range(2))
    first.click("#step")
    expect(first.locator("#status")).to_have_text("Update 1, paused")
    expect(second.locator("#status")).to_contain_text("Update 0")
    second.click("#step")
    second.click("#step")
    expect(second.locator("#status")).to_have_text("Update 2, paused")
    expect(first.locator("#status")).to_have_text("Update 1, paused")
    first.context.close()
    second.context.close()
    while len(server.controls):
        assert ended.acquire(timeout=15)


def test_the_race(page, server):
    opened(page, server, "#race")
    expect(page.locator("#race-step-out")).to_have_text("200")
    expect(page.locator("#racers tbody tr")).not_to_have_count(0)
    page.select_option("#surface", "Rosenbrock")
    expect(page.locator("#condition-label")).to_be_hidden()
    page.select_option("#explained", "Adam")
    expect(page.locator("#race-explain")).to_contain_text("struct Adam")
    page.fill("#race-lr", "zero")
    page.press("#race-lr", "Enter")
    expect(page.locator("#problem")).to_contain_text("lr is 'zero', must be a number")
    for name in page.locator("#explained option").all_inner_texts():
        page.select_option("#explained", name)
        expect(page.locator("#race-explain pre")).to_have_count(3)
        expect(page.locator("#problem")).to_contain_text("lr is")  # and no other problem
    assert [fault for fault in page.faults if "400" not in fault] == []


def test_a_digit_is_drawn_and_answered(page, server):
    opened(page, server, "#digits")
    expect(page.locator("#d-status")).to_contain_text("Update 0")
    page.select_option("#d-speed", "100")
    page.click("#d-train")
    expect(page.locator("#d-accuracy")).to_contain_text(re.compile(r"9[2-9]\.\d %"))
    page.click("#d-train")
    box = page.locator("#pad").bounding_box()
    place = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in ((0.5, 0.15), (0.49, 0.85))]
    page.mouse.move(*place[0])
    page.mouse.down()
    page.mouse.move(*place[1], steps=8)
    page.mouse.up()
    expect(page.locator("#d-latency")).to_contain_text(re.compile(r"A 1 \(\d+\.\d %\), predicted in [\d.]+ µs"))
    page.click("#d-clear")
    page.locator("#pad").focus()
    for key in ("ArrowUp", "ArrowUp", "ArrowUp", "Space", *["ArrowDown"] * 9, "Space"):
        page.keyboard.press(key)
    expect(page.locator("#d-latency")).to_contain_text(re.compile(r"A 1 "))
    assert page.faults == []


def test_inside_a_step(page, server):
    opened(page, server, "#inside")
    expect(page.locator("#calls tbody tr")).not_to_have_count(0)
    page.select_option("#inside-optimizer", "Adam")
    row = page.locator("#calls button", has_text="adam_step").first
    row.click()
    expect(page.locator("#inside-explain")).to_contain_text("struct Adam")
    expect(row).to_have_attribute("aria-pressed", "true")
    assert page.faults == []


def test_keyboard_alone(page, server):
    opened(page, server)
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    for _ in range(2):
        page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # the third link of the navigation
    expect(page.locator("#page-digits")).to_be_visible()
    assert page.locator("nav a[aria-current=page]").inner_text() == "MNIST live"


@pytest.mark.parametrize("width", [360, 800, 1280])
def test_nothing_is_wider_than_the_window(browser, server, width):
    page = browser.new_context(viewport={"width": width, "height": 800}).new_page()
    for name in ("playground", "race", "digits", "inside"):
        opened(page, server, f"#{name}")
        expect(page.locator(f"#page-{name} h1")).to_be_visible()
        if name in ("race", "inside"):
            expect(page.locator(f"#page-{name} tbody tr")).not_to_have_count(0)
            expect(page.locator(f"#{name}-explain pre")).not_to_have_count(0)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        unnamed = page.evaluate(
            "[...document.querySelectorAll('main button, main input, main select, main canvas')].filter(e => "
            "e.offsetParent && !e.getAttribute('aria-label') && !(e.labels && e.labels.length) "
            "&& !e.textContent.trim()).map(e => e.outerHTML)"
        )
        assert unnamed == []
    page.context.close()


def test_the_theme_changes(page, server):
    opened(page, server)
    dark = page.locator("html").get_attribute("data-theme")
    page.click("#theme")
    expect(page.locator("html")).not_to_have_attribute("data-theme", dark)


def test_a_stopped_server_is_reported_and_a_restarted_one_is_used(page):
    code = (
        "import sys; from minidnn.playground import Server; server = Server(int(sys.argv[1]))\n"
        "print(server.url, flush=True); server.serve_forever()"
    )

    def begun(port):
        process = subprocess.Popen([sys.executable, "-P", "-c", code, str(port)], stdout=subprocess.PIPE, text=True)
        return process, process.stdout.readline().strip()

    process, url = begun(0)
    try:
        page.goto(url)
        expect(page.locator("#status")).to_contain_text("Update 0")
        page.click("#train")
        expect(page.locator("#status")).to_contain_text(re.compile(r"Update [1-9]"))
        process.kill()
        process.wait()
        expect(page.locator("#problem")).to_contain_text("Start it again with: minidnn playground")
        expect(page.locator("#train")).to_have_text("Train")
        process.stdout.close()
        process, _ = begun(int(url.rstrip("/").rpartition(":")[2]))
        page.click("#train")
        expect(page.locator("#status")).to_contain_text(re.compile(r"Update [1-9]"))
        expect(page.locator("#problem")).to_be_hidden()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_recording_replays_without_a_server(page, tmp_path):
    record(tmp_path / "run.html", "data=moons&b.optimizer=SGD", frames=10)
    page.goto((tmp_path / "run.html").as_uri())
    expect(page.locator("#status")).to_contain_text("Update 0")
    expect(page.locator(".run")).to_have_count(2)
    page.click("#train")
    expect(page.locator("#status")).to_have_text("Update 45, paused")
    page.locator("#frame").fill("3")
    expect(page.locator("#status")).to_contain_text("Update 15")
    expect(page.locator("#a-lr")).to_be_disabled()
    assert page.faults == []
