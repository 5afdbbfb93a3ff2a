"""What the Model tab is told: the drawing of any network, the tables, the words, the card."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from fake_pipeline import FakePipeline, thin_network

from layered.checkpoint import find_checkpoint, read_card
from layered.cost import Cost, measure, measure_config
from layered.studio.card import shown_card
from layered.studio.drawing import network
from layered.studio.model_page import measure_model
from layered.studio.tables import PAPER_TABLE_1, tables
from layered.studio.vocabulary import GROUPS, of_vistas, vocabulary
from layered.world.caption import VOCABULARY
from layered.world.heldout import HELD_OUT
from tests.test_cost import STAGED
from tests.test_nested import NESTED
from tests.test_unet import VARIANTS, tiny

LEVEL = {"z", "condition", "input", "down", "isolated", "skip", "upsample", "fuse", "up", "output", "x0"}


@pytest.fixture(scope="module")
def cost() -> Cost:
    return measure_config(STAGED)


def facts(node: dict[str, Any]) -> dict[str, str]:
    return dict(node["facts"])


# ------------------------------------------------------------------ the drawing


def test_a_layered_network_is_drawn_level_by_level(cost) -> None:
    drawn = network(cost)
    assert [row["name"] for row in drawn["rows"]] == ["128", "64", "32", "", ""] and drawn["layered"]
    finest, middle, base, *stages = drawn["rows"]
    assert set(finest["nodes"]) == set(middle["nodes"]) == LEVEL
    assert set(base["nodes"]) == LEVEL - {"isolated"}  # the base alone goes on down
    assert all(set(stage["nodes"]) == {"input", "down", "skip", "upsample", "fuse", "up"} for stage in stages)
    assert len({row["colour"] for row in drawn["rows"][:3]}) == 3 and stages[0]["colour"] == base["colour"]
    json.dumps(drawn)


def test_the_parts_of_the_drawing_sum_to_the_network(cost) -> None:
    drawn = network(cost)
    nodes = [node for row in [*drawn["rows"], drawn["trunk"]] for node in row["nodes"].values()]
    assert sum(int(facts(node).get("Parameters", "0").replace(",", "")) for node in nodes) == cost.parameters()
    assert all(node["title"] and node["say"].endswith(".") and node["section"] for node in nodes)


@pytest.mark.parametrize("config", [NESTED, *(VARIANTS[kind] for kind in ("wavelet", "dimr", "u-net"))])
def test_the_parts_of_every_kind_of_network_are_drawn_and_explained(config) -> None:
    counted = measure_config(config)
    test_the_parts_of_the_drawing_sum_to_the_network(counted)
    json.dumps(network(counted))
    assert len(tables(counted)) == 3


def test_a_cascade_has_a_sum_and_then_its_blocks() -> None:
    finest, middle, base = network(measure_config(VARIANTS["dimr"]))["rows"]
    assert set(finest["nodes"]) == set(middle["nodes"]) == LEVEL - {"down"} and set(base["nodes"]) == LEVEL - {"isolated"}
    assert finest["nodes"]["fuse"]["label"] == "add" and finest["nodes"]["up"]["small"] == "2 blocks"
    assert "ConvNeXt" in finest["nodes"]["up"]["say"] and "know the time by their norms" in finest["nodes"]["condition"]["say"]


def test_a_nested_network_goes_down_from_level_to_level() -> None:
    drawn = network(measure_config(NESTED))
    finest, middle, base = drawn["rows"]
    assert set(finest["nodes"]) == set(middle["nodes"]) == LEVEL - {"isolated"} | {"inward"}
    assert not {"isolated", "inward"} & set(base["nodes"]) and "every level sees all the others" in drawn["say"]
    assert [row["mean"] for row in drawn["rows"]] == [True, True, False]


def test_a_u_net_is_drawn_with_its_attention() -> None:
    drawn = network(measure_config(VARIANTS["u-net"]))
    assert drawn["trunk"]["nodes"]["trunk"]["label"] == "attention × 1"
    assert "attention to all cells" in drawn["rows"][3]["nodes"]["down"]["say"]


def test_shapes_and_factors_are_those_of_the_levels(cost) -> None:
    finest, middle, base, first, second = network(cost)["rows"]
    assert facts(finest["nodes"]["skip"])["Shape (C, H, W)"] == "8 × 64 × 64"
    assert facts(finest["nodes"]["x0"])["Shape (C, H, W)"] == "3 × 128 × 128"
    assert finest["nodes"]["upsample"]["label"] == "×1" and middle["nodes"]["upsample"]["label"] == "×2"
    assert middle["nodes"]["down"]["small"] == "no blocks" and "single pixels" in base["nodes"]["input"]["say"]
    assert first["note"] == "16 channels, 16 × 16" and second["note"] == "24 channels, 8 × 8"


def test_what_a_level_takes_from_the_prediction_below_is_drawn() -> None:
    rows = network(measure_config(tiny()))["rows"]
    assert [(row["mean"], row["detail"]) for row in rows] == [(True, True), (True, False), (False, False)]
    assert "6 channels" in rows[0]["nodes"]["input"]["say"] and "3 channels" in rows[1]["nodes"]["input"]["say"]


def test_v_predictions_do_not_build_on_the_level_below(cost) -> None:
    assert [row["mean"] for row in network(cost)["rows"]] == [False] * 5


def test_the_twin_goes_down_through_every_level() -> None:
    drawn = network(measure_config(STAGED.single_resolution()))
    finest, *rest = drawn["rows"]
    assert not drawn["layered"] and set(finest["nodes"]) == LEVEL - {"isolated"}
    assert all(not {"z", "x0", "output", "isolated"} & set(row["nodes"]) for row in rest)
    assert "ordinary downsampling" in rest[0]["nodes"]["input"]["say"]


def test_a_base_alone_is_drawn() -> None:
    drawn = network(measure_config(tiny(16)))
    assert len(drawn["rows"]) == 1 and "base alone" in drawn["say"]


# ------------------------------------------------------------------ the tables


def test_tables_are_rectangles_of_text(cost) -> None:
    for table in tables(cost):
        assert all(
            len(row["cells"]) == len(table["head"]) and all(isinstance(c, str) for c in row["cells"]) for row in table["rows"]
        )


def test_levels_and_what_lies_under_them_sum_to_the_whole(cost) -> None:
    *parts, whole = tables(cost)[0]["rows"]
    number = lambda row: int(row["cells"][3].replace(",", ""))  # noqa: E731
    assert sum(map(number, parts)) == number(whole) == cost.parameters()


def test_the_papers_numbers_stand_beside_ours(cost) -> None:
    _, twin, paper = tables(cost)
    assert [row["cells"][0] for row in paper["rows"]] == ["512 px", "256 px", "128 px"]
    assert paper["rows"][0]["cells"][1:5] == ["3.24", "2.79", "0.861", "–"]  # this ladder ends at 128
    assert paper["rows"][2]["cells"][4] == twin["rows"][0]["cells"][-1] != "–"
    assert [1 - layered[0] / single[0] for _, single, layered in PAPER_TABLE_1 if layered] == pytest.approx(
        [0.07, 0.14], abs=0.005
    )


def test_a_twin_has_no_twin() -> None:
    assert len(tables(measure_config(tiny().single_resolution()))) == 2


def test_a_pipeline_without_a_network_says_so() -> None:
    for model in (None, SimpleNamespace(config=tiny())):
        drawn, costs = measure_model(model)
        assert drawn["rows"] == [] and "nothing to draw" in drawn["say"] and costs == {"tables": []}


def test_the_network_of_the_page_is_measured_as_it_is() -> None:
    drawn, costs = measure_model(FakePipeline().model)
    assert drawn == network(measure(thin_network((32, 64, 128, 256, 512)))) and len(costs["tables"]) == 3


# ------------------------------------------------------------------ the words


def test_the_vistas_words_are_grouped() -> None:
    told = vocabulary(VOCABULARY)
    groups = {group["name"]: group for group in told["groups"]}
    assert set(groups) == {*(name for name, _ in GROUPS), "Other words", "Never in a caption"}
    words = {row["name"]: row["words"] for row in groups["Objects"]["rows"]}
    assert "hot air balloon" in words["balloon"] and len(words) == 24
    other = groups["Other words"]["rows"][0]["words"]
    assert "against" in other and "balloon" not in other and other == sorted(other)


def test_held_out_words_are_those_of_no_caption() -> None:
    groups = {group["name"]: group for group in vocabulary(VOCABULARY | {"crimson"})["groups"]}
    held = groups.pop("Never in a caption")
    assert held["held"] and not any(group["held"] for group in groups.values())
    words = {row["name"]: row["words"] for row in held["rows"]}
    assert "zeppelin" in words["airship, kind"] and words["red, colour"] == ["vermilion", "burgundy"]  # crimson was learnt
    assert sum(map(len, words.values())) + 1 == sum(len(w) for values in HELD_OUT.values() for w in values.values())


def test_a_phrase_is_listed_only_if_all_its_words_are_known() -> None:
    groups = {group["name"]: group for group in vocabulary(VOCABULARY - {"hot"})["groups"]}
    words = {row["name"]: row["words"] for row in groups["Objects"]["rows"]}
    assert words["balloon"][:2] == ["balloon", "air balloon"] and not any("hot" in phrase for phrase in words["balloon"])


def test_another_vocabulary_is_a_plain_list() -> None:
    for known in (["zebra", "apple"], [*VOCABULARY, *(f"word{i}" for i in range(400))], ["red", "balloon"]):
        assert not of_vistas(frozenset(known))
        (group,) = vocabulary(known)["groups"]
        assert group["rows"] == [{"name": "", "words": sorted(known)}]


def test_a_large_vocabulary_is_cut_and_an_unknown_one_named() -> None:
    told = vocabulary(f"w{i}" for i in range(7000))
    assert len(told["groups"][0]["rows"][0]["words"]) == 5000 and "first 5,000" in told["say"]
    assert vocabulary(()) == {"say": "This checkpoint does not say which words its captions had.", "groups": []}


# ------------------------------------------------------------------ the card


def test_the_card_loses_its_front_matter_and_its_headings_go_below_the_pages() -> None:
    assert shown_card("---\nlicense: x\n---\n\n# Name\n\n## Part\ntext #1") == "### Name\n\n#### Part\ntext #1"
    assert shown_card("no matter\n---\nrest") == "no matter\n---\nrest" and shown_card("") == ""
    assert shown_card("---\nnever ended") == "---\nnever ended"


def test_a_card_fetches_nothing() -> None:
    assert shown_card("![a](https://a.example/x.png)") == "[a](https://a.example/x.png)"
    assert shown_card("!![a](https://a.example/x.png)") == "[a](https://a.example/x.png)"
    assert shown_card("![a][b]\n\n[b]: https://a.example/x.png").startswith("[a][b]")
    assert shown_card("<img src='https://a.example/x.png'> 1 < 2") == "&lt;img src='https://a.example/x.png'> 1 < 2"
    assert "<" not in shown_card("<!-- <b> --></b>\n<style>@import url(//a.example)</style>")


def test_code_in_a_card_stays_as_it_is() -> None:
    assert shown_card("`<b>` and ``![a](b) ` ``").replace("\u2060", "") == "`<b>` and ``![a](b) ` ``"  # to look at
    for code in ("`a < b`", "```html\n<img src=x>\n![a](b)\n# no heading\n```", "~~~\n<b>\n~~~"):
        assert shown_card(code) == code
    assert shown_card("```\n<b>\n```\n<b>") == "```\n<b>\n```\n&lt;b>"


@pytest.mark.parametrize(
    "card",
    [
        "`` <img src=x> `",  # quotes of different length are no code
        "\\`<img src=x>`",  # nor are escaped ones
        "``` a`b\n<img src=x>\n```",  # nor does this open a block
        "- ```\n<img src=x>",  # whose end is the list's
        "> ```\n\n<img src=x>",
        "`a\n<img src=x>\nb`",
        "x" * 3000 + "`<img src=x>`",
        "`a\nb` <img src=x> `c`",  # quotes that began on an earlier line
        "```\na\n ```\n<img src=x>",  # an end that is moved in, of another length, with more behind it
        "```\na\n````\n<img src=x>",
        "```\na\n```~\n<img src=x>",
        "~~~\ra\r~~~\r<img src=x>",
        "```\na\n\t```\n```\n<img src=x>",  # what is an end for some only
    ],
)
def test_what_only_looks_like_code_is_made_harmless(card: str) -> None:
    assert "<img" not in shown_card(card)
    assert "![" not in shown_card(card.replace("<img src=x>", "![a](x)"))


def test_the_card_comes_from_the_checkpoints_folder(tmp_path) -> None:
    assert read_card(tmp_path) == ""
    (tmp_path / "README.md").write_bytes("# é\n".encode() + b"\xff" + b"x" * 200_000)
    assert read_card(tmp_path).startswith("# é\n\ufffd") and len(read_card(tmp_path)) == 100_000
    bundled = find_checkpoint("checkpoints/vista-512")
    assert shown_card(read_card(bundled)).startswith("### vista-512")
