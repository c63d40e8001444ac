"""A film as a sequence of PNGs, `frames/%06d.png`: each with its own note, each written whole."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from render.errors import InputError
from render.media.atomic import file_errors
from render.media.codecs import check_place
from render.media.provenance import write_png

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NUMBER = re.compile(r"%(0[0-9]{1,2})?d")


def is_sequence(path: Path) -> bool:
    """Returns whether a name stands for many files, one for each frame."""
    return bool(NUMBER.search(path.name))


def frame_path(pattern: Path, number: int) -> Path:
    """Returns the file of a frame."""
    return pattern.with_name(NUMBER.sub(lambda found: found[0] % number, pattern.name))


def check_sequence(pattern: Path) -> None:
    """Raises InputError if a sequence cannot be written to a pattern; writes nothing."""
    example = pattern.with_name("%06d.png")
    if pattern.suffix.lower() != ".png":
        raise InputError(f"{pattern}: a sequence is written as PNG. Name it {example}.")
    if len(NUMBER.findall(pattern.name)) != 1 or pattern.name.count("%") != 1:
        raise InputError(
            f"{pattern}: the number of a frame stands once in the name, as in {example}."
        )
    folder = pattern.parent
    if folder.exists() or not folder.parent.is_dir():
        check_place(frame_path(pattern, 0), "000000.png")
    else:
        check_place(folder, "frames")  # the folder itself is made


class SequenceWriter:
    """Writes frames to the files of a pattern."""

    def __init__(
        self, pattern: Path, numbers: Iterable[int], note_of_frame: Callable[[int], dict[str, Any]]
    ) -> None:
        """`numbers` are those of the frames that are sent."""
        self.pattern, self.numbers, self.note_of_frame = pattern, iter(numbers), note_of_frame
        self.count = 0
        with file_errors(pattern.parent):
            pattern.parent.mkdir(exist_ok=True)

    def send(self, frame: NDArray[np.uint8]) -> None:
        """Writes the next frame, (H, W, 3); raises FileError."""
        number = next(self.numbers)
        write_png(frame_path(self.pattern, number), frame, self.note_of_frame(number))
        self.count += 1
