"""MQTT with a real broker, which is killed and started again."""

import json
import os
import re
import shutil
import socket
import time
from dataclasses import replace
from pathlib import Path

import pytest
from broker import Broker, Reader, certify, needs_mosquitto
from stage import Stage, quick, until

from bowstream.config.sinks import ClipsSettings, HistorySettings, MqttSettings
from bowstream.errors import BowstreamError, UsageError
from bowstream.health.counters import Health
from bowstream.history.queries import event
from bowstream.history.store import open_history
from bowstream.sinks import Sinks, home_assistant, mqtt_client
from bowstream.sinks.mqtt import Mqtt
from bowstream.sinks.mqtt_client import Identity
from bowstream.sinks.names import slug, slugs


@pytest.fixture
def stage():
    return Stage("dog", "siren", "clock tick")


@pytest.fixture
def broker(tmp_path):
    broker = Broker(tmp_path)
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def reader(broker):
    reader = Reader(broker.port)
    yield reader
    reader.close()


def mqtt_settings(broker, **fields):
    return MqttSettings(host="127.0.0.1", port=broker.port, topic="bowstream/kitchen", **fields)


@needs_mosquitto
def test_mqtt_says_what_it_hears(stage, broker, reader):
    with Mqtt(mqtt_settings(broker, health_s=2.0), *stage.stream) as sink:
        stage.play(
            sink, stage.sound(3), stage.begin("clock tick", 2.0), stage.end("clock tick", 2.0, 3.0), stage.gap(1)
        )
        until(lambda: reader.said("bowstream/kitchen/gap"))
    until(lambda: reader.said("bowstream/kitchen/status") == ["online", "offline"])
    (on,), (off,) = reader.objects("bowstream/kitchen/event/on"), reader.objects("bowstream/kitchen/event/off")
    assert (on["event_type"], on["time"], on["peak"]) == ("clock tick", "2027-01-15T08:00:02.000Z", 0.8)
    assert (off["offset_s"], off["mean"]) == (3.0, 0.7)
    assert on["id"] == off["id"] == stage.id("clock tick", 2.0)
    assert reader.objects("bowstream/kitchen/count")[-1] == {"dog": 0, "siren": 0, "clock_tick": 1}
    assert reader.said("bowstream/kitchen/tag/clock_tick")[-2:] == ["ON", "OFF"]
    assert len(reader.objects("bowstream/kitchen/health")) == 2
    assert reader.objects("bowstream/kitchen/gap") == [
        {"time": "2027-01-15T08:00:03.000Z", "type": "gap", "start_s": 3.0, "length_s": 1.0}
    ]
    assert sink.report().lost == 0


@needs_mosquitto
def test_mqtt_is_found_by_home_assistant(stage, broker, reader):
    with Mqtt(mqtt_settings(broker, only=("clock tick",)), *stage.stream):
        until(lambda: reader.said("bowstream/kitchen/status"))
    (device,) = reader.objects("homeassistant/device/bowstream_kitchen/config")
    entities = device["components"]
    assert entities["heard"]["event_types"] == ["dog", "siren", "clock tick"]
    assert entities["tag_clock_tick"]["state_topic"] == "bowstream/kitchen/tag/clock_tick"
    assert entities["tag_clock_tick"]["enabled_by_default"] is True
    assert entities["tag_dog"] == {"platform": "binary_sensor"}  # says: take it away
    counter = entities["count_clock_tick"]
    assert (counter["state_class"], counter["state_topic"]) == ("total_increasing", "bowstream/kitchen/count")
    assert counter["value_template"] == "{{ value_json['clock_tick'] }}"
    assert entities["count_dog"] == {"platform": "sensor"}
    kept = [entity for entity in entities.values() if len(entity) > 1]
    assert len({entity["unique_id"] for entity in kept}) == len(kept)
    assert reader.said("bowstream/kitchen/tag/clock_tick") == ["OFF"]


