"""The key and the seeds of a keyframe."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from render.media.digest import file_digest
from render.plan.plan import ActivePrompt

ALGORITHM = 4  # raised when the same storyboard gives other pictures; the changelog says why


def derived_seed(*parts: object) -> int:
    """63 bits out of any printable parts; the same on every machine."""
    text = json.dumps([str(part) for part in parts])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def prompt_parts(prompt: ActivePrompt) -> list[Any]:
    """What an aim adds to a key."""
    wanted: list[Any] = [
        prompt.text,
        file_digest(prompt.image) if prompt.image else None,
        prompt.weight,
        prompt.stop,
    ]
    if prompt.where:
        region = prompt.where.picture
        wanted += [file_digest(region) if region else prompt.where.name, prompt.moved]
    if prompt.latent:
        wanted += ["latent", file_digest(prompt.latent)]
    return wanted
