"""Draw a prompt without a browser: ``python -m layered "a red balloon over snowy mountains" --out folder``."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from layered.config import CLIPPINGS, NOISE_MODES, ORDERS, PRESETS, SOLVERS, SPACINGS, STATE_MODES, SampleConfig

if TYPE_CHECKING:
    from layered.sampler import Step

DEFAULTS = SampleConfig()


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Arguments of the command; every setting of a run has one."""
    parser = argparse.ArgumentParser(
        prog="python -m layered", description="Draw a prompt at every scale of a layered diffusion model."
    )
    parser.add_argument("prompt", help="what to draw")
    parser.add_argument("--out", type=Path, required=True, help="folder for the pictures, the trajectory and its settings")
    parser.add_argument("--checkpoint", default="checkpoints/vista-512", help="folder or hub name of the checkpoint")
    parser.add_argument("--text-encoder", help="folder of the text encoder, if it is not the installed one")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--steps", type=int, default=DEFAULTS.steps)
    parser.add_argument("--guidance", type=float, nargs="+", default=[DEFAULTS.guidance], help="one weight, or one per scale")
    parser.add_argument("--guidance-interval", type=float, nargs=2, default=DEFAULTS.guidance_interval, metavar=("FROM", "TO"))
    parser.add_argument(
        "--guided-up-to", type=int, default=DEFAULTS.guided_up_to, help="finest scale that is guided itself, in pixels"
    )
    parser.add_argument("--seed", type=int, default=DEFAULTS.seed)
    parser.add_argument("--noise", choices=NOISE_MODES, default=DEFAULTS.noise)
    parser.add_argument("--preset", choices=PRESETS, default=DEFAULTS.preset, help="schedule preset")
    parser.add_argument("--shifts", type=float, nargs="+", help="shift of every scale's log-SNR, coarse to fine")
    parser.add_argument("--solver", choices=SOLVERS, default=DEFAULTS.solver)
    parser.add_argument("--eta", type=float, default=DEFAULTS.eta, help="DDIM: 0 deterministic, 1 ancestral")
    parser.add_argument(
        "--ddpm-noise", type=float, default=DEFAULTS.ddpm_noise, help="DDPM: interpolation of the variance, 0 to 1"
    )
    parser.add_argument("--states", choices=STATE_MODES, default=DEFAULTS.states)
    parser.add_argument("--clipping", choices=CLIPPINGS, default=DEFAULTS.clipping)
    parser.add_argument("--spacing", choices=SPACINGS, default=DEFAULTS.spacing)
    parser.add_argument(
        "--sleep-below", type=float, default=DEFAULTS.sleep_below, help="log-SNR under which a level is not computed"
    )
    parser.add_argument(
        "--order", choices=ORDERS, default=DEFAULTS.order, help="which scales come first; the pictures are the same"
    )
    parser.add_argument("--scales", type=int, nargs="+", help="only the coarsest few scales, in pixels")
    parser.add_argument("--detail-prompt", default="", help="another prompt for the scales above the base")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Draw, with a progress bar; returns the exit status."""
    options = parse(arguments)
    try:
        values = {f.name: getattr(options, f.name) for f in dataclasses.fields(SampleConfig)}
        values["guidance"] = tuple(options.guidance) if len(options.guidance) > 1 else options.guidance[0]
        config = SampleConfig(**values)
        draw(options, config)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def draw(options: argparse.Namespace, config: SampleConfig) -> None:
    """Run the pipeline and write one PNG per scale and the trajectory."""
    from PIL import Image
    from tqdm import tqdm

    from layered.pipeline import LayeredPipeline
    from layered.trajectory import to_uint8

    pipeline = LayeredPipeline.from_pretrained(options.checkpoint, text_encoder=options.text_encoder, device=options.device)
    if unknown := pipeline.unknown_words(options.prompt):
        print("Never seen in training:", ", ".join(unknown))
    with tqdm(total=config.steps, unit="step") as bar:

        def count(step: Step) -> None:
            bar.total = 2 * step.total if step.pending else bar.total  # every step comes twice
            bar.update()

        run = pipeline.generate(options.prompt, config, on_step=count)
    options.out.mkdir(parents=True, exist_ok=True)
    for size, picture in run.final.items():
        Image.fromarray(to_uint8(picture)[0]).save(options.out / f"{size}.png")
    run.save(options.out / "trajectory.safetensors")
    print(f"Wrote {', '.join(f'{size}.png' for size in run.final)} and trajectory.safetensors to {options.out}")


if __name__ == "__main__":
    sys.exit(main())
