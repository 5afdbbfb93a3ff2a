"""FID, Inception score and CLIP score as the field computes them, through torchmetrics, where its networks are on this disk."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

BATCH = 16


class StandardScoresError(ValueError):
    """Standard scores cannot be had here; the message says what is missing."""


def check_standard(fid_weights: Path | None, clip: Path | None) -> None:
    """Raises StandardScoresError unless everything that the scores asked for need is installed and on disk."""
    needed = ["torchmetrics", *(["torch_fidelity"] if fid_weights else []), *(["transformers"] if clip else [])]
    if fid_weights is None and clip is None:
        return
    if missing := [name for name in needed if importlib.util.find_spec(name) is None]:
        names = " ".join(missing).replace("_", "-")
        raise StandardScoresError(f"FID, IS and CLIP score need {names}, not installed here: pip install {names}")
    if fid_weights and not fid_weights.is_file():
        raise StandardScoresError(
            f"There is no file {fid_weights}: FID and IS need the Inception weights that torch-fidelity publishes "
            "(weights-inception-2015-12-05-6726825d.pth), and nothing is downloaded here. Name that file in --fid-weights."
        )
    if clip and not (clip / "config.json").is_file():
        raise StandardScoresError(
            f"There is no CLIP model in {clip}: the CLIP score needs a folder with the files of one, for example "
            "openai/clip-vit-base-patch16, and nothing is downloaded here. Name that folder in --clip."
        )


def standard_scores(
    drawn: Tensor, real: Tensor, prompts: Sequence[str], fid_weights: Path | None = None, clip: Path | None = None
) -> dict[str, float]:
    """``fid`` and ``is`` if Inception weights are named, ``clip_score`` if a CLIP folder is; pictures (N, 3, S, S) in [−1, 1].

    Raises StandardScoresError as ``check_standard``.
    """
    check_standard(fid_weights, clip)
    sets = [((pictures.clamp(-1, 1) + 1) * 127.5).round().byte() for pictures in (drawn, real)]
    scores = {}
    if fid_weights:
        from torchmetrics.image.fid import FrechetInceptionDistance, NoTrainInceptionV3
        from torchmetrics.image.inception import InceptionScore

        fid = FrechetInceptionDistance(feature_extractor_weights_path=str(fid_weights))
        logits = NoTrainInceptionV3("inception-v3-compat", ["logits_unbiased"], str(fid_weights))
        inception = InceptionScore(feature=logits)
        for pictures, is_real in zip(sets, (False, True), strict=True):
            for some in pictures.split(BATCH):
                fid.update(some, real=is_real)
        for some in sets[0].split(BATCH):
            inception.update(some)
        with torch.random.fork_rng(devices=[]):  # its ten splits are drawn at random
            torch.manual_seed(0)
            scores |= {"fid": float(fid.compute()), "is": float(inception.compute()[0])}
    if clip:
        from torchmetrics.multimodal.clip_score import CLIPScore
        from transformers import CLIPModel, CLIPProcessor

        def local() -> tuple[CLIPModel, CLIPProcessor]:
            return tuple(kind.from_pretrained(clip, local_files_only=True) for kind in (CLIPModel, CLIPProcessor))

        score = CLIPScore(local)
        for start in range(0, len(prompts), BATCH):
            score.update(sets[0][start : start + BATCH], list(prompts[start : start + BATCH]))
        scores["clip_score"] = float(score.compute())
    return scores
