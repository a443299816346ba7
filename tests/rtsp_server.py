"""A camera: `python3 rtsp_server.py PORT PIPELINE USER:PASSWORD [CERTIFICATE]` serves a pipeline at rtsp://…/camera.

With a certificate (PEM, with its key) it is rtsps://.

Needs Debian's python3-gi, gir1.2-gst-rtsp-server-1.0 and gstreamer1.0-plugins-good, so the system's Python runs it.
"""

import sys

import gi

gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gio, GLib, Gst, GstRtspServer  # noqa: E402


def server(port, pipeline, login, certificate=None):
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(pipeline)
    factory.set_shared(True)
    made = GstRtspServer.RTSPServer()
    made.set_address("127.0.0.1")
    made.set_service(port)
    made.get_mount_points().add_factory("/camera", factory)
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    basic = GstRtspServer.RTSPAuth.make_basic(*login.split(":"))
    auth = GstRtspServer.RTSPAuth()
    auth.add_basic(basic, token)
    if certificate:
        auth.set_tls_certificate(Gio.TlsCertificate.new_from_file(certificate))
    made.set_auth(auth)
    allowed = "viewer,media.factory.access=(boolean)true,media.factory.construct=(boolean)true"
    factory.add_role_from_structure(Gst.Structure.new_from_string(allowed))
    return made


if __name__ == "__main__":
    Gst.init(None)
    camera = server(*sys.argv[1:])
    camera.attach(None)
    print("ready", flush=True)
    GLib.MainLoop().run()
