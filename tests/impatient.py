"""`python tests/impatient.py …` is bowstream with a fifth of the patience: for tests of what it waits for."""

import sys

from bowstream.audio import microphone, reconnect, stream
from bowstream.cli.main import main

FASTER = 5.0

if __name__ == "__main__":
    reconnect.LOOK_EVERY_S /= FASTER
    microphone.CLOSED_AFTER_S /= FASTER
    # Less than half as long would take a busy machine for a device that is gone.
    microphone.GONE_AFTER_S /= 2.0
    stream.RING_S, stream.KEPT_S = stream.RING_S / 2.0, stream.KEPT_S / 2.0
    sys.exit(main())
