"""The page's server: what it answers, to whom, and what it refuses."""

import json
import re
import socket
import time

import pytest
from stage import at, until
from web import DAY, Served
from years import make_up

from bowstream.cli.main import main
from bowstream.cli.page_check import check_web
from bowstream.config.fields import SettingError
from bowstream.config.settings import Settings, TagSettings
from bowstream.config.web import WebSettings
from bowstream.errors import BowstreamError, UsageError
from bowstream.web.app import FOLDER
from bowstream.web.archive import Archive
from bowstream.web.hub import WAITING
from bowstream.web.password import Attempts, hashed, matches
from bowstream.web.tuning import Tuning

PASSWORD = "correct horse"
# As what is kept of a password looks.
KEPT = f"scrypt:16384:8:1:{'A' * 22}==:{'A' * 43}="


@pytest.fixture
def served(tmp_path):
    with Served(tmp_path) as page:
        yield page


@pytest.fixture
def locked(tmp_path):
    """A page that asks for a password."""
    with Served(tmp_path, password=hashed(PASSWORD)) as page:
        yield page


@pytest.fixture
def past(served):
    """A page with a past: rain, and a dog with its clip."""
    stage = served.stage
    served.live_through(
        stage.sound(3), stage.begin("rain", 2.0), stage.sound(2), stage.end("rain", 2.0, 4.0), stage.begin("dog", 5.0),
        stage.sound(3), stage.end("dog", 5.0, 7.0), stage.sound(2), stage.gap(2.0), stage.sound(2),
    )  # fmt: skip
    return served


def sign_in(page, password=PASSWORD):
    """Return status and cookie."""
    status, headers, _ = page.ask("POST", "/api/login", {"password": password})
    return status, headers.get("set-cookie", "")


# Live.


def test_what_is_heard_is_on_the_page_at_once(served):
    stage = served.stage
    with served.live() as wait_for:
        hello, _ = wait_for("hello")
        assert [tag["tag"] for tag in hello["tags"]] == ["dog", "laughing", "rain"] and hello["events"] == []
        sent_s = time.monotonic()
        stage.play(served.page, stage.sound(1), stage.begin("dog", 0.5))
        sound, _ = wait_for("sound")
        assert len(sound["m"]) == 128  # 96 bytes in base64
        event, came_s = wait_for("event")
    assert came_s - sent_s < 0.3
    assert (event["tag"], event["onset_ms"], event["duration_ms"]) == ("dog", at(0.5).timestamp() * 1000, None)


def test_a_page_that_opens_later_is_told_what_is_open(served):
    stage = served.stage
    stage.play(served.page, stage.sound(1), stage.begin("dog", 0.5), stage.begin("rain", 0.6), stage.sound(1))
    stage.play(served.page, stage.end("rain", 0.6, 1.5))
    with served.live() as wait_for:
        hello, _ = wait_for("hello")
    assert [(event["tag"], event["duration_ms"]) for event in hello["events"]] == [("dog", None), ("rain", 900)]


def test_a_page_that_does_not_read_misses_something_and_delays_nothing(served):
    stage = served.stage
    with socket.create_connection(("127.0.0.1", served.port)) as link:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        link.sendall(f"GET /api/live HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n\r\n".encode())
        until(lambda: served.page._hub.is_watched)
        longest_s, notice = 0.0, stage.notice("silence", "x" * 5000)
        for _ in range(30 * WAITING):
            started_s = time.monotonic()
            served.page.write(notice)
            longest_s = max(longest_s, time.monotonic() - started_s)
            time.sleep(0.0002)
        until(lambda: served.page._hub.missed > 0)
    assert longest_s < 0.5  # a busy machine's pause, and no wait for the page
    until(lambda: not served.page._hub.is_watched)
    assert not served.warnings


def test_more_pages_than_there_is_room_for_are_refused(served, monkeypatch):
    monkeypatch.setattr("bowstream.web.hub.PAGES", 2)
    with served.live() as one, served.live() as two:
        one("hello"), two("hello")
        assert served.ask("GET", "/api/live")[0] == 503


