"""The connection to an MQTT broker: client id, encryption, and a network thread that survives errors."""

from __future__ import annotations

import hashlib
import importlib
import socket
import sys
import threading
import uuid
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

from bowstream.config.sinks import MqttSettings
from bowstream.errors import BowstreamError, UsageError

MACHINE_IDS = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))
# How long the network thread waits after an exception before it connects again.
REVIVE_S = 10.0


def load_paho() -> Any:
    """Import paho-mqtt.

    Raises
    ------
    UsageError
        If it is not installed.
    """
    try:
        return importlib.import_module("paho.mqtt.client")
    except ModuleNotFoundError as error:
        raise UsageError("[sinks.mqtt] needs paho-mqtt: pip install 'bowstream[mqtt]'") from error


class Identity:
    """A client id that is the same at each start, and unique.

    It is derived from this installation, its host name and the root of the topics. A second process of this machine
    with the same three gets an id with a number, since two clients with one id disconnect each other for ever.
    """

    def __init__(self, root: str) -> None:
        origin = "\0".join([machine_id(), socket.gethostname(), root])
        name = f"bowstream-{hashlib.sha256(origin.encode()).hexdigest()[:8]}"  # MQTT 3.1 allows 23 characters
        for number in count(1):
            self.client_id = name if number == 1 else f"{name}-{number}"
            if (claim := claimed(self.client_id)) is not None:
                self._claim = claim
                return

    def close(self) -> None:
        """Release the id."""
        self._claim.close()


def claimed(name: str) -> socket.socket | None:
    """Claim a name among the processes of this machine; return the socket that holds it, or None if it is taken."""
    holder = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    if sys.platform == "linux":  # elsewhere there are no names without files
        try:
            holder.bind(f"\0bowstream/mqtt/{name}")
        except OSError:
            holder.close()
            return None
    return holder


def machine_id() -> str:
    """Return an id of this installation."""
    for file in MACHINE_IDS:
        try:
            if text := file.read_text("ascii", "replace").strip():
                return text
        except OSError:
            continue
    return f"{uuid.getnode():012x}"


def new_client(settings: MqttSettings, client_id: str) -> Any:
    """Return a client of paho's that is not connected yet.

    Raises
    ------
    BowstreamError
        If a certificate or key cannot be used.
    """
    paho = load_paho()
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=client_id)
    if settings.username:
        client.username_pw_set(settings.username, settings.password or None)
    if settings.tls:
        encrypt(client, settings)
    client.reconnect_delay_set(1, 30)
    return client


def encrypt(client: Any, settings: MqttSettings) -> None:
    """Let a client use TLS, with the configured certificates."""
    files = {"ca_file": settings.ca_file, "cert_file": settings.cert_file, "key_file": settings.key_file}
    for name, file in files.items():
        if file:
            try:
                file.open("rb").close()
            except OSError as error:
                raise BowstreamError(f"[sinks.mqtt] {name}: {file} cannot be read: {error.strerror}") from error
    named = ", ".join(name for name, file in files.items() if file)
    ca, cert, key = (str(file) if file else None for file in files.values())
    try:
        client.tls_set(ca, cert, key, keyfile_password="")  # else a key with a password would ask for it
    except (OSError, ValueError) as error:  # of the ssl module, too
        raise BowstreamError(f"[sinks.mqtt] {named or 'tls'} cannot be used: {error}") from error


class Survivor:
    """Runs a client's loop again, with a new connection, when an exception has ended it, and warns of that.

    Parameters
    ----------
    loop : the client's
    connect : asks it for a connection, which the loop makes
    warn : takes a line
    """

    def __init__(self, loop: Callable[..., Any], connect: Callable[[], None], warn: Callable[[str], None]) -> None:
        self._loop = loop
        self._connect = connect
        self._warn = warn
        self._ending = threading.Event()

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Run the loop to its end; called by paho's thread."""
        while True:
            try:
                return self._loop(*arguments, **options)
            except Exception as error:  # of paho, or of what it calls
                self._warn(f"the connection failed over {error!r}; it is tried again in {REVIVE_S:g} s")
            if self._ending.wait(REVIVE_S):
                return None
            self._connect()

    def end(self) -> None:
        """Let the loop end, if it waits for another start."""
        self._ending.set()
