"""Passwords: kept as scrypt hashes, compared in constant time, guessed slowly."""

from __future__ import annotations

import hashlib
import hmac
import os
import time
from base64 import b64decode, b64encode
from collections.abc import Callable

from bowstream.config.web import HASH

# 16 MB and a twentieth of a second on a desktop processor, half a second on a Raspberry Pi Zero 2.
N, R, P = 2**14, 8, 1
LARGEST = 2**16
LONGEST = 256


def hashed(password: str) -> str:
    """Return what is kept of a password: `scrypt:N:r:p:SALT:HASH`."""
    salt = os.urandom(16)
    made = derive(password, salt, N, R, P)
    return f"scrypt:{N}:{R}:{P}:{b64encode(salt).decode()}:{b64encode(made).decode()}"


def matches(password: str, kept: str) -> bool:
    """Whether a password is the one of which this is kept; takes as long either way."""
    found = HASH.fullmatch(kept)
    if not found or len(password) > LONGEST or int(found[1]) > LARGEST:
        return False
    salt, expected = b64decode(found[4]), b64decode(found[5])
    return hmac.compare_digest(derive(password, salt, int(found[1]), int(found[2]), int(found[3])), expected)


def derive(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    """Return scrypt's 32 bytes."""
    return hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, maxmem=256 * n * r, dklen=32)


class Attempts:
    """Lets each address try a few times, and all together a few more; both are given back with time.

    Parameters
    ----------
    each, every_s : tries of an address, and seconds after which it has one more
    together, together_s : the same for all addresses, so that many cannot do what one cannot
    """

    def __init__(
        self,
        each: int = 5,
        every_s: float = 30.0,
        together: int = 30,
        together_s: float = 5.0,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._each, self._every_s = each, every_s
        self._together, self._together_s = together, together_s
        self._now_s = now_s
        self._used: dict[str, tuple[float, float]] = {}  # by address: tries used, and when that was so

    def wait_s(self, address: str) -> float:
        """Take a try; return 0, or if there is none left the seconds until there is one."""
        now_s = self._now_s()
        limits = {"": (self._together, self._together_s), address: (self._each, self._every_s)}
        used = {}
        for name, (most, every_s) in limits.items():
            count, at_s = self._used.get(name, (0.0, now_s))
            used[name] = max(0.0, count - (now_s - at_s) / every_s)
            if used[name] + 1.0 > most:
                return (used[name] + 1.0 - most) * every_s
        self._used |= {name: (count + 1.0, now_s) for name, count in used.items()}
        self._forget(now_s)
        return 0.0

    def succeeded(self, address: str) -> None:
        """Give an address its tries back."""
        self._used.pop(address, None)

    def _forget(self, now_s: float) -> None:
        """Drop addresses that have all their tries again."""
        if len(self._used) > 1000:
            self._used = {
                name: (count, at_s)
                for name, (count, at_s) in self._used.items()
                if now_s - at_s < count * self._every_s
            }