def test_it_ends_soon_with_a_page_open_and_lets_go_of_its_port(tmp_path):
    with Served(tmp_path) as page, page.live() as wait_for:
        wait_for("hello")
        started_s = time.monotonic()
        page.page.__exit__()
        assert time.monotonic() - started_s < 3.0
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.bind(("127.0.0.1", page.port))


def test_a_page_that_nobody_opens_costs_nothing(served):
    clock = time.pthread_getcpuclockid(served.page._thread.ident)  # other tests may have left threads that take some

    def cpu_s():
        began_s = time.clock_gettime(clock)
        time.sleep(1.0)
        return time.clock_gettime(clock) - began_s

    # A server that wakes up twenty times a second takes 3.5 ms; one that has just started has something to do.
    assert any(cpu_s() < 2e-3 for _ in range(3))


def test_a_port_that_is_taken(served, tmp_path):
    other = Served(tmp_path)
    other.page._settings = WebSettings(port=served.port)
    with pytest.raises(BowstreamError, match="choose another port"):
        other.page.__enter__()


# The past.


def test_a_day(past):
    day = past.get(f"/api/day?day={DAY}")
    assert [(event["tag"], event["duration_ms"], event["clip"]) for event in day["events"]] == [
        ("rain", 2000, True),
        ("dog", 2000, True),
    ]
    assert sum(length for _, length in day["gaps"]) == 2000
    assert sum(end - start for start, end in day["listened"]) == pytest.approx(12_000, abs=1100)
    assert day["minutes"]


def test_events_by_their_ids(past):
    rain, dog = past.get(f"/api/day?day={DAY}")["events"]
    assert past.get(f"/api/events?ids={dog['id']}") == {"events": [dog]}
    assert past.get(f"/api/events?ids={dog['id']},{'0' * 13},{rain['id']}") == {"events": [rain, dog]}
    assert past.get(f"/api/events?ids={'0' * 13}") == {"events": []}


@pytest.mark.parametrize(
    "query", ["", "?ids=", "?ids=last", "?ids=0000000000000,", f"?ids={','.join(101 * ['0' * 13])}"]
)
def test_ids_that_are_none(past, query):
    assert past.ask("GET", f"/api/events{query}")[0] == 400


def test_hours_of_days_and_tags(tmp_path):
    make_up(tmp_path / "history.db", round(time.time() * 1000), days=3, per_day=40, with_minutes=0)
    heat = Archive(tmp_path / "history.db", None).heat(7)
    assert len(heat["days"]) == len(heat["counts"]) == 7
    assert sum(map(sum, heat["counts"])) == sum(sum(tag["hours"]) for tag in heat["tags"]) == 120
    rainy = Archive(tmp_path / "history.db", None).heat(7, group="wet", groups={"rain": "wet", "dog": ""})
    others = Archive(tmp_path / "history.db", None).heat(7, group="others", groups={"rain": "wet", "dog": ""})
    assert {tag["tag"] for tag in rainy["tags"]} == {"rain"}
    assert {tag["tag"] for tag in others["tags"]} == {tag["tag"] for tag in heat["tags"]} - {"rain"}
    assert sum(map(sum, others["counts"])) == 120 - sum(map(sum, rainy["counts"]))
    assert sum(map(sum, rainy["counts"])) == sum(tag["events"] for tag in rainy["tags"]) < 120
    assert set(rainy["heard"]) == {tag["tag"] for tag in heat["tags"]}
    dog = Archive(tmp_path / "history.db", None).heat(7, "dog")
    assert sum(map(sum, dog["counts"])) == next(tag["events"] for tag in heat["tags"] if tag["tag"] == "dog")


def test_a_clip(past):
    dog = past.get(f"/api/day?day={DAY}")["events"][1]
    status, headers, body = past.ask("GET", f"/clips/{dog['id']}")
    assert (status, headers["content-type"], body[:4]) == (200, "audio/flac", b"fLaC")


@pytest.mark.parametrize("move", ["elsewhere", "link", "gone", "no clip"])
def test_nothing_outside_the_clips_folder_is_sent(past, move):
    dog = past.get(f"/api/day?day={DAY}")["events"][1]
    (clip,) = past.clips.glob("*_dog.flac")
    secret = past.folder / "secret.flac"
    if move == "elsewhere":
        past.archive.clips = past.folder / "other"
    else:
        clip.replace(secret)
    if move == "link":
        clip.symlink_to(secret)
    if move == "no clip":
        past.archive.clips = None
    assert past.ask("GET", f"/clips/{dog['id']}")[0] == 404
    assert not past.get(f"/api/day?day={DAY}")["events"][1]["clip"]