def test_home_assistant_has_a_sensor_for_each_field_of_health_that_is_known():
    report = Health(16_000).report()
    for temperature_c, more in ((None, set()), (48.3, {"temperature_c"})):
        known = replace(report, temperature_c=temperature_c)
        everything = home_assistant.device("bowstream/x", {"dog": "dog"}, (), known)["components"]
        sensors = {
            field: entity
            for field, entity in everything.items()
            if entity["platform"] == "sensor" and entity["state_topic"] == "bowstream/x/health"
        }
        wanted = {"level_dbfs", "silent_s", "lost_s", "latency_p95_ms", "real_time_factor"} | more
        assert set(sensors) == wanted
        assert sensors["lost_s"] == {
            "platform": "sensor",
            "entity_category": "diagnostic",
            "state_topic": "bowstream/x/health",
            "unique_id": "bowstream_x_lost_s",
            "name": "Lost",
            "unit_of_measurement": "s",
            "device_class": "duration",
            "state_class": "total_increasing",
            "value_template": "{{ value_json.lost_s }}",
        }
    assert everything["tag_dog"]["enabled_by_default"] is False


ALIKE = ("Собака", "狗", "crying baby", "crying_baby", "…", "dog", "Dog!", "Tür", "Tor")


def test_no_two_tags_share_a_name():
    """A plain one is as it always was, unless another has taken it."""
    found = slugs(ALIKE)
    assert list(found) == list(ALIKE)
    assert len(set(found.values())) == len(ALIKE)
    assert (found["crying baby"], found["dog"], found["Tor"]) == ("crying_baby", "dog", "tor")
    assert all(re.fullmatch("[a-z0-9]+(_[a-z0-9]+)*", one) for one in found.values())
    assert slugs(reversed(ALIKE))["Собака"] == found["Собака"]


def test_names_of_the_shipped_tags_stay(bundle):
    found = slugs(tag.name for tag in bundle.tags)
    assert found == {tag.name: tag.name.translate({ord(" "): "_", ord("-"): "_"}) for tag in bundle.tags}


@needs_mosquitto
def test_mqtt_tags_in_other_letters_are_told_apart(broker, reader):
    stage = Stage("Собака", "狗")
    with Mqtt(mqtt_settings(broker, only=("狗",)), *stage.stream) as sink:
        stage.play(sink, stage.begin("狗", 1.0))
        until(lambda: sink.report().delivered == 3)
    dog, other = f"tag/{slug('狗')}", f"tag/{slug('Собака')}"
    until(lambda: "ON" in reader.said(f"bowstream/kitchen/{dog}"))
    assert "ON" not in reader.said(f"bowstream/kitchen/{other}")
    (device,) = reader.objects("homeassistant/device/bowstream_kitchen/config")
    topics = {key: entity.get("state_topic") for key, entity in device["components"].items() if "tag" in key}
    assert topics == {dog.replace("/", "_"): f"bowstream/kitchen/{dog}", other.replace("/", "_"): None}


@needs_mosquitto
def test_mqtt_outage_loses_nothing_and_ends_with_the_true_state(stage, broker, reader):
    with quick(Mqtt(mqtt_settings(broker), *stage.stream)) as sink:
        until(lambda: reader.said("bowstream/kitchen/status") == ["online"])
        stage.play(sink, stage.begin("dog", 1.0))
        until(lambda: sink.report().waiting == 0)
        broker.stop()
        stage.play(sink, stage.end("dog", 1.0, 2.0), stage.begin("siren", 3.0))
        until(lambda: sink.report().trouble)
        assert "connection lost" in sink.report().trouble
        assert sink.report().waiting == 5
        broker.start()
        until(lambda: sink.report().waiting == 0, 30.0)
        late = Reader(broker.port)
        until(lambda: late.said("bowstream/kitchen/tag/siren") == ["ON"])
        until(lambda: late.said("bowstream/kitchen/tag/dog") == ["OFF"])
        until(lambda: late.said("bowstream/kitchen/status") == ["online"])
        late.close()
    assert sink.report().lost == 0


