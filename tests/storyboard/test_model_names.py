"""The names of models and their weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from storyboard.samples import GROUND, HEAD, board, check_mistake, problems
from tiny_film import latent_note

from render.synthesis.latents import Store
from render.weights.catalog import GeneratorChoice
from render.weights.library import named_digest

MISTAKES = [
    (GROUND + "models: {generator: startr}", 5, "Did you mean 'starter'?"),
    (GROUND + "models: {perceptors: [starter, starter]}", 5, "twice"),
    (GROUND + "models: {perceptors: {starter: 0}}", 5, "perceptors: the weight '0'"),
    (GROUND + "models: {perceptors: []}", 5, "empty"),
    (GROUND + "models: {generator: {name: strokes, count: 0}}", 5, "count '0' is out of range"),
    (GROUND + "models: {generator: {name: strokes, count: 1000000}}", 5, "It goes from 1 to 4096"),
    (GROUND + "models: {generator: {name: strokes, count: 2.5}}", 5, "count '2.5'"),
    (GROUND + "models: {generator: {name: strokes, width: 3}}", 5, "width '3' is out of range"),
    (GROUND + "models: {generator: {name: strokes, paper: blurple}}", 5, "paper 'blurple' is not"),
    (GROUND + "models: {generator: {name: strokes, paper: }}", 5, "put a colour in quotes"),
    (GROUND + "models: {generator: {name: strokes, basis: pyramid}}", 5, "generator pixels"),
    (GROUND + "models: {generator: {name: pixels, basis: waves}}", 5, "basis 'waves' is not known"),
    (GROUND + "models: {generator: {name: starter, count: 9}}", 5, "starter has no count"),
    (GROUND + "models: {generator: {count: 9}}", 5, "generator has no 'name'"),
    (GROUND + "  generator: strokse\n", 5, "Did you mean 'strokes'?"),
    (GROUND + "  generator: {name: color, paper: red}\n", 5, "color has no paper"),
    (GROUND + "  optimizer: {name: adam, weight_decay: 0.1}\n", 5, "adam has no weight_decay"),
    (GROUND + "  optimizer: {weight_decay: 0.1}\n", 5, "adam has no weight_decay"),
    (GROUND + "  optimizer: adagrad\n", 5, "name 'adagrad'|optimizer 'adagrad'"),
]


@pytest.mark.parametrize(("text", "line", "says"), MISTAKES)
def test_each_mistake_has_its_line_and_its_sentence(text: str, line: int, says: str) -> None:
    check_mistake(text, line, says)


def test_a_shot_may_name_its_own_generator() -> None:
    film = board(
        HEAD + "models: {generator: {name: strokes, count: 9}}\nshots:\n"
        "  - {duration: 4s, prompts: sea}\n"
        "  - {duration: 4s, prompts: sea, generator: {name: strokes, paper: '#fff', count: 256}}\n"
        "  - {duration: 4s, prompts: sea, generator: strokes}\n"
    )
    few, whole, same = (shot.generator for shot in film.shots)
    assert (few.name, few.parameters) == ("strokes", (("count", 9),))
    assert whole == same == GeneratorChoice("strokes")  # what is as usual need not be written
    assert film.generators == (few, whole)


@pytest.mark.parametrize(
    ("second", "says"),
    [
        ("transition: {kind: morph, duration: 1s}", "their generators are not the same. Write"),
        ("transition: {kind: continue, duration: 1s}", "whose latents as prompts are not those of"),
        ("transition: {kind: dissolve, duration: 1s}", ""),
        ("transition: cut", ""),
    ],
)
def test_shots_of_different_generators_share_no_latents(
    tmp_path: Path, second: str, says: str
) -> None:
    latent = torch.zeros(1, 3, 1, 1)
    digest = named_digest("generator", "color")
    Store(tmp_path).save("a", latent, latent_note("color", digest))
    text = (
        HEAD + "models: {generator: color}\nshots:\n"
        "  - {duration: 4s, prompts: [sea, {latent: a.safetensors}]}\n"
        f"  - {{duration: 4s, prompts: sea, generator: pixels, {second}}}\n"
    )
    if says:
        (problem,) = problems(text, tmp_path)
        assert (problem.line, says in problem.message) == (5, True)
    else:
        board(text, tmp_path)


def test_a_loop_that_morphs_needs_one_generator() -> None:
    text = (
        HEAD + "loop: 1s\nshots:\n"
        "  - {duration: 4s, prompts: sea}\n  - {duration: 4s, prompts: sea, generator: pixels}\n"
    )
    (problem,) = problems(text)
    assert "with which the film's loop begins, cannot morph out of 'shot-2'" in problem.message
    board(text.replace("prompts: sea}\n  - ", "prompts: sea, transition: dissolve}\n  - "))