@pytest.mark.parametrize(
    "path",
    ["/clips/../history.db", "/clips/%2e%2e%2fhistory.db", "/../page.py", "/static/page.css", "/index.html",
     "/etc/passwd", "/clips/last", "/clips/", "/api/", "//127.0.0.1/"],
)  # fmt: skip
def test_there_are_no_other_files(past, path):
    assert past.ask("GET", path)[0] == 404


def test_right_and_wrong(past):
    dog = past.get(f"/api/day?day={DAY}")["events"][1]["id"]
    with past.live() as wait_for:
        wait_for("hello")
        for verdict in ("wrong", "right", None):
            status, _, body = past.ask("POST", "/api/verdict", {"id": dog, "verdict": verdict})
            assert (status, json.loads(body)["verdict"]) == (200, verdict)
            assert wait_for("judged")[0]["verdict"] == verdict
            assert past.get(f"/api/day?day={DAY}")["events"][1]["verdict"] == verdict


@pytest.mark.parametrize(
    "body", [{"id": "last", "verdict": "wrong"}, {"id": "0" * 13, "verdict": "maybe"},
             {"id": "0" * 13, "verdict": "wrong"}, {}, {"id": None}, "[]", "{", "", "[" * 4000]
)  # fmt: skip
def test_verdicts_that_are_none(past, body):
    sent = body if isinstance(body, dict) else body.encode()
    status, _, answer = past.ask("POST", "/api/verdict", sent, content_type="application/json")
    assert status == 400 and json.loads(answer)["error"]


@pytest.mark.parametrize("query", ["day=x", "day=2027-13-01", "day=99999-01-01"])
def test_days_that_are_none(past, query):
    assert past.ask("GET", f"/api/day?{query}")[0] == 400


def test_without_a_history_it_says_so(tmp_path):
    page = Served(tmp_path)
    page.page._archive = None
    with page:
        assert page.ask("GET", "/api/day")[0] == 404
        assert page.ask("GET", f"/api/events?ids={'0' * 13}")[0] == 404
        with page.live() as wait_for:
            assert wait_for("hello")[0]["has_history"] is False


# Tags.


def test_a_tag_is_muted_at_once_kept_and_taken_back(served, tmp_path):
    stage, tracker = served.stage, served.tracker
    assert [event.tag for event in tracker.push(stage.scores(dog=0.9))] == ["dog"]
    tracker.reset()
    status, _, body = served.ask("POST", "/api/tag", {"tag": "dog", "muted": True})
    assert status == 200
    served.page.write(stage.scores())  # from the next hop on
    assert tracker.push(stage.scores(dog=0.9)) == []
    again = Tuning(stage.info.tags, tracker.retune, tmp_path / "tags.toml")
    assert again["dog"].own.muted and again.changed == ["dog"]
    undo = json.loads(body)["before"]
    assert undo == {"tag": "dog", "on": None, "muted": False}
    assert served.ask("POST", "/api/tag", undo)[0] == 200
    served.page.write(stage.scores())
    assert [event.tag for event in tracker.push(stage.scores(dog=0.9))] == ["dog"]
    assert "dog" not in (tmp_path / "tags.toml").read_text()


def test_a_threshold(served):
    stage, tracker = served.stage, served.tracker
    served.ask("POST", "/api/tag", {"tag": "rain", "on": 0.2})
    served.page.write(stage.scores())
    assert [event.tag for event in tracker.push(stage.scores(rain=0.25))] == ["rain"]
    (rain,) = (tag for tag in served.get("/api/tags")["tags"] if tag["tag"] == "rain")
    assert (rain["on"], rain["off"], rain["usual"], rain["own"]) == (0.2, 0.2, 0.6, 0.2)


@pytest.mark.parametrize(
    "body", [{"tag": "cat"}, {"tag": "dog", "on": 2}, {"tag": "dog", "on": True}, {"tag": "dog", "on": "0.5"},
             {"tag": "dog", "muted": 1}, {"tag": ["dog"]}]
)  # fmt: skip
def test_tags_that_are_none(served, tmp_path, body):
    assert served.ask("POST", "/api/tag", body)[0] == 400
    assert not (tmp_path / "tags.toml").exists()


