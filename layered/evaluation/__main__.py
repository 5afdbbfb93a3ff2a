"""The command line of the evaluation: ``python -m layered.evaluation flops | speed | sheet | loss | detail``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

from layered.config import MODELS, SOLVERS, SampleConfig
from layered.evaluation.flops import flops_table
from layered.evaluation.loss import LOGSNRS, detail_errors, unseen_losses
from layered.evaluation.sheet import SHEET_PROMPTS, draw_sheet
from layered.evaluation.speed import default_settings, peak_memory, speed_table
from layered.pipeline import LayeredPipeline


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Arguments of the command."""
    parser = argparse.ArgumentParser(prog="python -m layered.evaluation", description="Measure a layered diffusion model.")
    commands = parser.add_subparsers(dest="command", required=True)
    flops = commands.add_parser("flops", help="GFLOP per forward pass, layered beside its single-resolution twin")
    flops.add_argument("--model", choices=sorted(MODELS), default="compact")
    flops.add_argument("--sizes", type=int, nargs="+", default=[256, 512])
    speed = commands.add_parser("speed", help="seconds per picture, time to the first preview, peak memory")
    speed.add_argument("--repeats", type=int, default=3)
    sheet = commands.add_parser("sheet", help="an unpicked sheet of prompts and scales")
    sheet.add_argument("--out", type=Path, required=True, help="picture file")
    sheet.add_argument("--sizes", type=int, nargs="+", default=[128, 256, 512])
    sheet.add_argument("--cell", type=int, default=256, help="pixels of a picture on the sheet")
    sheet.add_argument("--guidance", type=float, default=SampleConfig().guidance)
    sheet.add_argument("--solver", choices=SOLVERS, default=SampleConfig().solver)
    sheet.add_argument("--steps", type=int, default=SampleConfig().steps)
    loss = commands.add_parser("loss", help="loss per scale on vistas that no training run has seen")
    loss.add_argument("--pictures", type=int, default=256)
    detail = commands.add_parser("detail", help="what each level adds to the one below, by noise level, on unseen vistas")
    detail.add_argument("--pictures", type=int, default=12)
    detail.add_argument("--logsnr", type=float, nargs="+", default=list(LOGSNRS), help="noise levels, of the scale itself")
    for command in (speed, sheet, loss, detail):
        command.add_argument("--checkpoint", default="checkpoints/vista-512")
        command.add_argument("--threads", type=int, help="CPU threads")
        command.add_argument("--device", default="cpu")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    options = parse(arguments)
    if options.command == "flops":
        for row in flops_table(MODELS[options.model](), tuple(options.sizes)):
            print(json.dumps(row))
        return
    if options.threads:
        torch.set_num_threads(options.threads)
    pipeline = LayeredPipeline.from_pretrained(options.checkpoint, device=options.device)
    if options.command == "speed":
        for row in speed_table(pipeline, SHEET_PROMPTS[0], default_settings(pipeline.scales), options.repeats):
            print(json.dumps(row))
        print(json.dumps({"threads": torch.get_num_threads(), "peak_memory_mib": round(peak_memory())}))
    elif options.command == "loss":
        for size, loss in unseen_losses(pipeline, options.pictures).items():
            print(json.dumps({"scale": size} | {name: value and round(value, 4) for name, value in loss._asdict().items()}))
    elif options.command == "detail":
        for size, row in detail_errors(pipeline, options.pictures, options.logsnr).items():
            for logsnr, (error, enlarged) in row.items():
                ratio = {"enlarged": round(enlarged, 6), "ratio": round(error / enlarged, 3)} if enlarged else {}
                print(json.dumps({"scale": size, "logsnr": logsnr, "error": round(error, 6)} | ratio))
    else:
        config = SampleConfig(steps=options.steps, guidance=options.guidance, solver=options.solver)
        draw_sheet(pipeline, SHEET_PROMPTS, config, options.sizes, options.out, options.cell)
        print(f"Wrote {options.out}")


if __name__ == "__main__":
    main()
