"""The classifier pulls towards the classes of a text, by as much as its words are sure of them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import tiny
import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from render.starter.words import WordTable
from render.synthesis.classifier import MARGIN, build_tower, load_classifier
from render.synthesis.frozen_towers import fold_normalisations
from render.weights.catalog import PERCEPTORS, ModelError


def test_margins_are_the_logits_above_their_mean() -> None:
    classifier, plain = tiny.classifier(), build_tower(tiny.CLASSIFIER)
    plain.load_state_dict(tiny.tower().state_dict())
    cutouts = torch.rand(4, 3, 32, 32)
    with torch.no_grad():
        logits = plain((cutouts - 0.5) / 0.5)
        margins = classifier.embed_cutouts(cutouts)
    expected = (logits - logits.mean(1, keepdim=True)) / MARGIN
    assert expected.std() > 1e-4
    assert torch.allclose(margins, expected, atol=1e-5)


def test_folding_timm_s_normalisations_changes_no_number() -> None:
    plain, fast = tiny.tower(), tiny.tower()
    fold_normalisations(fast)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in fast.modules())
    cutouts = torch.rand(2, 3, 32, 32)
    assert torch.allclose(plain(cutouts), fast(cutouts), atol=1e-5)


def test_a_text_becomes_the_shares_of_its_classes() -> None:
    shares = tiny.classifier().embed_texts(["a lighthouse", "two wolves", "a red sky"])
    assert shares.shape == (3, 1000)
    assert shares[0].nonzero().flatten().tolist() == [437]
    assert float(shares[0].sum()) == pytest.approx(0.9)
    assert shares[1, [269, 270]].tolist() == pytest.approx([0.48, 0.32])
    assert not shares[2].any()


def test_only_a_text_that_names_a_class_pulls() -> None:
    classifier = tiny.classifier()
    cutouts = torch.rand(4, 3, 32, 32, requires_grad=True)
    targets = classifier.embed_texts(["a lighthouse", "a red sky"])
    distances = classifier.distance(classifier.embed_cutouts(cutouts)[:, None], targets[None])
    assert distances.shape == (4, 2)
    assert not distances[:, 1].any()
    (slope,) = torch.autograd.grad(distances[:, 0].sum(), cutouts, retain_graph=True)
    assert slope.abs().max() > 0
    # Against the gradient the class is seen more.
    with torch.no_grad():
        moved = classifier.embed_cutouts(cutouts - 0.5 * slope / slope.norm())
        assert (classifier.distance(moved, targets[0]) < distances[:, 0]).all()


def test_what_is_avoided_is_left_alone_once_it_is_not_shown() -> None:
    classifier = tiny.classifier()
    targets = classifier.embed_texts(["a lighthouse", "a lighthouse"])
    stops = classifier.stops(targets, torch.tensor([1.0, -1.0]), torch.tensor([0.8, 0.8]))
    assert stops.tolist() == pytest.approx([-torch.inf, -0.9])
    shown, nothing = F.one_hot(torch.tensor([437]), 1000).float(), torch.zeros(1, 1000)
    assert -classifier.distance(shown, targets[1]) > stops[1]
    assert -classifier.distance(nothing, targets[1]) <= stops[1]


def test_a_picture_that_shows_a_class_becomes_its_target() -> None:
    classifier = tiny.classifier()
    margins = F.one_hot(torch.tensor([437, 437]), 1000).float()
    target = classifier.embed_image(margins)
    assert int(target.argmax()) == 437
    assert 0.9 < float(target.sum()) <= 1
    assert float(classifier.embed_image(torch.zeros(2, 1000)).sum()) < 0.01
    assert classifier.distance(margins, target).abs().max() < 0.1
    assert torch.equal(classifier.difference(margins, margins), torch.zeros(2))


def test_parts_of_a_batch_give_the_same_margins() -> None:
    whole, parts = tiny.classifier(), tiny.classifier().on(torch.device("cpu"), at_once=2)
    cutouts = torch.rand(5, 3, 32, 32)
    assert torch.allclose(whole.embed_cutouts(cutouts), parts.embed_cutouts(cutouts), atol=1e-6)


def test_a_stored_classifier_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "objects.safetensors"
    metadata = {
        "format": "render.classifier.1",
        "config": json.dumps(tiny.CLASSIFIER),
        "mean": "[0.5, 0.5, 0.5]",
        "std": "[0.5, 0.5, 0.5]",
        "words": tiny.WORDS,
    }
    save_file(tiny.tower().state_dict(), str(path), metadata)
    row = replace(PERCEPTORS["starter-objects"], embedded=str(path))
    cutouts = torch.rand(1, 3, 32, 32)
    loaded = load_classifier(row).embed_cutouts(cutouts)
    assert torch.allclose(loaded, tiny.classifier().embed_cutouts(cutouts), atol=1e-6)
    wrongs = ({**metadata, "words": "render.words.9"}, {**metadata, "config": "{}"}, {})
    for number, wrong in enumerate(wrongs):
        other = tmp_path / f"{number}.safetensors"
        save_file(tiny.tower().state_dict(), str(other), wrong)
        with pytest.raises(ModelError, match="does not hold the perceptor starter-objects"):
            load_classifier(replace(row, embedded=str(other)))


def test_building_a_tower_leaves_the_global_random_state() -> None:
    before = torch.random.get_rng_state()
    build_tower(tiny.CLASSIFIER)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_tiny_table_is_one_that_parses() -> None:
    assert len(WordTable.parse(tiny.WORDS)) == 2