def test_a_tags_file_that_is_wrong_is_refused(served, tmp_path):
    (tmp_path / "tags.toml").write_text("[tags.dog]\non = 7\n")
    with pytest.raises(UsageError, match="on must be 0 … 1"):
        Tuning(served.stage.info.tags, served.tracker.retune, tmp_path / "tags.toml")


def test_odd_names_are_kept(served, tmp_path):
    name = 'a "b" \\ ü\t'
    tags = (*served.stage.info.tags, type(served.stage.info.tags[0])(name, 0.5, 0.4))
    Tuning(tags, lambda *_: None, tmp_path / "odd.toml").set(name, TagSettings(on=0.3))
    assert Tuning(tags, lambda *_: None, tmp_path / "odd.toml")[name].on == 0.3


# Who may ask.


@pytest.mark.parametrize(
    ("host", "status"),
    [("127.0.0.1", 200), ("localhost:8765", 200), ("[::1]", 200), ("192.168.1.7", 200), (socket.gethostname(), 200),
     ("rebound.example", 403), ("127.0.0.1.rebound.example", 403), ("rebound.example:8765", 403)],
)  # fmt: skip
def test_a_name_that_points_here_learns_nothing(served, host, status):
    for path in ("/", "/api/tags", "/page.js"):
        assert served.ask("GET", path, host=host)[0] == status


def test_two_hosts_are_refused(served):
    with socket.create_connection(("127.0.0.1", served.port)) as link:
        link.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: rebound.example\r\nConnection: close\r\n\r\n")
        assert link.recv(100).split()[1] == b"400"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content_type": "application/json"}, 200),
        ({"content_type": "application/json", "origin": "http://127.0.0.1:PORT", "sec_fetch_site": "same-origin"}, 200),
        ({"content_type": "application/json", "origin": "http://evil.example"}, 403),
        ({"content_type": "application/json", "origin": "null"}, 403),
        ({"content_type": "application/json", "sec_fetch_site": "cross-site"}, 403),
        ({"content_type": "application/json", "sec_fetch_site": "same-site"}, 403),
        ({"content_type": "text/plain"}, 415),
        ({"content_type": "application/x-www-form-urlencoded"}, 415),
        ({}, 415),
    ],
)
def test_another_sites_page_changes_nothing(served, headers, status):
    named = {name: value.replace("PORT", str(served.port)) for name, value in headers.items()}
    body = json.dumps({"tag": "dog", "muted": True}).encode()
    assert served.ask("POST", "/api/tag", body, **named)[0] == status
    assert served.tuning["dog"].own.muted == (status == 200)


def test_another_sites_page_reads_nothing(served):
    assert served.ask("GET", "/api/tags", sec_fetch_site="cross-site", sec_fetch_mode="no-cors")[0] == 403
    assert served.ask("GET", "/", sec_fetch_site="cross-site", sec_fetch_mode="navigate")[0] == 200


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH"])
def test_other_methods_are_refused(served, method):
    status, headers, _ = served.ask(method, "/api/tags")
    assert status == 405 and "access-control-allow-origin" not in headers


@pytest.mark.parametrize("path", ["/", "/page.js", "/api/tags", "/nowhere", "/login", "/icon-192.png"])
def test_every_answer_is_strict(served, path):
    _, headers, _ = served.ask("GET", path)
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'") and "unsafe" not in policy and "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff" and "server" not in headers


def test_a_body_that_is_too_long_is_refused(served):
    assert served.ask("POST", "/api/tag", {"tag": "x" * 5000})[0] == 413


def test_nothing_private_without_the_password(locked):
    for path in ("/api/tags", "/api/live", "/api/day", "/api/events", "/api/heat", f"/clips/{'0' * 13}", "/nowhere"):
        assert locked.ask("GET", path)[0] == 401
    for path in ("/api/tag", "/api/verdict", "/api/logout"):
        assert locked.ask("POST", path, {"tag": "dog", "muted": True})[0] == 401
    status, headers, _ = locked.ask("GET", "/")
    assert (status, headers["location"]) == (303, "/login") and locked.ask("GET", "/login")[0] == 200
    assert not locked.tuning.changed


