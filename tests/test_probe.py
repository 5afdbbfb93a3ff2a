"""The attribute probe: true labels, answers that are learned, a folder that is read strictly, and its command."""

from __future__ import annotations

import json

import pytest
import torch

from layered.evaluation import __main__ as command
from layered.evaluation.probe import OBJECT, SCENE, UNKNOWN, Probe, ProbeConfig, ProbeError, labels_of, load_probe, save_probe
from layered.evaluation.probe_training import jitter, measure_probe, probe_card, probe_loss, train_probe
from layered.pyramid import enlarge_image
from layered.world import Vistas, VistaSpec, render
from layered.world.cache import build_cache

TINY = ProbeConfig(size=32, widths=(8, 8, 16), features=8, hidden=8)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return build_cache(tmp_path_factory.mktemp("cache") / "vistas", count=24, size=32, progress=False)


@pytest.fixture(scope="session")
def probe() -> Probe:
    torch.manual_seed(0)
    return Probe(TINY).eval().requires_grad_(False)


@pytest.fixture
def folder(probe, tmp_path):
    save_probe(tmp_path / "probe", probe, "# Probe\n")
    return tmp_path / "probe"


def test_labels_are_the_truth_about_a_vista() -> None:
    specs = Vistas(4).specs(0, 40)
    labels = labels_of(specs, TINY)
    for row, spec in enumerate(specs):
        assert SCENE["time"][labels.scene["time"][row]] == spec.time
        assert SCENE["body"][labels.scene["body"][row]] == (spec.body or "none")
        assert {TINY.kinds[column] for column in labels.present[row].nonzero().flatten()} == {o.kind for o in spec.objects}
        for item in spec.objects:
            column = TINY.kinds.index(item.kind)
            assert OBJECT["colour"][labels.objects["colour"][row, column]] == item.colour
            assert OBJECT["count"][labels.objects["count"][row, column]] == str(item.count)
    absent = labels.present == 0
    assert all((table[absent] == UNKNOWN).all() and (table[~absent] >= 0).all() for table in labels.objects.values())


def test_a_season_that_does_not_show_is_not_asked_for() -> None:
    known, unknown = Vistas(4).spec(0).to_dict() | {"terrain": "none"}, UNKNOWN
    specs = [VistaSpec.from_dict(known | {"ground": ground, "season": "autumn"}) for ground in ("desert", "meadow")]
    assert labels_of(specs, TINY).scene["season"].tolist() == [unknown, SCENE["season"].index("autumn")]


def test_a_probe_answers_for_every_kind_and_any_size(probe) -> None:
    for size in (16, 32, 64):
        findings = probe(torch.zeros(2, 3, size, size))
        assert findings.present.shape == (2, len(TINY.kinds)) and findings.features.shape == (2, 8)
        for name, values in SCENE.items():
            assert findings.scene[name].shape == (2, len(values))
        for name, values in OBJECT.items():
            assert findings.objects[name].shape == (2, len(TINY.kinds), len(values))


def test_the_default_probe_stays_under_two_megabytes(tmp_path) -> None:
    probe = Probe()
    assert 0.3e6 < sum(p.numel() for p in probe.parameters()) < 1e6
    save_probe(tmp_path, probe, "")
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 2e6


def test_the_loss_is_that_of_guessing_and_vanishes_for_the_truth() -> None:
    labels = labels_of(Vistas(4).specs(0, 8), TINY)
    findings = Probe(TINY)(torch.zeros(8, 3, 32, 32))
    flat = findings._replace(
        scene={name: torch.zeros_like(v) for name, v in findings.scene.items()},
        present=torch.zeros_like(findings.present),
        objects={name: torch.zeros_like(v) for name, v in findings.objects.items()},
    )
    sizes = torch.tensor([len(values) for values in (*SCENE.values(), *OBJECT.values())])
    guess = float(sizes.log().sum()) + len(TINY.kinds) * torch.tensor(2.0).log()
    assert float(probe_loss(flat, labels)) == pytest.approx(float(guess), rel=1e-5)
    sure = flat._replace(
        scene={n: 50.0 * torch.eye(v.shape[1])[labels.scene[n].clamp_min(0)] for n, v in flat.scene.items()},
        present=100 * labels.present - 50,
        objects={n: 50.0 * torch.eye(v.shape[2])[labels.objects[n].clamp_min(0)] for n, v in flat.objects.items()},
    )
    assert float(probe_loss(sure, labels)) < 1e-3


