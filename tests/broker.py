"""A real MQTT broker on a free loopback port, which can be killed and started again."""

import json
import shutil
import socket
import subprocess
import threading

import paho.mqtt.client as paho
import pytest
from stage import until

PROGRAM = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/sbin")
needs_mosquitto = pytest.mark.skipif(PROGRAM is None, reason="mosquitto is not installed")


def free_port():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


class Broker:
    """Mosquitto; what it keeps survives a restart, as on a real machine."""

    def __init__(self, folder, password=None, certificates=None):
        self.port = free_port()
        self._configuration = folder / "mosquitto.conf"
        lines = [f"listener {self.port} 127.0.0.1", "user root", "persistence true", f"persistence_location {folder}/"]
        if password:
            passwords = folder / "passwords"
            subprocess.run(["mosquitto_passwd", "-c", "-b", str(passwords), "pi", password], check=True)
            lines += ["allow_anonymous false", f"password_file {passwords}"]
        else:
            lines += ["allow_anonymous true"]
        if certificates:
            lines += [f"cafile {certificates / 'ca.pem'}", "require_certificate true"]
            lines += [f"certfile {certificates / 'broker.pem'}", f"keyfile {certificates / 'broker.key'}"]
        self._configuration.write_text("\n".join([*lines, ""]))
        self._process = None

    def start(self):
        self._process = subprocess.Popen(
            [PROGRAM, "-c", str(self._configuration)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until(self._answers)

    def stop(self):
        if self._process:
            self._process.terminate()
            self._process.wait(10)
            self._process = None

    def _answers(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 1.0).close()
        except OSError:
            return False
        return True


def certify(folder):
    """Make a certificate authority, and a certificate with a key for the broker and for the client."""

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    new = ("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl(*new, "-x509", "-days", "2", "-subj", "/CN=authority", "-keyout", "ca.key", "-out", "ca.pem")
    for name in ("broker", "client"):
        openssl(*new, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        (folder / "names").write_text("subjectAltName=IP:127.0.0.1")
        sign = ("x509", "-req", "-days", "2", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial")
        openssl(*sign, "-extfile", "names", "-in", f"{name}.csr", "-out", f"{name}.pem")


class Reader:
    """Everything that is said on a broker, by topic, oldest first."""

    def __init__(self, port):
        self.messages = []
        self._subscribed = threading.Event()
        self._client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        self._client.on_connect = lambda client, *_: client.subscribe("#", 1)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = lambda _, __, message: self.messages.append((message.topic, message.payload.decode()))
        self._client.reconnect_delay_set(1, 1)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert self._subscribed.wait(10.0)

    def said(self, topic):
        return [payload for at, payload in list(self.messages) if at == topic]

    def objects(self, topic):
        return [json.loads(payload) for payload in self.said(topic)]

    def say(self, topic, payload):
        self._client.publish(topic, payload, qos=1).wait_for_publish(10.0)

    def close(self):
        self._client.disconnect()
        self._client.loop_stop()
