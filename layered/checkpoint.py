"""A model as a folder in the 🤗 convention: ``config.json`` and ``model.safetensors``, loaded strictly, never a pickle."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from layered.config import PRESETS, ModelConfig, model_config_from_dict, sample_config_from_dict, to_json_dict
from layered.unet import LayeredUNet

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
CARD_FILE = "README.md"
CARD_LIMIT = 100_000  # characters of a card that are read
FORMAT = "layered-diffusion"
FORMAT_VERSION = 1
_META = ("text_encoder", "preset", "vocabulary", "training")  # what a checkpoint says besides the architecture
_MORE = ("distilled", "usual")  # what it may say too: settings of a run
_OVER = "over"  # entry of one that holds only what differs from another, beside it: that one's folder and digest


class CheckpointError(ValueError):
    """A checkpoint cannot be read or written; the message says what was wrong and what to do."""


def save_checkpoint(
    folder: str | Path,
    model: LayeredUNet,
    meta: Mapping[str, Any],
    dtype: torch.dtype = torch.float16,
    over: str | Path | None = None,
) -> None:
    """Write ``model`` and ``meta`` into ``folder``, weights rounded to ``dtype``.

    A file that is there already is replaced only when its successor is whole.
    ``meta`` has exactly these names: ``text_encoder`` (its name), ``preset`` (of the schedule it was trained with),
    ``vocabulary`` (the words of its captions), ``training`` (a summary, any JSON values); and ``distilled`` for a network that
    was distilled into few steps: the settings of the run that it learnt, ``guidance`` being the weight folded into it;
    ``usual``: settings without which it should not be drawn, such as the ``shifts`` or the ``noise`` that it was trained with.
    ``over``: the folder of another checkpoint of this architecture, beside ``folder``; then only the tensors that differ from
    its are written, and the new one cannot be loaded without it.
    Raises CheckpointError when ``meta`` is not of that form, when a weight is not a finite number in ``dtype``, or when
    ``over`` is not beside ``folder``, of another architecture or itself such a checkpoint.
    """
    folder = Path(folder)
    if problem := _problem_of_meta(meta):
        raise CheckpointError(f"Cannot save this checkpoint: {problem}")
    weights = {name: tensor.detach().to("cpu", dtype).contiguous() for name, tensor in model.state_dict().items()}
    if broken := _not_finite(weights):
        raise CheckpointError(
            f"These weights are not finite numbers in {str(dtype).removeprefix('torch.')}: {broken}. "
            "The training has diverged: export an earlier state, or save in float32."
        )
    header: dict[str, Any] = {"format": FORMAT, "format_version": FORMAT_VERSION}
    if over is not None:
        other = other_beside(folder, over, model.config)
        theirs = other.state_dict()
        weights = {name: tensor for name, tensor in weights.items() if not torch.equal(tensor, theirs[name].to(dtype))}
        header[_OVER] = {"folder": Path(over).resolve().name, "digest": weights_digest(other)}
    config = header | {"model": to_json_dict(model.config)} | {name: meta[name] for name in (*_META, *_MORE) if name in meta}
    try:
        text = json.dumps(config, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    except (TypeError, ValueError) as error:
        raise CheckpointError(
            f"Cannot save this checkpoint: its meta is not JSON ({error}). Give finite numbers, strings, lists."
        ) from error
    folder.mkdir(parents=True, exist_ok=True)
    _replace(folder / WEIGHTS_FILE, lambda path: save_file(weights, path, {"format": "pt"}))
    _replace(folder / CONFIG_FILE, lambda path: path.write_text(text, encoding="utf-8"))


def load_checkpoint(folder_or_name: str | Path, revision: str | None = None) -> tuple[LayeredUNet, dict[str, Any]]:
    """The model, in float32 and in evaluation mode, and its ``meta``, from a folder or from a repository on the hub.

    ``revision``: branch, tag or commit on the hub. Raises CheckpointError unless every file, name, shape and number is right.
    """
    folder = find_checkpoint(folder_or_name, revision)
    config, meta = _read_config(folder / CONFIG_FILE)
    over = meta.pop(_OVER, None)
    with torch.device("meta"):  # takes no memory: weights that do not fit are refused before anything is allocated
        expected = LayeredUNet(config).state_dict()
    weights = _read_weights(folder / WEIGHTS_FILE, expected, complete=over is None)
    if over is not None:
        model = _other_of(folder, over, config)
        model.load_state_dict(weights, strict=False)  # names and shapes were checked
        return model, meta
    with torch.random.fork_rng(devices=[]):  # first values are drawn and replaced; the caller's generator stays as it was
        model = LayeredUNet(config)
    model.load_state_dict(weights, strict=True)
    return model.eval(), meta


def weights_digest(model: LayeredUNet) -> str:
    """SHA-256 of a model's architecture and weights in float32, whatever file, device or memory layout they are in."""
    digest = hashlib.sha256(json.dumps(to_json_dict(model.config), sort_keys=True).encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().to("cpu", torch.float32).contiguous().numpy().data)
    return digest.hexdigest()


