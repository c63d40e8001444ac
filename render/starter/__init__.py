"""The embedded starter models: two safetensors files, described in MODEL_CARD.md."""
