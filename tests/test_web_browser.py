"""The page in a real browser: Chromium, driven by Playwright, at a phone's width and a desk's."""

import json
import os
import shutil
import time
from dataclasses import replace

import pytest
from stage import until
from web import DAY, Served

from bowstream.history.store import open_history
from bowstream.web.password import hashed

# The first has no windows to draw, and costs two thirds of what the others do.
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium"),
    pytest.mark.timeout(240),
]
# Names of tags are text from outside.
EVIL = '<img src=x onerror="document.title=1">'
WAIT_MS = 30_000
# Answers to requests that begin so wait until `go` is called.
HOLD = """(held) => {
    const ask = fetch, gone = new Promise((go) => { window.go = go; });
    window.fetch = async (path, ...more) => { if (path.startsWith(held)) await gone; return ask(path, ...more); };
}"""


@pytest.fixture(scope="module")
def chromium():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with playwright.sync_playwright() as driver:
        quiet = ["--mute-audio", "--autoplay-policy=no-user-gesture-required"]
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=[*sandbox, *quiet])
        yield browser
        browser.close()


@pytest.fixture
def served(tmp_path):
    """A page with a past: rain, and a dog, both with clips."""
    with Served(tmp_path, "dog", "rain", EVIL, hop_s=0.1) as page:
        stage = page.stage
        page.live_through(
            stage.sound(3), stage.begin("rain", 2.0), stage.sound(2), stage.end("rain", 2.0, 4.0),
            stage.begin("dog", 5.0), stage.sound(3), stage.end("dog", 5.0, 7.0), stage.sound(3),
        )  # fmt: skip
        yield page


@pytest.fixture(scope="module", params=[(360, "light"), (1440, "dark")], ids=["phone", "desk"])
def tab(request, chromium):
    """One for all pages: each is at an address of its own, so nothing of those before it is left."""
    width, scheme = request.param
    context = chromium.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, timezone_id="UTC", locale="en-GB"
    )
    tab = context.new_page()
    tab.set_default_timeout(WAIT_MS)
    yield tab
    context.close()


@pytest.fixture
def opened(tab, served):
    """The page in the browser, with nothing in its console at the end."""
    said = []
    heard = {"console": lambda message: said.append(message.text), "pageerror": lambda error: said.append(str(error))}
    for event, note in heard.items():
        tab.on(event, note)
    tab.goto(served.page.address)
    tab.wait_for_selector("#status.on")
    yield tab
    too_wide = tab.evaluate("document.documentElement.scrollWidth - innerWidth")
    tab.goto("about:blank")
    for event, note in heard.items():
        tab.remove_listener(event, note)
    assert said == [] and too_wide <= 0


def test_what_sounds_appears_within_300_ms_and_ends(served, opened):
    stage = served.stage
    opened.evaluate(
        """() => { window.seen = null; new MutationObserver(() => {
            if (document.querySelector("#open .chip")) window.seen ??= performance.timeOrigin + performance.now();
        }).observe(document.getElementById("open"), { childList: true }); }"""
    )
    took_s = []
    for start_s in (11.0, 12.0, 13.0):
        sent_ms = opened.evaluate("performance.timeOrigin + performance.now()")
        stage.play(served.page, stage.piece(), stage.scores(dog=0.8), stage.begin("dog", start_s))
        opened.wait_for_selector("#open .chip >> text=dog")
        took_s.append((opened.evaluate("window.seen") - sent_ms) / 1000.0)
        stage.play(served.page, stage.end("dog", start_s, start_s + 0.5))
        opened.wait_for_selector("#open.calm")
        opened.evaluate("window.seen = null")
    assert min(took_s) < 0.3
    row = opened.locator("#scores li", has_text="dog")
    assert row.locator("span").inner_text() == "80 %"
    assert opened.locator("#recent .event").count() == 3