# ----------------------------------------------------------------- the folder


def find_checkpoint(folder_or_name: str | Path, revision: str | None = None) -> Path:
    """The folder of a checkpoint: one that is here, or the hub's files in the local cache.

    Raises CheckpointError where there is none, or where it lacks the config or the weights.
    """
    folder = Path(folder_or_name).expanduser()
    if not folder.exists():
        folder = _download(str(folder_or_name), revision)
    for file in (CONFIG_FILE, WEIGHTS_FILE):
        if not (folder / file).is_file():
            raise CheckpointError(
                f"{folder} has no {file}: a checkpoint is a folder with {CONFIG_FILE} and {WEIGHTS_FILE}. "
                "Name such a folder, or copy or download it again."
            )
    return folder


def checkpoints_in(folder: str | Path) -> list[Path]:
    """The checkpoints among the folders of ``folder``, by name: those whose config says that they are one."""

    def says_so(path: Path) -> bool:
        try:
            data = json.loads((path / CONFIG_FILE).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return False
        return isinstance(data, dict) and data.get("format") == FORMAT

    return [path for path in sorted(Path(folder).iterdir()) if says_so(path)]


def read_card(folder: Path) -> str:
    """The card of a checkpoint, as Markdown that anyone may have written; empty where it has none."""
    try:
        with (folder / CARD_FILE).open(encoding="utf-8", errors="replace") as stream:
            return stream.read(CARD_LIMIT)
    except OSError:
        return ""


def _download(name: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=[CONFIG_FILE, WEIGHTS_FILE, CARD_FILE]))
    except Exception as error:  # the hub's client raises its own, the transport's and the operating system's
        raise CheckpointError(
            f"There is no checkpoint folder {name!r} here, and the hub gave none of that name ({type(error).__name__}). "
            "Check the path; for a model on the hub check owner/name, the revision and the connection."
        ) from error


def _replace(path: Path, write: Callable[[Path], Any]) -> None:
    """Write beside ``path`` and move it there when it is whole."""
    draft = path.with_name(path.name + ".part")
    try:
        write(draft)
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


# ------------------------------------------------------------ one over another


def other_beside(folder: str | Path, over: str | Path, config: ModelConfig) -> LayeredUNet:
    """The network of the checkpoint ``over``, from which a new one in ``folder`` may hold the differences: it lies beside that
    folder, is of this architecture, and whole. CheckpointError where it is not."""
    here, there = Path(folder).resolve(), Path(over).resolve()
    if there.parent != here.parent or there == here:
        raise CheckpointError(f"Only what differs from {over} is to be saved: choose another folder beside it than {folder}.")
    theirs, meta = _read_config(find_checkpoint(there) / CONFIG_FILE)
    if theirs != config or _OVER in meta:
        raise CheckpointError(f"{over} is no whole checkpoint of this architecture: save all tensors.")
    return load_checkpoint(there)[0]


def _other_of(folder: Path, over: Mapping[str, str], config: ModelConfig) -> LayeredUNet:
    """The network that the checkpoint in ``folder`` lies over, as its config names it."""
    other = folder.resolve().parent / over["folder"]
    needs = f"{folder} holds only what differs from the checkpoint {over['folder']}, which must be beside it"
    if not (other / CONFIG_FILE).is_file():
        raise CheckpointError(f"{needs}: {other} is missing. Copy or download the two together.")
    if _OVER in _read_config(other / CONFIG_FILE)[1]:
        raise CheckpointError(f"{needs} and whole: {other} lies over another one. Copy or download the two together.")
    model, _ = load_checkpoint(other)
    if model.config != config or weights_digest(model) != over["digest"]:
        raise CheckpointError(f"{needs} as it was then: {other} is another one. Copy or download the two together.")
    return model


# ----------------------------------------------------------------- config.json


