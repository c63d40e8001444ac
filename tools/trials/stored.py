"""Latents and what lies beside them, damaged in every way: the film must stay the same."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save_file

from render.synthesis.latents import latent_digest
from trials.endings import expected_film
from trials.scene import FILM, forked
from trials.tally import Tally, sample, tally, undocumented

ROUNDS = 12  # at --share 1


@dataclass(frozen=True)
class Damage:
    """What is done to the latents of a film that is finished."""

    kind: str
    seed: int

    def __str__(self) -> str:
        return f"{self.kind}, {self.seed}"


def flip_a_bit(path: Path, chance: random.Random) -> None:
    data = bytearray(path.read_bytes())
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(data)


def cut_it_short(path: Path, chance: random.Random) -> None:
    os.truncate(path, chance.randrange(path.stat().st_size))


def make_it_longer(path: Path, chance: random.Random) -> None:
    with path.open("ab") as file:
        file.write(chance.randbytes(chance.randrange(1, 5000)))


def give_it_to_another(path: Path, chance: random.Random) -> None:
    others = [other for other in path.parent.glob("*.safetensors") if other != path]
    shutil.copy(path, chance.choice(others))


def exchange_two(path: Path, chance: random.Random) -> None:
    other = chance.choice([one for one in path.parent.glob("*.safetensors") if one != path])
    one, two = path.read_bytes(), other.read_bytes()
    path.write_bytes(two)
    other.write_bytes(one)


def change_numbers(path: Path, chance: random.Random) -> None:
    """Other numbers, with a digest that fits them: infinite ones, none, or absurd."""
    with safe_open(str(path), framework="pt") as file:
        note, latent = dict(file.metadata()), file.get_tensor("latent")
    old = latent_digest(latent)
    latent.view(-1)[chance.randrange(latent.numel())] = chance.choice(
        [float("nan"), float("inf"), -float("inf"), 1e30]
    )
    note["render"] = note["render"].replace(old, latent_digest(latent))
    save_file({"latent": latent}, path, note)


def take_it_away(path: Path, chance: random.Random) -> None:
    path.unlink()


def empty_it(path: Path, chance: random.Random) -> None:
    path.write_bytes(b"")


def fill_it_with_chance(path: Path, chance: random.Random) -> None:
    path.write_bytes(chance.randbytes(path.stat().st_size))


def put_a_folder(path: Path, chance: random.Random) -> None:
    path.unlink()
    path.mkdir()


def put_a_pipe(path: Path, chance: random.Random) -> None:
    path.unlink()
    os.mkfifo(path)


def point_nowhere(path: Path, chance: random.Random) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def point_to_itself(path: Path, chance: random.Random) -> None:
    path.unlink()
    path.symlink_to(path.name)


def spoil_the_claims(path: Path, chance: random.Random) -> None:
    path.with_name("claims").write_bytes(chance.randbytes(100_000))
    path.unlink()


def leave_an_unfinished_one(path: Path, chance: random.Random) -> None:
    """The latent under the name of its own unfinished state."""
    path.rename(path.with_suffix(".unfinished"))


def leave_chance_unfinished(path: Path, chance: random.Random) -> None:
    path.with_suffix(".unfinished").write_bytes(chance.randbytes(3000))
    path.unlink()


DAMAGES = {
    damage.__name__.replace("_", " "): damage
    for damage in (
        flip_a_bit, cut_it_short, make_it_longer, give_it_to_another, exchange_two, change_numbers,
        take_it_away, empty_it, fill_it_with_chance, put_a_folder, put_a_pipe, point_nowhere,
        point_to_itself, spoil_the_claims, leave_an_unfinished_one, leave_chance_unfinished,
    )
}  # fmt: skip
REFUSED = ("put a folder", "put a pipe", "point nowhere", "point to itself")  # at the door


def attempt(expected: dict[str, bytes], damage: Damage, folder: Path) -> str | None:
    """Damages the latents of a film, and makes the film again."""
    shutil.copytree(folder.parent / "undisturbed", folder, dirs_exist_ok=True)
    (folder / "film.mp4").unlink()
    chance = random.Random(damage.seed)
    stored = sorted((folder / "film.latents").glob("*.safetensors"))
    DAMAGES[damage.kind](chance.choice(stored), chance)
    code, said = forked(folder, ("check", "film.yaml"))
    if wrong := undocumented(code, said):
        return f"check: {wrong}"
    code, said = forked(folder, FILM.arguments)
    if wrong := undocumented(code, said):
        return wrong
    if code:
        return None if damage.kind in REFUSED else f"it ended with {code}: {said[-400:]!r}"
    if (folder / "film.mp4").read_bytes() != expected["film.mp4"]:
        return "it is another film"
    for name, data in expected.items():
        if name.endswith(".safetensors") and (folder / name).read_bytes() != data:
            return f"{name} is not the same"
    return None


def latents(work: Path, share: float, jobs: int) -> Iterator[Tally]:
    """Damages the latents of a finished film in every way."""
    expected = expected_film(work)
    cases = [Damage(kind, seed) for seed in range(ROUNDS) for kind in DAMAGES]
    yield tally(
        "damaged latents",
        sample(cases, share),
        partial(attempt, expected),
        work,
        jobs,
    )
