"""How Home Assistant finds us: one message that describes a device and its entities.

Source: https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload (Home Assistant 2024.12 or newer).
"""

from __future__ import annotations

import re
from collections.abc import Container, Sequence
from typing import Any

from .. import __version__

# Health as sensors: field, name, and what Home Assistant should know of it.
HEALTH: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("level_dbfs", "Level", {"unit_of_measurement": "dBFS", "state_class": "measurement"}),
    ("silent_s", "Silence", {"unit_of_measurement": "s", "device_class": "duration", "state_class": "measurement"}),
    ("lost_s", "Lost", {"unit_of_measurement": "s", "device_class": "duration", "state_class": "total_increasing"}),
    ("latency_p95_ms", "Latency", {"unit_of_measurement": "ms", "state_class": "measurement"}),
    ("temperature_c", "Processor", {"unit_of_measurement": "°C", "device_class": "temperature"}),
    ("real_time_factor", "Real-time factor", {"state_class": "measurement", "suggested_display_precision": 3}),
)


def slug(text: str) -> str:
    """Return a name as topics and ids can bear it: lower case, digits and single underscores."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_") or "x"


def device(root: str, tags: Sequence[str], only: Sequence[str], known: Container[str]) -> dict[str, Any]:
    """Return the discovery message: an event entity for all tags, a binary sensor a tag, and health.

    The tags of `only` have a binary sensor each, and those of other tags are taken away if there were any; if it is
    empty all tags have one, not enabled until the user does.

    Parameters
    ----------
    root : of the topics
    known : fields of health that this machine tells
    """
    node = slug(root)
    entities: dict[str, dict[str, Any]] = {
        "heard": {
            "platform": "event",
            "name": "Heard",
            "icon": "mdi:ear-hearing",
            "event_types": list(tags),
            "state_topic": f"{root}/event/on",
        },
        "microphone": {
            "platform": "binary_sensor",
            "name": "Microphone",
            "device_class": "connectivity",
            "entity_category": "diagnostic",
            "state_topic": f"{root}/microphone",
            "payload_on": "there",
            "payload_off": "away",
        },
    }
    removed = {f"tag_{slug(tag)}": {"platform": "binary_sensor"} for tag in tags if only and tag not in only}
    for tag in only or tags:
        entities[f"tag_{slug(tag)}"] = {
            "platform": "binary_sensor",
            "name": tag.replace("_", " ").capitalize(),
            "device_class": "sound",
            "state_topic": f"{root}/tag/{slug(tag)}",
            "enabled_by_default": bool(only),
        }
    for field, name, traits in HEALTH:
        if field not in known:
            continue
        entities[field] = {
            "platform": "sensor",
            "name": name,
            "entity_category": "diagnostic",
            "state_topic": f"{root}/health",
            "value_template": f"{{{{ value_json.{field} }}}}",
            **traits,
        }
    for name, entity in entities.items():
        entity["unique_id"] = f"{node}_{name}"
    return {
        "device": {"identifiers": [node], "name": root.replace("/", " "), "model": "bowstream"},
        "origin": {"name": "bowstream", "sw_version": __version__},
        "availability": [{"topic": f"{root}/status"}],
        "components": {**entities, **removed},
    }
