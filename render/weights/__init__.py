"""The weights of generators and perceptors: which exist, where they are, how they are installed."""

from render.weights.catalog import Model, ModelError
from render.weights.library import find_model, known_models, list_models, named_digest

__all__ = ["Model", "ModelError", "find_model", "known_models", "list_models", "named_digest"]
