"""The page: ``python app.py``. Every option has an environment variable, so that the same file serves a laptop and a Space."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

CHECKPOINT = Path(__file__).parent / "checkpoints" / "vista-512"


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Options of the command; what is not given comes from the environment."""
    env = os.environ.get
    on_space = bool(env("SPACE_ID"))
    parser = argparse.ArgumentParser(description="Watch a layered diffusion model draw at 128, 256 and 512 pixels at once.")
    parser.add_argument(
        "--checkpoint", default=env("LAYERED_CHECKPOINT", str(CHECKPOINT)), help="folder or hub name (LAYERED_CHECKPOINT)"
    )
    parser.add_argument(
        "--also",
        nargs="*",
        default=[name.strip() for name in env("LAYERED_ALSO", "").split(",") if name.strip()] or None,
        help="further checkpoints, each with a page of its own (LAYERED_ALSO, separated by commas; default: the others in "
        "checkpoints/, if the first one is there; none: no others)",
    )
    parser.add_argument(
        "--text-encoder", default=env("LAYERED_TEXT_ENCODER"), help="folder of the text encoder (LAYERED_TEXT_ENCODER)"
    )
    parser.add_argument("--device", default=env("LAYERED_DEVICE"), help="cpu, cuda, … (LAYERED_DEVICE; default: cuda if there)")
    parser.add_argument(
        "--host",
        default=env("LAYERED_HOST", "0.0.0.0" if on_space else "127.0.0.1"),
        help="address to listen on (LAYERED_HOST)",
    )
    parser.add_argument(
        "--port",
        type=_port,
        default=env("LAYERED_PORT") or env("GRADIO_SERVER_PORT"),
        help="port to listen on (LAYERED_PORT or GRADIO_SERVER_PORT; default: the first free one from 7860)",
    )
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Load the checkpoint and serve the page; 1 when the checkpoint, the encoder or the port cannot be had."""
    options = parse(arguments)
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # read when gradio is imported
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    gpu = _lender()
    from layered.pipeline import LayeredPipeline
    from layered.studio import LentGPU, StudioSettings, Worker, build_studio, launch_options

    try:
        worker = Worker()
        settings = StudioSettings.from_env(os.environ)
        device = _device(options.device)
        load = LayeredPipeline.from_pretrained
        pipelines = [worker.call(load, options.checkpoint, text_encoder=options.text_encoder, device=device)]
        for name in further(options):
            try:
                pipelines.append(worker.call(load, name, text_encoder=options.text_encoder, device=device))
            except ValueError as error:
                print(f"Left out: {error}", file=sys.stderr)  # the first one can be served all the same
        page = build_studio([LentGPU(pipeline, gpu) if gpu else pipeline for pipeline in pipelines], settings, worker)
        page.launch(server_name=options.host, server_port=options.port, **launch_options())
    except (ValueError, OSError) as error:
        print(f"The page cannot start. {error}", file=sys.stderr)
        return 1
    return 0


def further(options: argparse.Namespace) -> list[str]:
    """The checkpoints that have a page besides the first."""
    from layered.checkpoint import checkpoints_in

    if options.also is not None:
        return [name for name in options.also if name != "none"]
    first = Path(options.checkpoint).expanduser().resolve()
    shipped = CHECKPOINT.parent.resolve()
    return [str(path) for path in checkpoints_in(shipped) if path != first] if first.parent == shipped else []


def _lender() -> Callable[..., Any] | None:
    """``spaces.GPU`` on a ZeroGPU Space, else None. Its package stands ready there, and must be imported before torch."""
    if os.environ.get("SPACES_ZERO_GPU", "").lower() not in ("1", "true"):
        return None
    return importlib.import_module("spaces").GPU


def _port(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: give a number from 1 to 65535")
    return int(text)


def _device(name: str | None) -> str:
    """The device to draw on. ValueError when there is none of that name here."""
    import torch

    if not name:
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"There is no device {name!r} here: leave it out, or give cpu or one that torch can use.") from error
    return name


if __name__ == "__main__":
    sys.exit(main())
