"""What an unknown word was probably meant to be."""

from __future__ import annotations

from collections.abc import Iterable

from render.text import nearest

# What other programs call our keys, so that the sentence about an unknown key names the right one.
FAMILIAR = {
    "scenes": "shots", "scene": "shots", "clips": "shots", "id": "name", "title": "name",
    "length": "duration", "seconds": "duration", "time": "duration", "frames": "duration",
    "prompt": "prompts", "text_prompts": "prompts", "scene_prefix": "style", "extras": "style",
    "suffix": "style", "scene_suffix": "style", "negative": "exclude", "init_image": "init",
    "negative_prompt": "exclude", "negative_prompts": "exclude", "rotate": "angle",
    "rotation": "angle", "rotation_z": "angle", "pan": "x", "translation_x": "x",
    "translation_y": "y", "scale": "zoom", "steps": "iterations", "steps_per_frame": "iterations",
    "cutn": "cutouts", "cut_size": "size", "lr": "step", "learning_rate": "step",
    "step_size": "step", "ema": "smoothing", "framerate": "fps", "frame_rate": "fps",
    "frames_per_second": "fps", "width": "size", "height": "size", "resolution": "size",
    "model": "models", "vqgan": "generator", "vqgan_model": "generator", "clip": "perceptors",
    "clip_models": "perceptors", "perceptor": "perceptors", "crf": "quality", "easing": "ease",
    "interpolation": "ease", "mode": "kind", "type": "kind", "interpolation_steps": "transition",
    "weights": "losses", "loss": "losses", "infill_mode": "border", "border_mode": "border",
    "shear": "shear_x", "skew": "shear_x", "tilt": "tilt_x", "rotation_3d_x": "tilt_x",
    "rotation_3d_y": "tilt_y", "center_x": "centre_x", "center_y": "centre_y",
    "center": "centre_x", "centre": "centre_x", "stretch": "aspect", "perspective": "tilt_x",
    "jitter": "shake", "motion": "preset", "move": "preset", "colour": "border",
    "tempo": "bpm", "translation_z": "zoom", "strength_schedule": "losses", "strength": "losses",
    "diffusion_cadence": "keyframes", "cadence": "keyframes", "max_frames": "duration",
    "animation_prompts": "prompts", "noise_schedule": "cutouts", "start": "at",
    "replicate": "smear", "reflect": "mirror", "reflection": "mirror", "clamp": "smear",
    "sampler": "step", "soundtrack": "audio", "music": "audio", "song": "audio",
}  # fmt: skip


def suggestion(word: str, known: Iterable[str]) -> str:
    """A sentence that names the known word another program's word means, or the nearest, or all."""
    names = list(known)
    familiar = FAMILIAR.get(word.lower())
    if familiar in names:
        return f"Here it is called '{familiar}'"
    near = nearest(word, names)
    every = f"There {'is' if len(names) == 1 else 'are'} {', '.join(names)}"
    return f"Did you mean '{near}'? {every}" if near else every
