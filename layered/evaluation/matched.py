"""Trains and measures the arms of the ablations: each network once per seed, several at a time, only what is not there yet."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from layered.config import SampleConfig, sample_config_from_dict, to_json_dict
from layered.evaluation.ablations import ABLATIONS, Ablation, Arm
from layered.evaluation.accuracy import draw_pictures, judge, look
from layered.evaluation.leak import leaks_of
from layered.evaluation.metrics import scale_agreement
from layered.evaluation.probe import Probe, load_probe
from layered.evaluation.prompts import draw_prompts
from layered.evaluation.quality import REFERENCE_WORLD, SPECTRUM, compare
from layered.pipeline import LayeredPipeline
from layered.presets import miniature
from layered.schedule import Schedule
from layered.world import Vistas, render

USUAL = SampleConfig(steps=20, guidance=3.0, guided_up_to=32)
MUCH_NOISE = 0.9  # t at which the leak is measured

# ------------------------------------------------------------------ what is measured


def arm_measures(pipeline: LayeredPipeline, probe: Probe, config: SampleConfig, count: int, seed: int) -> dict[str, float]:
    """Pictures of ``count`` captions beside renders of other vistas, at the finest scale.

    Lower is better, but for accuracy and dB. The captions are the same for every arm and seed, the noise for every arm.
    """
    prompts, top = draw_prompts("long", count), pipeline.scales[-1]
    drawn = draw_pictures(pipeline, [prompt.text for prompt in prompts], config, first_seed=seed * count)
    values = _beside_renders(drawn[top], prompts, probe)
    if len(drawn) > 1:
        below = pipeline.scales[-2]
        values["agreement with the scale below (dB)"] = float(scale_agreement(drawn[top], drawn[below]).mean())
        if pipeline.model.config.downsampling == "isolated":
            leak = leaks_of(pipeline, Schedule.of_run(config, pipeline.scales), MUCH_NOISE, 32)[pipeline.scales[:2]]
            values |= {f"leak: {name}": value for name, value in leak._asdict().items()}
    return values


def floor_measures(probe: Probe, size: int, count: int) -> dict[str, float]:
    """The same of renders of the captions' own vistas: what a perfect model would reach."""
    prompts = draw_prompts("long", count)
    return _beside_renders(render([prompt.spec for prompt in prompts], size), prompts, probe)


def _beside_renders(pictures: torch.Tensor, prompts: Sequence, probe: Probe) -> dict[str, float]:
    size, count = pictures.shape[-1], len(prompts)
    reference = render(Vistas(REFERENCE_WORLD).specs(0, count), size)
    compared, _ = compare({size: pictures}, {size: reference}, probe)
    octaves = [abs(value) for (_, name), value in compared.items() if name.startswith(SPECTRUM)]
    found = look(probe, pictures)
    return {
        "layout: sliced Wasserstein": compared["all", "layout: sliced Wasserstein"],
        "patches: sliced Wasserstein": compared[str(size), "patches: sliced Wasserstein"],
        "detail: sliced Wasserstein": compared[str(size), "detail patches: sliced Wasserstein"],
        "spectrum error (log10)": sum(octaves) / len(octaves),
        "probe Fréchet distance": compared["all", "probe features: Fréchet distance"],
        "prompt accuracy": judge(probe, prompts, found, found)["all"].drawn,
    }


# ------------------------------------------------------------------ one arm with one seed