def test_jitter_leaves_the_picture_to_be_seen_and_depends_on_its_generator_alone() -> None:
    pictures = enlarge_image(2 * torch.rand(6, 3, 8, 8) - 1, 32)
    first, again, other = (jitter(pictures, torch.Generator().manual_seed(seed), shift=1) for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert first.shape == pictures.shape and first.abs().max() <= 1
    for one, two in zip(first, pictures, strict=True):
        assert torch.corrcoef(torch.stack([one.flatten(), two.flatten()]))[0, 1] > 0.7


def test_a_probe_learns_what_it_is_shown(cache) -> None:
    probe, took = train_probe(TINY, steps=50, batch=12, rate=1e-2, caches=[cache], progress=False)
    assert took["steps"] == 50 and took["pictures"] == 24
    specs = Vistas(0).specs(0, 24)  # of the cache
    labels, pictures = labels_of(specs, TINY), render(specs, 32)
    torch.manual_seed(0)
    before = probe_loss(Probe(TINY)(pictures), labels)
    assert probe_loss(probe(pictures), labels) < 0.85 * before
    assert (probe(pictures).scene["time"].argmax(1) == labels.scene["time"]).float().mean() > 0.3  # by luck: 1/6


def test_the_same_steps_make_the_same_probe_from_fresh_renders() -> None:
    one, two = (train_probe(TINY, steps=2, batch=2, progress=False)[0] for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    with pytest.raises(ValueError, match="minutes or for how many steps"):
        train_probe(TINY)


def test_a_cache_that_is_too_coarse_is_refused(cache) -> None:
    with pytest.raises(ValueError, match="32 px; the probe needs 128"):
        train_probe(steps=1, caches=[cache], progress=False)


def test_measures_count_what_was_asked(probe) -> None:
    measured = measure_probe(probe, 6, progress=False)
    assert measured["time"][1] == 6 and measured["season"][1] <= 6
    assert measured["colour"][1] == measured["kind"][1] == sum(len(s.objects) for s in Vistas(2**31 - 3).specs(0, 6))
    assert all(0 <= right <= asked for right, asked in measured.values())
    assert "| time | 6 |" in probe_card(probe, {"pictures": 64, "steps": 2, "minutes": 0.1}, measured, "python -m x")


# ---------------------------------------------------------------- the folder


def test_a_saved_probe_comes_back_in_half_precision(probe, folder) -> None:
    again = load_probe(folder)
    assert again.config == TINY and not again.training
    for name, value in probe.state_dict().items():
        assert torch.equal(again.state_dict()[name], value.half().float())
    assert {file.name for file in folder.iterdir()} == {"config.json", "model.safetensors", "README.md"}


def test_a_probe_that_cannot_be_used_is_refused_with_a_sentence(folder, tmp_path) -> None:
    with pytest.raises(ProbeError, match="There is no probe in .*Train one: python -m layered.evaluation probe --train"):
        load_probe(tmp_path / "nowhere")
    config = json.loads((folder / "config.json").read_text())

    def change(**values) -> None:
        (folder / "config.json").write_text(json.dumps(config | values))

    change(kinds=config["kinds"][1:])
    with pytest.raises(ProbeError, match=r"another world \(its kinds differ\)"):
        load_probe(folder)
    change(features=16)
    with pytest.raises(ProbeError, match="do not fit"):
        load_probe(folder)
    change(format="other")
    with pytest.raises(ProbeError, match="damaged .*not of the format layered-probe"):
        load_probe(folder)
    change()
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(ProbeError, match="damaged"):
        load_probe(folder)


# ---------------------------------------------------------------- the command


def test_the_command_trains_and_measures(tmp_path, monkeypatch, capsys) -> None:
    asked = {}

    def quick(config, **options):
        asked.update(options | {"size": config.size})
        return train_probe(TINY, steps=1, batch=2, progress=False)

    monkeypatch.setattr(command, "train_probe", quick)
    out = tmp_path / "probe"
    assert command.main(["probe", "--train", "--minutes", "3", "--size", "64", "--out", str(out), "--pictures", "4"]) == 0
    assert (
        asked["minutes"] == 3 and asked["size"] == 64 and (out / "README.md").read_text().startswith("---\nlicense: apache-2.0")
    )
    trained = capsys.readouterr().out
    assert command.main(["probe", "--measure", "--probe", str(out), "--pictures", "4"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["attribute"] for row in rows] == [*("kind", "kind said"), *SCENE, *OBJECT]
    assert all(row["low"] <= (row["accuracy"] or 0) <= row["high"] for row in rows) and len(trained.splitlines()) == 2 + len(rows)


def test_the_command_says_where_a_probe_is_missing(tmp_path, capsys) -> None:
    assert command.main(["probe", "--measure", "--probe", str(tmp_path)]) == 1
    assert "There is no probe" in capsys.readouterr().err
