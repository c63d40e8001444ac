"""Tokens are counted as open_clip counts them, without torch."""

from __future__ import annotations

import subprocess
import sys

import open_clip
import pytest
from hypothesis import given
from hypothesis import strategies as st

from render.weights import tokens
from render.weights.catalog import PERCEPTORS
from render.weights.tokens import context_length, count_tokens, unread_words

TOKENIZER = open_clip.SimpleTokenizer()


@pytest.mark.parametrize(
    "text",
    [
        "a red sky over the sea",
        "it's the sea's, we've seen",
        "100% cotton %20 %s {x} 16:9",
        "\u5915\u713c\u3051\u306e\u6d77 \U0001f30b\U0001f525",
        "caf\u00e9, na\u00efve &amp; &lt;b&gt;",
        "AAAA____!!!???...--- a/b\\c",
        "  many   spaces\tand\nlines ",
        "antidisestablishmentarianism pneumonoultramicroscopic",
        "",
    ],
)
def test_texts_have_as_many_tokens_as_open_clip_gives_them(text: str) -> None:
    assert count_tokens(text) == len(TOKENIZER.encode(text)) + 2


@given(st.text(max_size=60))
def test_any_text_has_as_many_tokens_as_open_clip_gives_it(text: str) -> None:
    assert count_tokens(text) == len(TOKENIZER.encode(text)) + 2


def test_the_end_of_a_long_text_is_unread() -> None:
    text = " ".join(f"wave{n}" for n in range(60))
    unread = unread_words(text, 77)
    assert text.endswith(unread)
    read = text.removesuffix(unread).strip()
    assert count_tokens(read) <= 77 < count_tokens(f"{read} {unread.split()[0]}")
    assert unread_words("a red sky", 77) == ""


def test_unread_words_are_found_with_few_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = []

    def count(text: str) -> int:
        counted.append(text)
        return len(text.split()) + 2

    monkeypatch.setattr(tokens, "count_tokens", count)
    words = [f"wave{number}" for number in range(500)]
    for number in (1, 74, 75):
        assert unread_words(" ".join(words[:number]), 77) == ""
    counted.clear()
    assert unread_words(" ".join(words), 77) == " ".join(words[75:])
    assert len(counted) <= 10


def test_every_perceptor_of_the_catalogue_has_a_context() -> None:
    contexts = {name: context_length(row) for name, row in PERCEPTORS.items()}
    assert contexts.pop("starter-objects") is None
    assert all(contexts.values())
    assert contexts["ViT-B/32"] == 77


def test_torch_is_not_imported() -> None:
    code = (
        "import sys; from render.weights.tokens import count_tokens; count_tokens('a sea'); "
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
