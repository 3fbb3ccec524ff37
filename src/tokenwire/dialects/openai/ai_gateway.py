"""How Cloudflare's AI Gateway resumes a stream, whatever dialect comes through it.

Source: cloudflare/ai, gateway-core's resumable-stream.ts and docs/concepts/resume.md.
"""

from __future__ import annotations

import re
from typing import Final

from tokenwire.cursor import Cursor
from tokenwire.dialects import Resumption
from tokenwire.request import Known, Request, segment

# AI Gateway's address up to the gateway's name. The first is what a Worker's binding calls, and
# the one of which it is known that runs can be resumed there. Unverified: that the public address,
# which has the account in it and is otherwise built the same, will do it too.
_GATEWAY: Final = re.compile(
    r"https?://[^?#]+?/ai-gateway/gateways/[^/?#]+"
    r"|https://gateway\.ai\.cloudflare\.com/v1(/[^/?#]+){2}"
)


def reconnect(request: Request, cursor: Cursor, known: Known) -> Request | None:
    """A GET of the run at AI Gateway, for the events after those that came.

    Only runs that the gateway keeps have an id, and only its addresses show its name.
    """
    gateway, run = _GATEWAY.match(request.url), segment(known.headers.get("cf-aig-run-id"))
    if cursor.value is None or gateway is None or run is None:
        return None
    going = request.as_get().with_url(f"{gateway[0]}/run/{run}/resume")
    return going.with_query(**{"from": cursor.value})


RESUMPTION: Final[Resumption] = Resumption(
    method="cursor",
    kind="events",
    field="from in the URL",
    reconnect=reconnect,
    beginning=0,
    naming_headers=("cf-aig-run-id",),
)
"""Of all streams that come through AI Gateway: it keeps events, whatever they say."""

RESUME: Final[str] = (
    "through AI Gateway only, experimental, for answers with the header cf-aig-run-id: GET"
    " .../ai-gateway/gateways/{gateway}/run/{cf-aig-run-id}/resume?from=N, N being the number of"
    " complete events received; kept for some five minutes. Cloudflare gives that header to a"
    " Worker's binding and to models of other vendors, not to REST and not yet to @cf models"
)