@needs_mosquitto
def test_mqtt_says_when_the_microphone_is_away(stage, broker, reader):
    with Mqtt(mqtt_settings(broker), *stage.stream) as sink:
        until(lambda: reader.said("bowstream/kitchen/microphone") == ["there"])
        stage.play(sink, stage.sound(2))
        stage.play(sink, stage.notice("away", "it was unplugged"), stage.notice("back", "it is back"))
    until(lambda: reader.said("bowstream/kitchen/microphone") == ["there", "away", "there"])
    away, _ = reader.objects("bowstream/kitchen/notice")
    assert (away["time"], away["kind"], away["text"]) == ("2027-01-15T08:00:02.000Z", "away", "it was unplugged")


@needs_mosquitto
def test_mqtt_says_which_clip_is_whose(stage, broker, reader, tmp_path):
    settings = {
        "clips": ClipsSettings(folder=str(tmp_path), before_s=1.0, after_s=1.0),
        "mqtt": mqtt_settings(broker),
    }
    with Sinks(stage.info, stage.health, settings, print) as sinks:
        stage.play(sinks, stage.sound(2), stage.begin("dog", 1.5), stage.end("dog", 1.5, 2.0), stage.sound(3))
        until(lambda: reader.said("bowstream/kitchen/clip"))
    (clip,) = reader.objects("bowstream/kitchen/clip")
    assert (clip["id"], clip["tag"], clip["peak"]) == (stage.id("dog", 1.5), "dog", 0.9)
    assert Path(clip["path"]) == next(tmp_path.glob("*.flac"))
    assert clip["file"] == Path(clip["path"]).name


@needs_mosquitto
def test_a_verdict_that_is_published_is_in_the_history(stage, broker, reader, tmp_path):
    path = tmp_path / "history.db"
    settings = {"history": HistorySettings(path=str(path), days=36_500.0), "mqtt": mqtt_settings(broker)}
    with Sinks(stage.info, stage.health, settings, print) as sinks:
        stage.play(sinks, stage.sound(2), stage.begin("dog", 1.5))
        until(lambda: reader.said("bowstream/kitchen/event/on"))
        until(lambda: sinks.reports()[0].waiting == 0)

        def verdict():
            with open_history(path) as history:
                return event(history, stage.id("dog", 1.5)).verdict

        for said in ("wrong", None, "right"):
            reader.say("bowstream/kitchen/verdict", json.dumps({"id": stage.id("dog", 1.5), "verdict": said}))
            until(lambda said=said: verdict() == said)
        for nonsense in ("", "[1]", '{"id": 3, "verdict": "wrong"}', '{"id": "x", "verdict": "maybe"}', "{"):
            reader.say("bowstream/kitchen/verdict", nonsense)
        until(lambda: len(sinks._sinks[1]._warnings) == 5)
        assert verdict() == "right"


def test_the_blueprint_asks_for_what_is_sent():
    yaml = pytest.importorskip("yaml")

    class Loader(yaml.SafeLoader):
        """Knows Home Assistant's `!input`."""

    Loader.add_constructor("!input", lambda loader, node: f"input {node.value}")
    blueprint = yaml.load((Path(home_assistant.__file__).parent / "home_assistant.yaml").read_text("utf-8"), Loader)
    (trigger,) = blueprint["triggers"]
    asked = blueprint["blueprint"]["input"]
    assert (trigger["trigger"], trigger["topic"], trigger["payload"]) == ("mqtt", "input topic", "input tag")
    assert "value_json.tag" in trigger["value_template"]
    assert asked["topic"]["default"].endswith("/clip")
    used = set(
        re.findall(r"input (\w+)", str(blueprint["triggers"]) + str(blueprint["variables"]) + str(blueprint["actions"]))
    )
    assert used == set(asked)
    assert set(re.findall(r"payload_json\.(\w+)", str(blueprint["variables"]))) <= {"id", "tag", "peak", "file", "path"}


