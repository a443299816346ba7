"""How Home Assistant finds us: one message that describes a device and its entities.

Source: https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload (Home Assistant 2024.12 or newer).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from bowstream import __version__
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
TAG: Traits = {"platform": "binary_sensor", "device_class": "sound"}
SENSOR: Traits = {"platform": "sensor", "entity_category": "diagnostic", "state_topic": "health"}
# Health as sensors: field, name, and what sets each apart.
HEALTH: tuple[tuple[str, str, Traits], ...] = (
    ("level_dbfs", "Level", {"unit_of_measurement": "dBFS", "state_class": "measurement"}),
    ("silent_s", "Silence", {"unit_of_measurement": "s", "device_class": "duration", "state_class": "measurement"}),
    ("lost_s", "Lost", {"unit_of_measurement": "s", "device_class": "duration", "state_class": "total_increasing"}),
    ("latency_p95_ms", "Latency", {"unit_of_measurement": "ms", "state_class": "measurement"}),
    ("temperature_c", "Processor", {"unit_of_measurement": "°C", "device_class": "temperature"}),
    ("real_time_factor", "Real-time factor", {"state_class": "measurement", "suggested_display_precision": 3}),
)


def device(root: str, slugs: Mapping[str, str], only: Collection[str], known: Collection[str]) -> dict[str, Any]:
    """Return the discovery message: an event entity for all tags, a binary sensor a tag, and health.

    The tags of `only` have a binary sensor each, and those of other tags are taken away if there were any; if it is
    empty all tags have one, not enabled until the user does.

    Parameters
    ----------
    root : of the topics
    slugs : of each tag, as in its topic
    known : fields of health that this machine tells
    """
    entities = {"heard": {**HEARD, "event_types": list(slugs)}, "microphone": MICROPHONE}
    for tag in only or slugs:
        name, topic = tag.replace("_", " ").capitalize(), f"tag/{slugs[tag]}"
        entities[f"tag_{slugs[tag]}"] = {**TAG, "name": name, "state_topic": topic, "enabled_by_default": bool(only)}
    for field, name, traits in HEALTH:
        if field in known:
            entities[field] = {**SENSOR, "name": name, "value_template": f"{{{{ value_json.{field} }}}}", **traits}
    node = slug(root)
    placed = {
        key: {**entity, "unique_id": f"{node}_{key}", "state_topic": f"{root}/{entity['state_topic']}"}
        for key, entity in entities.items()
    }
    gone = [tag for tag in slugs if only and tag not in only]
    removed = {f"tag_{slugs[tag]}": {"platform": TAG["platform"]} for tag in gone}
    return {
        "device": {"identifiers": [node], "name": root.replace("/", " "), "model": "bowstream"},
        "origin": {"name": "bowstream", "sw_version": __version__},
        "availability": [{"topic": f"{root}/status"}],
        "components": {**placed, **removed},
    }
