"""The embedded starter models, and the reader of the words in one of them; see MODEL_CARD.md."""