@needs_mosquitto
def test_mqtt_broker_that_comes_after_us(stage, tmp_path):
    broker = Broker(tmp_path)
    with quick(Mqtt(mqtt_settings(broker), *stage.stream)) as sink:
        stage.play(sink, stage.begin("dog", 1.0))
        until(lambda: sink.report().trouble == f"127.0.0.1:{broker.port}: no connection")
        broker.start()
        until(lambda: sink.report().delivered == 3, 30.0)
    broker.stop()


@needs_mosquitto
def test_mqtt_last_will_when_we_are_killed(stage, broker, reader):
    with Mqtt(mqtt_settings(broker), *stage.stream) as sink:
        until(lambda: reader.said("bowstream/kitchen/status") == ["online"])
        sink._client.socket().shutdown(2)  # as when the power fails: no goodbye
        until(lambda: "offline" in reader.said("bowstream/kitchen/status"))


@needs_mosquitto
def test_mqtt_wrong_password_is_told(stage, tmp_path):
    broker = Broker(tmp_path, password="right")
    broker.start()
    with quick(Mqtt(mqtt_settings(broker, username="pi", password="wrong"), *stage.stream)) as sink:
        stage.play(sink, stage.begin("dog", 1.0))
        until(lambda: "Not authorized" in sink.report().trouble)
        sink.join(flush_s=0.1)
    with Mqtt(mqtt_settings(broker, username="pi", password="right"), *stage.stream) as sink:
        stage.play(sink, stage.begin("dog", 1.0))
        until(lambda: sink.report().delivered == 3)
    broker.stop()


def kept(broker, topic):
    """What the broker keeps at a topic for those who come later."""
    reader = Reader(broker.port)
    until(lambda: reader.said("bowstream/kitchen/status"))
    said = reader.said(topic)
    reader.close()
    return said


@needs_mosquitto
def test_two_listeners_with_the_same_topics_stay_connected_and_say_so(stage, broker, reader):
    with Mqtt(mqtt_settings(broker), *stage.stream) as first:
        until(lambda: first._client.is_connected())
        with Mqtt(mqtt_settings(broker), *stage.stream) as second:
            said = []
            until(lambda: said.extend(second.warnings()) or said)
            until(lambda: said.extend(first.warnings()) or len(said) == 2)
            assert all(f"on {socket.gethostname()}, publishes to bowstream/kitchen, too" in each for each in said)
            until(lambda: reader.said("bowstream/kitchen/status") == ["online", "online"])
            time.sleep(1.5)  # who is thrown out comes back within a second
            assert reader.said("bowstream/kitchen/status") == ["online", "online"]
            assert first._client.is_connected() and second._client.is_connected()
            assert first.warnings() == second.warnings() == []


@needs_mosquitto
def test_what_an_ended_listener_left_is_no_other_listener(stage, broker):
    other = Reader(broker.port)
    other._client.publish("bowstream/kitchen/listener", '{"id": "bowstream-0", "host": "attic"}', 1, True)
    other._client.publish("bowstream/kitchen/listener", "no JSON", 1, True)
    until(lambda: len(other.said("bowstream/kitchen/listener")) == 2)
    with Mqtt(mqtt_settings(broker), *stage.stream) as sink:
        until(lambda: len(other.said("bowstream/kitchen/listener")) == 3)
        until(lambda: other.said("bowstream/kitchen/status"))
        assert sink.warnings() == []
    other.close()


def test_a_client_id_is_the_same_at_each_start_and_no_other_root_has_it():
    kitchen, ids = f"kitchen {os.getpid()}", []  # the machine's other processes may be in a kitchen, too
    for root in (kitchen, kitchen, f"attic {os.getpid()}"):
        identity = Identity(root)
        ids.append(identity.client_id)
        identity.close()
    assert ids[0] == ids[1] != ids[2]
    first, second = Identity(kitchen), Identity(kitchen)
    assert (first.client_id, second.client_id) == (ids[0], f"{ids[0]}-2")
    assert len(second.client_id) <= 23
    first.close()
    second.close()


