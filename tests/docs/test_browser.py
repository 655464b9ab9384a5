"""The site in a browser: it is read, heard, searched and printed, on small and large screens."""

import base64
import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from tests.docs.conftest import Build

# Debian's name of it, and that of GitHub's machines.
BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")

pytestmark = [
    pytest.mark.skipif(
        not BROWSER or not DRIVER, reason="needs Chromium and its driver: run `make docs-check`"
    ),
    pytest.mark.unmeasured,
]

PLAY = """
const done = arguments[arguments.length - 1], audio = document.querySelector("audio");
audio.muted = true;
audio.addEventListener("ended", () => done([audio.duration, audio.currentTime]));
audio.addEventListener("error", () => done(audio.error.message));
audio.playbackRate = 4;
audio.play().catch(error => done(String(error)));
"""
# Elements wider than the screen that do not scroll by themselves.
TOO_WIDE = """
return document.documentElement.scrollWidth > window.innerWidth
    ? document.documentElement.scrollWidth : 0;
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    profile = tmp_path_factory.mktemp("profile")
    options = ChromeOptions()
    options.binary_location = str(BROWSER)
    for argument in (
        "--headless=new",
        "--no-sandbox",  # which a container has no room for
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--disable-component-update",
        "--autoplay-policy=no-user-gesture-required",
        "--no-first-run",
        # It finds no other host.
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        f"--user-data-dir={profile}",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    # Selenium would look for a browser on the network where it is told of none.
    service = Service(executable_path=DRIVER, env={**os.environ, "SE_OFFLINE": "true"})
    driver = Chrome(options=options, service=service)
    driver.set_page_load_timeout(30)
    driver.set_script_timeout(30)
    try:
        yield driver
    finally:
        driver.quit()


def names(build: Build) -> list[str]:
    """Every page of the site."""
    return [path.relative_to(build.site).as_posix() for path in sorted(build.site.rglob("*.html"))]


def screen(browser: Chrome, width: int, scheme: str = "light") -> None:
    """Take a screen of a width in CSS pixels, and a light or dark scheme."""
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})


def run(browser: Chrome, script: str) -> Any:
    return browser.execute_script(script)


def complaints(browser: Chrome) -> list[str]:
    """What the console says, and forget it."""
    return [entry["message"] for entry in browser.get_log("browser")]  # type: ignore[no-untyped-call]


def test_every_page_fits_the_screen_and_the_console_is_silent(
    browser: Chrome, build: Build, site_url: str
) -> None:
    complaints(browser)
    for name in names(build):
        for width in (1440, 360):
            screen(browser, width)
            browser.get(f"{site_url}/{name}")
            assert run(browser, TOO_WIDE) == 0, f"{name} is too wide for {width} pixels"
        assert complaints(browser) == [], name


def test_what_a_block_made_is_played(browser: Chrome, site_url: str) -> None:
    screen(browser, 1440)
    browser.get(f"{site_url}/index.html")
    played = browser.execute_async_script(PLAY)
    assert isinstance(played, list), played
    assert played[0] == pytest.approx(played[1])
    assert played[0] > 0.5


def test_a_search_finds_a_guide_and_a_name_of_the_reference(browser: Chrome, site_url: str) -> None:
    screen(browser, 1440)
    for words, page in (("interrupt heard", "realtime"), ("RetryPolicy", "reference/client")):
        browser.get(f"{site_url}/index.html")
        field = browser.find_element(By.CSS_SELECTOR, "input[name=q]")
        field.send_keys(words, Keys.ENTER)
        WebDriverWait(browser, 20).until(
            lambda driver: driver.find_elements(By.CSS_SELECTOR, "#search-results li a")
        )
        WebDriverWait(browser, 20).until(
            lambda driver: "found" in driver.find_element(By.ID, "search-results").text
        )
        results = browser.find_elements(By.CSS_SELECTOR, "#search-results li a")
        assert any(page in str(one.get_attribute("href")) for one in results)
    assert complaints(browser) == []


def test_it_is_dark_where_that_is_preferred(browser: Chrome, site_url: str) -> None:
    shades = []
    for scheme in ("light", "dark"):
        screen(browser, 1440, scheme)
        browser.get(f"{site_url}/maintaining/architecture.html")
        color = run(browser, "return getComputedStyle(document.body).backgroundColor")
        text = run(browser, "return getComputedStyle(document.querySelector('h1')).color")
        shades.append([sum(map(float, part[4:-1].split(","))) / 3 for part in (color, text)])
    (light, on_light), (dark, on_dark) = shades
    assert light - on_light > 150
    assert on_dark - dark > 150


def test_it_prints_with_its_text_and_without_its_navigation(browser: Chrome, site_url: str) -> None:
    screen(browser, 1440)
    browser.get(f"{site_url}/guides/realtime.html")
    page = browser.execute_cdp_cmd("Page.printToPDF", {"printBackground": False})
    pdf = base64.b64decode(page["data"])
    assert pdf.startswith(b"%PDF")
    assert len(pdf) > 20_000
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    shown = run(
        browser,
        "return [...document.querySelectorAll('.sidebar-drawer, .toc-drawer, .mobile-header')]"
        ".filter(one => one.offsetParent && getComputedStyle(one).display !== 'none').length",
    )
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert shown == 0


def test_it_is_used_by_keyboard(browser: Chrome, site_url: str) -> None:
    """The first stop leads to the content, the focus is seen, and a player is started."""
    screen(browser, 1440)
    browser.get(f"{site_url}/index.html")
    body = browser.find_element(By.TAG_NAME, "body")
    body.send_keys(Keys.TAB)
    assert "#furo-main-content" in str(browser.switch_to.active_element.get_attribute("href"))
    seen = set()
    for _ in range(80):
        focused = browser.switch_to.active_element
        seen.add(focused.tag_name)
        if focused.tag_name == "audio":
            break
        focused.send_keys(Keys.TAB)
    assert {"a", "input", "audio"} <= seen
    run(browser, "document.activeElement.muted = true")
    browser.switch_to.active_element.send_keys(Keys.SPACE)
    WebDriverWait(browser, 10).until(
        lambda driver: run(driver, "return document.querySelector('audio').currentTime > 0")
    )