@dataclass(frozen=True)
class Job:
    """One network of one seed, and the settings under which it is judged."""

    arm: Arm
    seed: int
    data: tuple[str, ...]
    pictures: int  # that a whole budget is
    judged: int  # pictures drawn to judge it
    out: Path
    states: Path | None = None  # of the captions, written beforehand: the same to half precision, at a fraction of the time

    @property
    def training(self) -> list[str]:
        """The training command, but for where its files go."""
        budget = [str(round(part * self.pictures)) for part in self.arm.pictures]
        stages = [] if self.arm.stacked else ["--no-stacking"]
        crop = [] if "--crop" in self.arm.train else ["--crop", "0"]
        each = ["--batch", *["32"] * len(budget), "--lr", *["1e-3"] * len(budget)]
        command = [sys.executable, "-m", "layered.training", "--data", *self.data, "--pictures", *budget]
        return [*command, *each, *stages, *crop, *self.arm.train, "--seed", str(self.seed)]

    @property
    def network(self) -> Path:
        """The folder of the trained network: named by what decides it."""
        config = to_json_dict(self.arm.model or miniature())
        return self.out / "networks" / f"{_digest([self.training[2:], config])}-{self.seed}"

    @property
    def settings(self) -> SampleConfig:
        """Of the runs."""
        return dataclasses.replace(USUAL, **dict(self.arm.settings))

    @property
    def result(self) -> Path:
        """The file of its measures."""
        about = [self.network.name, to_json_dict(self.settings), self.judged]
        return self.out / "measures" / f"{_digest(about)}-{self.seed}.json"

    def train(self) -> None:
        """Train the network, unless it is there."""
        if (self.network / "checkpoint").exists():
            return
        self.network.mkdir(parents=True, exist_ok=True)
        architecture = self.network / "architecture.json"
        architecture.write_text(json.dumps(to_json_dict(self.arm.model or miniature()), indent=1))
        where = ["--model", str(architecture), "--run", str(self.network / "run"), "--sheet-minutes", "0"]
        where += ["--text-states", str(self.states)] if self.states else []
        _run([*self.training, *where, "--export", str(self.network / "checkpoint")], self.network / "training.log")

    def measure(self, probe: Path) -> None:
        """Draw and measure in a process of its own, unless that was done."""
        if self.result.exists():
            return
        settings = json.dumps(to_json_dict(self.settings))
        command = [sys.executable, "-m", "layered.evaluation", "compare", "--checkpoint", str(self.network / "checkpoint")]
        command += ["--probe", str(probe), "--pictures", str(self.judged), "--seed", str(self.seed), "--settings", settings]
        _run([*command, "--out", str(self.result)], self.network / "measuring.log")

    def read(self) -> dict[str, float]:
        """Its measures."""
        return json.loads(self.result.read_text())


def _digest(about: Any) -> str:
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()[:12]


def _run(command: list[str], log: Path) -> None:
    """Run a command of this project; RuntimeError with the end of its output where it fails."""
    with open(log, "w", encoding="utf-8") as file:
        done = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[1:4])} failed:\n{log.read_text(encoding='utf-8')[-2000:]}")


def compare_command(checkpoint: str, probe: Path, settings: str, count: int, seed: int, out: Path) -> None:
    """What ``python -m layered.evaluation compare`` does: the measures of one checkpoint as a JSON file."""
    pipeline = LayeredPipeline.from_pretrained(checkpoint)
    config = sample_config_from_dict(json.loads(settings))
    values = arm_measures(pipeline, load_probe(probe), config, count, seed)
    stages = pipeline.meta["training"]["stages"]
    values["training seconds"] = float(sum(stage["seconds"] for stage in stages))
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(values, indent=1, ensure_ascii=False))


# ------------------------------------------------------------------ all of them


def run_ablations(
    names: Iterable[str],
    data: Sequence[str],
    out: Path,
    *,
    probe: Path,
    pictures: int,
    judged: int,
    seeds: int,
    jobs: int,
    states: Path | None = None,
) -> dict[str, dict[str, list[dict[str, float]]]]:
    """Measures by ablation, arm and seed. Each of ``jobs`` processes has its share of the machine's threads.

    Goes on where it was stopped. ValueError for an unknown name, RuntimeError where a command fails.
    """
    chosen = [ablation_named(name) for name in names]
    work = {
        (ablation.name, arm.name): [Job(arm, seed, tuple(data), pictures, judged, out, states) for seed in range(seeds)]
        for ablation in chosen
        for arm in ablation.arms
    }
    everything = [job for row in work.values() for job in row]
    networks = {job.network: job for job in everything}
    results = {job.result: job for job in everything}
    threads = max(1, (os.cpu_count() or 1) // jobs)
    os.environ |= {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}  # of the processes that follow
    with ThreadPoolExecutor(jobs) as pool, tqdm(total=len(networks) + len(results), unit="arm") as bar:
        for _ in pool.map(Job.train, networks.values()):
            bar.update()
        for _ in pool.map(lambda job: job.measure(probe), results.values()):
            bar.update()
    return {
        ablation.name: {arm.name: [job.read() for job in work[ablation.name, arm.name]] for arm in ablation.arms}
        for ablation in chosen
    }


def ablation_named(name: str) -> Ablation:
    """One of ``ABLATIONS``; ValueError for an unknown name."""
    found = next((ablation for ablation in ABLATIONS if ablation.name == name), None)
    if found is None:
        raise ValueError(f"Unknown ablation {name!r}: choose from {', '.join(ablation.name for ablation in ABLATIONS)}.")
    return found