def test_installations_with_one_host_name_have_different_ids(monkeypatch, tmp_path):
    ids = set()
    for number in range(2):
        (tmp_path / "machine-id").write_text(f"{number}\n")
        monkeypatch.setattr(mqtt_client, "MACHINE_IDS", (tmp_path / "none", tmp_path / "machine-id"))
        ids.add(Identity("bowstream/kitchen").client_id)
    assert len(ids) == 2


@needs_mosquitto
def test_a_tag_that_is_muted_leaves_home_assistant(broker, reader):
    """It was ON when the power failed; the next start does not know it any more."""
    stage = Stage("dog", "siren")
    with Mqtt(mqtt_settings(broker), *stage.stream) as sink:
        stage.play(sink, stage.begin("dog", 1.0))
        until(lambda: sink.report().delivered == 3)
    assert kept(broker, "bowstream/kitchen/tag/dog") == ["ON"]
    stage = Stage("siren")
    with Mqtt(mqtt_settings(broker), *stage.stream):
        until(lambda: reader.said("bowstream/kitchen/tag/dog")[-1] == "")
        until(lambda: len(reader.said("homeassistant/device/bowstream_kitchen/config")) == 3)
    assert kept(broker, "bowstream/kitchen/tag/dog") == []
    assert kept(broker, "bowstream/kitchen/tag/siren") == ["OFF"]
    *_, device = reader.objects("homeassistant/device/bowstream_kitchen/config")
    assert device["components"]["tag_dog"] == {"platform": "binary_sensor"}  # says: take it away
    assert "state_topic" in device["components"]["tag_siren"]
    reader.messages.clear()
    with Mqtt(mqtt_settings(broker), *stage.stream):
        until(lambda: "online" in reader.said("bowstream/kitchen/status"))
    (device,) = reader.objects("homeassistant/device/bowstream_kitchen/config")
    assert "tag_dog" not in device["components"]


@needs_mosquitto
@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_mqtt_with_certificates(stage, tmp_path):
    certify(tmp_path)
    broker = Broker(tmp_path, certificates=tmp_path)
    broker.start()
    ca, ours = (
        {"ca_file": tmp_path / "ca.pem"},
        {"cert_file": tmp_path / "client.pem", "key_file": tmp_path / "client.key"},
    )
    with quick(Mqtt(mqtt_settings(broker, tls=True, **ca, **ours), *stage.stream)) as sink:
        stage.play(sink, stage.begin("dog", 1.0))
        until(lambda: sink.report().delivered == 3)
    for fewer in (ca, ours):  # the broker asks for ours, and the system does not know its authority
        with quick(Mqtt(mqtt_settings(broker, tls=True, **fewer), *stage.stream)) as sink:
            stage.play(sink, stage.begin("dog", 1.0))
            until(lambda: sink.report().trouble)
            sink.join(flush_s=0.3)
        assert sink.report().delivered == 0
    broker.stop()


def test_a_certificate_that_cannot_be_used_is_told_in_a_line(stage, tmp_path):
    settings = MqttSettings(tls=True, ca_file=tmp_path / "none.pem")
    with pytest.raises(BowstreamError, match=r"^\[sinks.mqtt\] ca_file: .*none.pem cannot be read: No such file"):
        Mqtt(settings, *stage.stream)
    (tmp_path / "junk.pem").write_text("junk")
    with pytest.raises(BowstreamError, match=r"^\[sinks.mqtt\] ca_file cannot be used: "):
        Mqtt(MqttSettings(tls=True, ca_file=tmp_path / "junk.pem"), *stage.stream)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"topic": "a/#"}, "topic must be without"),
        ({"topic": "a\0b"}, "topic must be without control characters"),
        ({"topic": "a" * 70_000}, "topic must be at most"),
        ({"topic": "$SYS/kitchen"}, r"topic must be without \+ and #, and must not begin with \$"),
        ({"discovery": "home+"}, "discovery must be without"),
        ({"discovery": "ä" * 40_000}, "discovery must be at most"),
        ({"host": "a" * 64}, "host must be the broker's name or address"),
        ({"host": "a..b"}, "host must be"),
        ({"host": "a b"}, "host must be"),
        ({"username": "a" * 65_536}, "username must be at most 65535 bytes"),
        ({"ca_file": Path("ca.pem")}, "ca_file must come with tls = true"),
        ({"tls": True, "key_file": Path("a.key")}, "key_file must come with cert_file"),
    ],
)
def test_what_would_kill_the_connection_is_refused(fields, message):
    with pytest.raises(UsageError, match=message):
        MqttSettings(**fields)


