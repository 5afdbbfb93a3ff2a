"""Draw a prompt without a browser: ``python -m layered "a red balloon over snowy mountains" --out folder``."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layered.config import CLIPPINGS, NOISE_MODES, ORDERS, PRESETS, SOLVERS, SPACINGS, STATE_MODES, SampleConfig

if TYPE_CHECKING:
    from layered.sampler import Step

DEFAULTS = SampleConfig()


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Arguments of the command; every setting of a run has one."""
    parser = argparse.ArgumentParser(
        prog="python -m layered",
        description="Draw a prompt at every scale of a layered diffusion model. Settings that are left out are the checkpoint's "
        f"usual ones: {DEFAULTS.steps} steps and so on, or the run that it was distilled into.",
        argument_default=argparse.SUPPRESS,
    )
    parser.add_argument("prompt", help="what to draw")
    parser.add_argument("--out", type=Path, required=True, help="folder for the pictures, the trajectory and its settings")
    parser.add_argument("--checkpoint", default="checkpoints/vista-512", help="folder or hub name of the checkpoint")
    parser.add_argument("--text-encoder", default=None, help="folder of the text encoder, if it is not the installed one")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--guidance", type=float, nargs="+", help="one weight, or one per scale")
    parser.add_argument("--guidance-parallel", type=float, help="how much guidance may harden contrast, 0 to 1")
    parser.add_argument("--guidance-interval", type=float, nargs=2, metavar=("FROM", "TO"))
    parser.add_argument("--guided-up-to", type=int, help="finest scale that is guided itself, in pixels")
    parser.add_argument("--detail", type=float, help="weight of what the scales above the base add, 0 to 2; 1 as trained")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--noise", choices=NOISE_MODES)
    parser.add_argument("--preset", choices=PRESETS, help="schedule preset")
    parser.add_argument("--shifts", type=float, nargs="+", help="shift of every scale's log-SNR, coarse to fine")
    parser.add_argument("--solver", choices=SOLVERS)
    parser.add_argument("--eta", type=float, help="DDIM: 0 deterministic, 1 ancestral")
    parser.add_argument("--ddpm-noise", type=float, help="DDPM: interpolation of the variance, 0 to 1")
    parser.add_argument("--states", choices=STATE_MODES)
    parser.add_argument("--clipping", choices=CLIPPINGS)
    parser.add_argument("--spacing", choices=SPACINGS)
    parser.add_argument("--sleep-below", type=float, help="log-SNR under which a level is not computed")
    parser.add_argument("--order", choices=ORDERS, help="which scales come first; the pictures are the same")
    parser.add_argument("--scales", type=int, nargs="+", help="only the coarsest few scales, in pixels")
    parser.add_argument("--detail-prompt", default="", help="another prompt for the scales above the base")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Draw, with a progress bar; returns the exit status."""
    options = parse(arguments)
    try:
        given = {f.name: getattr(options, f.name) for f in dataclasses.fields(SampleConfig) if f.name in options}
        SampleConfig(**given)  # says what is wrong before the checkpoint is read
        draw(options, given)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def draw(options: argparse.Namespace, given: Mapping[str, Any]) -> None:
    """Run the pipeline, as usual but for the settings that are ``given``; write one PNG per scale and the trajectory."""
    from PIL import Image
    from tqdm import tqdm

    from layered.command_line import check_device, open_folder
    from layered.pipeline import LayeredPipeline
    from layered.trajectory import to_uint8

    check_device(options.device)
    pipeline = LayeredPipeline.from_pretrained(options.checkpoint, text_encoder=options.text_encoder, device=options.device)
    config = dataclasses.replace(pipeline.usual, **({"shifts": None} if "preset" in given else {}) | given)
    open_folder(options.out)
    if unknown := pipeline.unknown_words(options.prompt):
        print("Never seen in training:", ", ".join(unknown))
    with tqdm(total=config.steps, unit="step") as bar:

        def count(step: Step) -> None:
            bar.total = 2 * step.total if step.pending else bar.total  # every step comes twice
            bar.update()

        run = pipeline.generate(options.prompt, config, on_step=count)
    for size, picture in run.final.items():
        Image.fromarray(to_uint8(picture)[0]).save(options.out / f"{size}.png")
    run.save(options.out / "trajectory.safetensors")
    print(f"Wrote {', '.join(f'{size}.png' for size in run.final)} and trajectory.safetensors to {options.out}")


if __name__ == "__main__":
    sys.exit(main())