def test_what_has_ended_gets_its_clip_and_nothing_else_is_asked_for(served, opened):
    stage, asked = served.stage, []
    opened.on("request", lambda request: asked.append(request.url.removeprefix(served.page.address)))
    served.archive.judge(stage.id("dog", 5.0), "wrong")
    stage.play(served.page, stage.begin("dog", 5.0), stage.end("dog", 5.0, 7.0), stage.begin("rain", 11.0))
    opened.wait_for_selector("#recent .event.wrong >> text=dog")
    assert opened.locator("#recent .event", has_text="dog").locator(".play").count() == 1
    assert opened.locator("#recent .event", has_text="rain").locator(".play").count() == 0
    assert [path.lstrip("/") for path in asked] == [f"api/events?ids={stage.id('dog', 5.0)}"]


def test_a_name_is_text(served, opened):
    stage = served.stage
    stage.play(served.page, stage.piece(), stage.begin(EVIL, 11.0), stage.scores(**{EVIL: 0.9}))
    opened.wait_for_selector("#open .chip")
    assert opened.locator("#open .chip").inner_text() == EVIL
    opened.click('nav a[href="#tags"]')
    assert opened.locator("#tag-list b").all_inner_texts() == ["dog", "rain", EVIL]
    assert opened.title() == "bowstream" and opened.locator("main img").count() == 0


def test_a_clip_plays_and_a_wrong_mark_arrives(served, opened):
    opened.evaluate(f"location.hash = 'day/{DAY}'")
    row = opened.locator("#day-events .event", has_text="dog")
    row.locator(".play").click()
    # The policy lets no text be run as code, wait_for_function's neither.
    until(lambda: opened.evaluate("document.getElementById('player').currentTime") > 0.2, WAIT_MS / 1000.0)
    assert opened.evaluate("document.getElementById('player').duration") == pytest.approx(4.0, abs=0.1)
    ink = "c => new Set(c.getContext('2d').getImageData(0, 0, c.width, c.height).data).size"
    until(lambda: opened.evaluate(f"({ink})(document.getElementById('clip-picture'))") > 20, WAIT_MS / 1000.0)
    opened.locator("#clip-verdict .wrong").click()
    opened.wait_for_selector("#clip-verdict .wrong[aria-pressed=true]")
    assert verdict(served, "dog") == "wrong"
    opened.keyboard.press("Escape")
    opened.wait_for_selector("#day-events .event.wrong >> text=dog")
    opened.get_by_role("button", name="Undo").click()
    until(lambda: verdict(served, "dog") is None)


def test_a_clip_that_is_closed_before_it_came_stays_silent(served, opened):
    opened.evaluate(f"location.hash = 'day/{DAY}'")
    play = opened.locator("#day-events .event", has_text="dog").locator(".play")
    play.wait_for()
    opened.evaluate(HOLD, "/clips/")
    play.click()
    opened.get_by_role("button", name="Close").click()
    opened.evaluate("go()")
    time.sleep(0.5)
    assert opened.evaluate("document.getElementById('player').getAttribute('src')") is None
    assert opened.locator("#toast").inner_text() == ""
    play.click()  # and another time it plays
    until(lambda: opened.evaluate("document.getElementById('player').currentTime") > 0.2, WAIT_MS / 1000.0)


def test_a_day_that_is_told_late_is_not_shown_instead_of_the_newest(served, opened):
    opened.evaluate(HOLD, f"/api/day?day={DAY}")
    opened.evaluate(f"location.hash = 'day/{DAY}'")
    opened.evaluate("location.hash = 'day/2027-01-14'")
    opened.wait_for_selector("#day-name >> text=14 January")
    opened.evaluate("go()")
    time.sleep(0.5)
    assert "14 January" in opened.locator("#day-name").inner_text()
    assert opened.locator("#timeline .bar").count() == 0


def test_lengths_are_told_in_whole_minutes_and_seconds(opened):
    told = "([...ms]) => import('/api.js').then(({ lasted }) => ms.map(lasted))"
    assert opened.evaluate(told, [59_940, 59_960, 119_700, 3_599_400, 3_599_600, 7_199_000]) == [
        "59.9 s", "1 min 0 s", "2 min 0 s", "59 min 59 s", "1 h 0 min", "2 h 0 min",
    ]  # fmt: skip