@needs_mosquitto
def test_a_mistake_in_the_connections_thread_is_said_and_survived(stage, broker, monkeypatch):
    monkeypatch.setattr(mqtt_client, "REVIVE_S", 0.5)
    mistakes = [ZeroDivisionError("oops")]
    sink = quick(Mqtt(mqtt_settings(broker), *stage.stream))
    monkeypatch.setattr(sink, "_publish_all", lambda messages: broken(mistakes))
    with sink:
        until(lambda: not mistakes)
        stage.play(sink, stage.begin("dog", 1.0))
        until(lambda: sink.report().delivered == 3, 20.0)
        assert sink.warnings() == ["the connection failed over ZeroDivisionError('oops'); it is tried again in 0.5 s"]


def broken(mistakes):
    if mistakes:
        raise mistakes.pop()


def test_names_of_any_length_fit_topics_and_files():
    long, other = "a" * 70_000, "a" * 70_000 + "b"
    assert len(slug(long)) < 120 and slug(long) != slug(other)
    assert slug("a" * 100) == "a" * 100


@needs_mosquitto
def test_each_of_several_sources_has_its_topics_and_its_device(broker, reader):
    """Each has its own root below the sink's, and its own device; who is there at all is said once, for all."""
    attic, cellar = Stage("dog", "siren", source="attic"), Stage("dog", source="wine cellar")
    judged = []
    sink = Mqtt(mqtt_settings(broker), *attic.stream)
    sink.add(*cellar.stream)
    with sink:
        sink.on_verdict = lambda name, verdict: judged.append((name, verdict))
        until(lambda: reader.said("bowstream/kitchen/status") == ["online"])
        attic.play(sink, attic.begin("dog", 1.0), attic.notice("away", "it was unplugged"))
        cellar.play(sink, cellar.sound(1), cellar.begin("dog", 1.0))
        until(lambda: sink.report().waiting == 0)
        reader.say("bowstream/kitchen/attic/verdict", json.dumps({"id": "last", "verdict": "wrong"}))
        until(lambda: judged)
    root = "bowstream/kitchen"
    until(lambda: reader.said(f"{root}/status") == ["online", "offline"])
    assert judged == [(attic.id("dog", 1.0), "wrong")]
    (on,) = reader.objects(f"{root}/attic/event/on")
    assert (on["source"], on["tag"]) == ("attic", "dog")
    assert reader.said(f"{root}/attic/microphone") == ["there", "away"]
    assert reader.said(f"{root}/wine_cellar/microphone") == ["there"]
    assert reader.said(f"{root}/wine_cellar/tag/dog") == ["OFF", "ON"]
    assert reader.objects(f"{root}/wine_cellar/health")[0]["source"] == "wine cellar"
    assert reader.said(f"{root}/wine_cellar/tag/siren") == reader.said(f"{root}/event/on") == []
    devices = [
        reader.objects(f"homeassistant/device/bowstream_kitchen_{name}/config")[0] for name in ("attic", "wine_cellar")
    ]
    assert [one["device"]["name"] for one in devices] == ["bowstream kitchen attic", "bowstream kitchen wine_cellar"]
    assert all(one["availability"] == [{"topic": f"{root}/status"}] for one in devices)
    assert devices[0]["components"]["wrong"]["command_topic"] == f"{root}/attic/verdict"
    ids = [entity["unique_id"] for one in devices for entity in one["components"].values()]
    assert len(ids) == len(set(ids))
