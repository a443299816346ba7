"""What `listen --demo` leaves out of a configuration."""

from __future__ import annotations

from bowstream.cli.options import ListenOptions
from bowstream.cli.say import say
from bowstream.config.settings import Settings


def say_left_out(settings: Settings, options: ListenOptions) -> None:
    """Say which tables are not for the demo scene, if there are any."""
    tables = {
        "sources": settings.sources,
        "sinks": settings.sinks,
        "report": settings.report,
        "web": settings.web and options.web is None,  # which a flag decides
    }
    if named := [f"[{name}]" for name, is_there in tables.items() if is_there]:
        say(f"the demo leaves {', '.join(named)} of the configuration out")
