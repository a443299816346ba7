"""`python tests/impatient.py …` is bowstream with a fifth of the patience: for tests of what it waits for."""

from bowstream.audio import device_stream, network, opening, replug, stream
from bowstream.cli.process import leave, run

FASTER = 5.0

if __name__ == "__main__":
    replug.LOOK_EVERY_S /= FASTER
    opening.Reopened.look_every_s /= FASTER
    network.GONE_AFTER_S /= FASTER
    device_stream.CLOSED_AFTER_S /= FASTER
    # microphone.GONE_AFTER_S stays: a busy machine would be taken for a device that is gone.
    stream.RING_S, stream.KEPT_S = stream.RING_S / 2.0, stream.KEPT_S / 2.0
    leave(run())
