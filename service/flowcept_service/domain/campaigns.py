"""What it means that a caller is confined to some campaigns. None, in the place of campaigns: to none at all."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from typing import TypeAlias

from flowcept.errors import PermissionDeniedError, Reason, shorten
from flowcept_service.domain.identifiers import MAX_IDENTIFIER_BYTES

Campaigns: TypeAlias = "frozenset[str] | None"
"""The campaigns that a caller may touch; None: every one, and what belongs to none."""


def permits(campaigns: Campaigns, campaign_id: object) -> bool:
    """Whether something of a campaign (None: of no campaign) may be touched."""
    return campaigns is None or campaign_id in campaigns


def campaign_denied(campaign_id: object) -> PermissionDeniedError:
    """The refusal to write into a campaign. It names what the caller gave, and nothing that is stored.

    One text for all reasons: which of them it was would tell what is stored.
    """
    problem = "campaign_id is not given" if campaign_id is None else f"campaign_id is {shorten(campaign_id)}"
    return PermissionDeniedError(
        f"{problem}, and the credentials are confined to campaigns: it is not one of them, or the identifier is taken "
        "outside of them; give a campaign_id of yours, or choose another identifier",
        reason=Reason.CAMPAIGN_DENIED,
        campaign_id="" if campaign_id is None else campaign_id,
    )


def own_identifier(campaigns: Campaigns, identifier: str) -> str:
    """The name under which the store knows an identifier that a caller chose for its own use.

    Names of uploads, requests, messages and consumers belong to whoever is confined to the same campaigns: nobody else
    can guess one to look at it, move it, or make the service take something new for a repeat. Callers that are not
    confined share one space of names, and the empty name stays empty.
    """
    if campaigns is None or not identifier:
        return identifier
    own = f"{identifier}@{_space(campaigns)}"
    return own if len(own.encode()) <= MAX_IDENTIFIER_BYTES else hashlib.sha256(own.encode()).hexdigest()


@lru_cache(maxsize=1024)
def _space(campaigns: frozenset[str]) -> str:
    return hashlib.sha256(json.dumps(sorted(campaigns)).encode()).hexdigest()[:24]
