"""Home Assistant's discovery: one message that describes a device and its entities.

Source: https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload (Home Assistant 2024.12 or newer).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from bowstream import __version__
from bowstream.health.report import HealthReport, Metric, metrics
from bowstream.sinks.names import slug

Traits = Mapping[str, Any]

# What Home Assistant should know of each entity; topics are below the root.
HEARD: Traits = {"platform": "event", "name": "Heard", "icon": "mdi:ear-hearing", "state_topic": "event/on"}
MICROPHONE: Traits = {
    "platform": "binary_sensor",
    "name": "Microphone",
    "device_class": "connectivity",
    "entity_category": "diagnostic",
    "state_topic": "microphone",
    "payload_on": "there",
    "payload_off": "away",
}
WRONG: Traits = {
    "platform": "button",
    "name": "Last sound was something else",
    "icon": "mdi:ear-hearing-off",
    "command_topic": "verdict",
    "payload_press": json.dumps({"id": "last", "verdict": "wrong"}),
}
TAG: Traits = {"platform": "binary_sensor", "device_class": "sound"}
COUNT: Traits = {"platform": "sensor", "icon": "mdi:counter", "state_topic": "count", "state_class": "total_increasing"}
SENSOR: Traits = {"platform": "sensor", "entity_category": "diagnostic", "state_topic": "health"}
DEVICE_CLASSES = {"s": "duration", "°C": "temperature"}


def sensor(metric: Metric) -> Traits:
    """Return what sets a field of health apart as a sensor."""
    traits = {"name": metric.sensor, "state_class": "total_increasing" if metric.counts else "measurement"}
    if metric.unit:
        traits["unit_of_measurement"] = metric.unit
    if metric.unit in DEVICE_CLASSES:
        traits["device_class"] = DEVICE_CLASSES[metric.unit]
    return traits if metric.unit or metric.counts else {**traits, "suggested_display_precision": 3}


def device(
    root: str,
    slugs: Mapping[str, str],
    only: Collection[str],
    health: HealthReport,
    gone: Collection[str] = (),
    status: str = "",
) -> dict[str, Any]:
    """Return the discovery message: an event entity for all tags, two sensors per tag, a button, and health.

    The tags of `only` have a binary sensor each, and a counter of their events for long-term statistics; those of
    other tags are taken away if there were any. If `only` is empty all tags have them, not enabled until the user does.

    Parameters
    ----------
    root : of the topics
    slugs : of each tag, as in its topic
    health : what is None in it is not known on this machine, and has no sensor
    gone : slugs of tags that were there once: their entities are taken away
    status : topic that says whether all of them are there; that of the root if empty
    """
    entities = {"heard": {**HEARD, "event_types": list(slugs)}, "microphone": MICROPHONE, "wrong": WRONG}
    for tag in only or slugs:
        name, topic = tag.replace("_", " ").capitalize(), f"tag/{slugs[tag]}"
        enabled = {"enabled_by_default": bool(only)}
        entities[f"tag_{slugs[tag]}"] = {**TAG, "name": name, "state_topic": topic, **enabled}
        template = f"{{{{ value_json['{slugs[tag]}'] }}}}"
        entities[f"count_{slugs[tag]}"] = {**COUNT, "name": f"{name} events", "value_template": template, **enabled}
    for field, metric, _ in metrics(health):
        if metric.sensor:
            entities[field] = {**SENSOR, "value_template": f"{{{{ value_json.{field} }}}}", **sensor(metric)}
    node = slug(root)
    placed = {
        key: {**entity, "unique_id": f"{node}_{key}"}
        | {topic: f"{root}/{entity[topic]}" for topic in ("state_topic", "command_topic") if topic in entity}
        for key, entity in entities.items()
    }
    hidden = [slugs[tag] for tag in slugs if only and tag not in only]
    parts = {"tag": TAG, "count": COUNT}
    removed = {
        f"{part}_{each}": {"platform": traits["platform"]}
        for each in (*hidden, *gone)
        for part, traits in parts.items()
    }
    return {
        "device": {"identifiers": [node], "name": root.replace("/", " "), "model": "bowstream"},
        "origin": {"name": "bowstream", "sw_version": __version__},
        "availability": [{"topic": status or f"{root}/status"}],
        "components": {**placed, **removed},
    }


def tags_in(message: bytes) -> set[str]:
    """Return the slugs of the tags that have an entity in a discovery message; none if it is something else."""
    components = parsed(message).get("components")
    if not isinstance(components, dict):
        return set()
    placed = {key for key, entity in components.items() if isinstance(entity, dict) and "state_topic" in entity}
    return {key.removeprefix("tag_") for key in placed if key.startswith("tag_")}


def parsed(message: bytes) -> dict[str, Any]:
    """Return the JSON object in a message; an empty one if it is something else."""
    try:
        found = json.loads(message)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
