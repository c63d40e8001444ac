"""A storyboard, and helpers of the tests that run commands in their own process."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from typing import Any, NoReturn

BOARD = """\
version: 1
size: 32x32
fps: 4
models: {generator: tiny-vqgan, perceptors: tiny-clip}
defaults: {iterations: 1, cutouts: 2}
shots:
  - {name: dawn, duration: 1s, prompts: sea}
"""
DISK_FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
JSON = ("-o", "film.mp4", "--log-format", "json", "--device", "cpu")
Run = Callable[..., tuple[int, str, str]]  # the fixture `run`: exit code, stdout and stderr


def raising(error: BaseException) -> Callable[..., NoReturn]:
    """A function that takes any arguments and raises this error."""

    def fail(*arguments: object, **options: object) -> NoReturn:
        raise error

    return fail


def json_objects(lines: str) -> list[dict[str, Any]]:
    """The JSON object of each line."""
    return [json.loads(line) for line in lines.splitlines()]