def _read_config(path: Path) -> tuple[ModelConfig, dict[str, Any]]:
    """The architecture and ``meta`` of a checkpoint."""
    advice = f"Correct {path}, or copy or download the checkpoint again."
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"The checkpoint's config is not JSON ({error}). {advice}") from error
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise CheckpointError(f'{path} is not the config of a layered diffusion model: it lacks "format": "{FORMAT}". {advice}')
    if data.get("format_version") != FORMAT_VERSION:
        raise CheckpointError(
            f"{path} has format version {data.get('format_version')!r}; this program reads version {FORMAT_VERSION}. "
            "Install the version of the program that belongs to the checkpoint."
        )
    meta = {name: value for name, value in data.items() if name not in ("format", "format_version", "model")}
    if problem := _problem_of_meta(meta):
        raise CheckpointError(f"The checkpoint's config is wrong: {problem} {advice}")
    try:
        return model_config_from_dict(data.get("model")), meta
    except (ValueError, TypeError) as error:
        raise CheckpointError(f"The checkpoint's config is wrong: {error} {advice}") from error


def _problem_of_meta(meta: Mapping[str, Any]) -> str | None:
    """What is wrong with the entries beside the architecture, as a sentence; None if nothing is."""
    if unknown := sorted(set(meta) - {*_META, *_MORE, _OVER}):
        return f"unknown entries {', '.join(unknown[:5])}; known are {', '.join((*_META, *_MORE))}."
    if missing := [name for name in _META if name not in meta]:
        return f"it lacks {', '.join(missing)}."
    if not isinstance(meta["text_encoder"], str) or not meta["text_encoder"]:
        return "text_encoder must be the name of an encoder."
    if meta["preset"] not in PRESETS:
        return f"preset must be one of {', '.join(PRESETS)}."
    words = meta["vocabulary"]
    if not isinstance(words, (list, tuple)) or not all(isinstance(word, str) for word in words):
        return "vocabulary must be a list of words."
    over = meta.get(_OVER)
    if over is not None and not (
        isinstance(over, Mapping)
        and set(over) == {"folder", "digest"}
        and all(isinstance(value, str) for value in over.values())
        and over["folder"] not in ("", ".", "..")
        and not set(over["folder"]) & set("/\\\0")
    ):
        return "over must name the folder beside this one that it lies over, and its digest."
    for name in _MORE:
        try:
            sample_config_from_dict(meta.get(name, {}))
        except (ValueError, TypeError) as error:
            return f"{name}: {error}"
    return None if isinstance(meta["training"], Mapping) else "training must be names with values."


# ----------------------------------------------------------- model.safetensors


def _read_weights(path: Path, expected: Mapping[str, Tensor], complete: bool) -> dict[str, Tensor]:
    """The tensors of a checkpoint in float32, those of ``expected`` in name and shape (all of them where it is ``complete``), all
    of them finite."""
    with path.open("rb") as stream:
        if stream.read(20) == b"version https://git-":
            raise CheckpointError(f"{path} is only a Git LFS pointer: run `git lfs pull`, or fetch it with `hf download`.")
    try:
        with safe_open(path, framework="pt") as file:
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
            wanted = {name: tuple(tensor.shape) for name, tensor in expected.items() if complete or name in shapes}
            if problem := _problem_of_shapes(shapes, wanted):
                raise CheckpointError(
                    f"The weights in {path} are of another architecture than the config beside them: {problem}. "
                    "Use the two files of one and the same checkpoint."
                )
            weights = {name: file.get_tensor(name).float() for name in shapes}
    except SafetensorError as error:
        raise CheckpointError(
            f"{path} is truncated or not a safetensors file ({error}). Copy or download the checkpoint again."
        ) from error
    if broken := _not_finite(weights):
        raise CheckpointError(f"{path} holds weights that are not finite numbers: {broken}. Use an earlier or a sound copy.")
    return weights


def _problem_of_shapes(found: Mapping[str, tuple[int, ...]], expected: Mapping[str, tuple[int, ...]]) -> str:
    """Names the missing, unexpected and mis-shaped tensors, five of each; empty if there are none."""
    kinds = {
        "missing": [name for name in expected if name not in found],
        "unexpected": [name for name in found if name not in expected],
        "of another shape": [
            f"{name} {list(found[name])} instead of {list(shape)}"
            for name, shape in expected.items()
            if found.get(name, shape) != shape
        ],
    }
    return "; ".join(f"{len(names)} {kind} ({', '.join(names[:5])})" for kind, names in kinds.items() if names)


def _not_finite(weights: Mapping[str, Tensor]) -> str:
    """The first five tensors that hold NaN or infinity."""
    return ", ".join([name for name, tensor in weights.items() if not torch.isfinite(tensor).all()][:5])