def test_who_is_signed_out_is_asked_for_the_password_again(chromium, tmp_path):
    """As when the listener was started again, which knows nobody; a page that shows itself anew finds out."""
    with Served(tmp_path, password=hashed("correct horse")) as served, chromium.new_context() as context:
        page = context.new_page()
        page.set_default_timeout(WAIT_MS)
        page.goto(served.page.address)
        page.fill("#password", "correct horse")
        page.keyboard.press("Enter")
        page.wait_for_selector("#status.on")
        context.clear_cookies()
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        page.wait_for_selector("#password")


def test_a_tag_that_is_gone_is_no_longer_among_the_tags(served, opened):
    opened.click('nav a[href="#tags"]')
    opened.wait_for_selector("#tag-list >> text=rain")
    info = replace(served.stage.info, tags=served.stage.info.tags[:1])
    served.tuning.retag(info.tags)
    served.page.write(info)
    opened.wait_for_selector("#tag-list >> text=rain", state="detached")
    assert opened.locator("#tag-list b").all_inner_texts() == ["dog"]


def test_without_a_history_a_day_says_so_and_no_other_view(chromium, tmp_path):
    with Served(tmp_path, has_history=False) as served, chromium.new_context() as context:
        page = context.new_page()
        page.set_default_timeout(WAIT_MS)
        page.goto(f"{served.page.address}#day")
        page.wait_for_selector("text=No history is kept")
        assert page.locator("#before").is_hidden()
        page.click('nav a[href="#hours"]')
        assert page.get_by_text("No history is kept").is_visible()
        page.click('nav a[href="#now"]')
        page.wait_for_selector("#now")
        assert page.get_by_text("No history is kept").is_hidden()


def test_a_day_and_its_hours(served, opened):
    opened.evaluate(f"location.hash = 'day/{DAY}'")
    opened.wait_for_selector("#timeline .bar")
    assert opened.locator("#timeline .bar").count() == 2
    opened.select_option("#day-tag", "tag rain")
    assert opened.locator("#day-events .event").count() == 1
    opened.click('nav a[href="#hours"]')
    opened.wait_for_selector("#heat tbody tr")
    assert opened.locator("#heat tbody tr").count() == 7 and opened.locator("#heat td").count() == 7 * 25


def test_groups_sift_tags_days_and_hours(chromium, tmp_path):
    """More tags than a timeline has lanes: each group has one, and can be chosen."""
    groups = {
        "dog": "animals",
        "cat": "animals",
        "rain": "nature",
        **{f"bell {number}": "alarms" for number in range(9)},
    }
    with Served(tmp_path, *groups, groups=groups) as served, chromium.new_context(timezone_id="UTC") as context:
        stage = served.stage
        begun = [stage.begin(tag, 5.0) for tag in groups]
        served.live_through(stage.sound(8), *begun, *(stage.end(tag, 5.0, 7.0) for tag in groups), stage.sound(3))
        page = context.new_page()
        page.set_default_timeout(WAIT_MS)
        page.goto(f"{served.page.address}#day/{DAY}")
        lanes = page.locator("#timeline .name")
        page.wait_for_selector("#timeline .bar")
        assert lanes.all_text_contents() == ["loudness", "alarms", "animals", "nature"]
        page.select_option("#day-tag", "group animals")
        assert sorted(lanes.all_text_contents()) == ["cat", "dog", "loudness"]
        assert page.locator("#day-events .event").count() == 2
        assert served.get("/api/heat?days=7&group=animals")["tags"] == []  # which was long after
        page.click('nav a[href="#tags"]')
        page.get_by_role("button", name="animals").press("Enter")
        assert page.locator("#tag-list .tag:visible b").all_inner_texts() == ["dog", "cat"]
        assert page.get_by_role("button", name="animals").get_attribute("aria-pressed") == "true"
        assert page.evaluate("document.activeElement.value") == "animals"
        page.fill("#find", "CAT")
        assert page.locator("#tag-list .tag:visible b").all_inner_texts() == ["cat"]
        page.get_by_role("button", name="all").click()
        page.fill("#find", "bell")
        assert page.locator("#tag-list .heading:visible").all_inner_texts() == ["alarms"]