def test_the_password_opens_until_one_signs_out(locked):
    status, cookie = sign_in(locked)
    assert status == 200 and "HttpOnly" in cookie and "SameSite=Strict" in cookie
    mine = {"cookie": cookie.partition(";")[0]}
    assert locked.ask("GET", "/", **mine)[0] == 200
    with locked.live(**mine) as wait_for:
        assert wait_for("hello")[0]["asks"] is True
        assert locked.ask("POST", "/api/logout", {}, **mine)[0] == 200
        with pytest.raises(AssertionError, match="closed"):
            locked.stage.play(locked.page, locked.stage.sound(1))
            wait_for("nothing")
    assert locked.ask("GET", "/api/tags", **mine)[0] == 401
    assert locked.ask("GET", "/api/tags", cookie=f"bowstream={'x' * 43}")[0] == 401
    assert locked.ask("GET", "/api/tags", cookie="bowstream=; \x80=;")[0] == 401


def test_guessing_is_slow(locked):
    assert [sign_in(locked, f"guess {number}")[0] for number in range(6)] == [401] * 5 + [429]
    assert sign_in(locked)[0] == 429  # the right one, too: else the answer would tell
    _, headers, _ = locked.ask("POST", "/api/login", {"password": "more"})
    assert int(headers["retry-after"]) <= 30


def test_attempts_come_back_with_time_and_many_addresses_help_little():
    now = [0.0]
    attempts = Attempts(each=2, every_s=10.0, together=3, together_s=100.0, now_s=lambda: now[0])
    assert [attempts.wait_s("a") for _ in range(3)] == [0.0, 0.0, 10.0]
    assert attempts.wait_s("b") == 0.0 and attempts.wait_s("c") == 100.0
    now[0] = 100.0
    assert attempts.wait_s("a") == 0.0 and attempts.wait_s("b") == 100.0


def test_hashes():
    kept = hashed(PASSWORD)
    assert PASSWORD not in kept and hashed(PASSWORD) != kept
    assert matches(PASSWORD, kept) and not matches(PASSWORD.upper(), kept) and not matches("", kept)
    assert not matches("x" * 10_000, kept) and not matches(PASSWORD, "scrypt:99999999:8:1:" + kept.split(":", 4)[4])


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.168.1.7", "bowstream.lan"])
def test_the_network_takes_a_password(address):
    with pytest.raises(SettingError, match="must come with a password"):
        WebSettings(address=address)
    assert WebSettings(address=address, password=KEPT)
    assert WebSettings().address == "127.0.0.1"


def test_a_password_itself_is_no_setting():
    with pytest.raises(SettingError, match="not the password itself"):
        WebSettings(password=PASSWORD)


# What it is made of.


def test_the_page_is_small_and_needs_nothing_from_outside():
    files = [file for file in FOLDER.iterdir() if file.suffix != ".png"]
    assert sum(file.stat().st_size for file in files if file.name != "picture.js") <= 60_000  # that one draws
    for file in files:
        text = file.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|//[a-z0-9-]+\.[a-z]", text), file.name
        if file.suffix == ".html":
            assert not re.search(r"\sstyle=|\son[a-z]+=|<style|<script(?![^>]*src=)", text), file.name


# The command line.


def test_a_password_makes_a_line_for_the_configuration(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", __import__("io").StringIO(f"{PASSWORD}\n"))
    assert main(["password"]) == 0
    line = capsys.readouterr().out
    assert matches(PASSWORD, line.removeprefix('password = "').rstrip('"\n'))


def test_a_password_that_is_too_short(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", __import__("io").StringIO("short\n"))
    assert main(["password"]) == 2
    assert "must be 8 … 256 characters (got 5)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("web", "said"),
    [
        (None, "none is served"),
        (WebSettings(), "every user of this machine"),
        (WebSettings(password=KEPT), "who has the password can see it, from this machine alone"),
        (WebSettings(address="0.0.0.0", password=KEPT), "from every network"),
    ],
)
def test_the_doctor_says_who_can_reach_it(web, said):
    (finding,) = check_web(Settings(web=web))
    assert finding.state == "ok" and said in finding.found
