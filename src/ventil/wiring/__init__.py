"""The one place that joins the parts: settings, store, queue, transport, provider, engine.

`Workshop` holds what every command needs; `stats` is the download-statistics job,
`reopening` goes on with any run that stands. Heavy libraries are imported where a command
first needs them: `ventil --help` and `ventil plan` need neither the HTTP client nor the
durable queue.
"""

from ventil.wiring.asked import Asked, Result
from ventil.wiring.reopening import resume
from ventil.wiring.runs import find_run, provider_of
from ventil.wiring.workshop import Workshop

__all__ = ["Asked", "Result", "Workshop", "find_run", "provider_of", "resume"]