def test_hours_are_the_clocks_on_a_day_when_it_is_set(served, chromium, monkeypatch):
    """At 3:00 it is put back to 2:00: what is heard at 12:30 UTC is 13.5 of 24 hours, and 14.5 of 25, from the left."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    noon_ms = 1_824_985_800_000  # 2027-10-31 12:30 UTC, 13:30 there
    with open_history(served.archive.path, writable=True) as history, history:
        history.execute(
            "INSERT INTO events (id, onset_ms, duration_ms, utc_offset_s, tag, peak, mean, stream) "
            "VALUES ('x', ?, 1000, 3600, 'dog', 1, 1, 1)",
            (noon_ms,),
        )
    try:
        with chromium.new_context(viewport={"width": 1440, "height": 800}, timezone_id="Europe/Berlin") as context:
            page = context.new_page()
            page.set_default_timeout(WAIT_MS)
            page.goto(f"{served.page.address}#day/2027-10-31")
            bar = page.locator("#timeline .bar").bounding_box()
            lines = [page.locator("#timeline .grid").nth(number).bounding_box()["x"] for number in range(9)]
            assert lines[1] - lines[0] == pytest.approx(4 / 3 * (lines[2] - lines[1]), abs=1.5)
            assert (bar["x"] - lines[4]) / (lines[5] - lines[4]) == pytest.approx(0.5, abs=0.05)
            page.locator("#timeline svg").click(position={"x": bar["x"] + 1 - lines[0] + 124, "y": 20})
            page.wait_for_selector("#day-list >> text=Events from 13:00 to 14:00")
            assert page.locator("#day-events .event").count() == 1
    finally:
        monkeypatch.undo()
        time.tzset()


def test_muting_by_keyboard_and_its_undo(served, opened):
    opened.focus('nav a[href="#tags"]')
    opened.keyboard.press("Enter")
    mute = opened.get_by_role("switch", name="Listen for rain")
    mute.focus()
    opened.keyboard.press("Space")
    opened.wait_for_selector("#tag-list .muted >> text=rain")
    assert served.tuning["rain"].own.muted
    opened.get_by_role("button", name="Undo").press("Enter")
    until(lambda: not served.tuning["rain"].own.muted)
    opened.get_by_role("slider", name="Threshold of dog").press("ArrowLeft")
    until(lambda: served.tuning["dog"].own.on is not None)
    assert served.tuning["dog"].on == pytest.approx(0.59)


def test_it_can_be_installed(opened):
    session = opened.context.new_cdp_session(opened)
    problems = session.send("Page.getAppManifest")
    assert problems["errors"] == [] and json.loads(problems["data"])["display"] == "standalone"


def test_every_control_has_a_name(served, opened):
    """As a screen reader has it."""
    served.stage.play(served.page, served.stage.piece(), served.stage.begin("dog", 11.0))
    for view in ("now", "day", "hours", "tags", "health"):
        opened.click(f'nav a[href="#{view}"]')
        time.sleep(0.3)
        tree = opened.context.new_cdp_session(opened).send("Accessibility.getFullAXTree")["nodes"]
        controls = [node for node in tree if node.get("role", {}).get("value") in ("button", "switch", "slider", "link",
                    "combobox", "searchbox", "image") and not node.get("ignored")]  # fmt: skip
        assert controls and all(node.get("name", {}).get("value") for node in controls)


def verdict(served, tag):
    """What the history has of the event of a tag."""
    return next(event for event in served.archive.day(DAY)["events"] if event["tag"] == tag)["verdict"]
