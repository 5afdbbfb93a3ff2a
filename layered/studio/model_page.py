"""Model: the network drawn from its config, what it costs, the words it knows, and the checkpoint's card."""

from __future__ import annotations

from typing import Any

import gradio as gr

from layered.cost import measure
from layered.studio.card import shown_card
from layered.studio.components import CostTables, Network, WordList
from layered.studio.drawing import network
from layered.studio.handlers import Handlers
from layered.studio.settings import ASIDE, StudioSettings
from layered.studio.tables import tables
from layered.studio.vocabulary import vocabulary
from layered.unet import LayeredUNet

NOTHING_DRAWN = "The model behind this page does not show its network, so there is nothing to draw."
# Wide tables and long lines of a card are scrolled sideways, by the keyboard too; Gradio redraws Markdown as it likes.
SCROLL_BY_KEY = """() => {
  const card = document.querySelector("#card-text");
  if (!card || card.dataset.watched) return;
  card.dataset.watched = "true";
  const reach = () => card.querySelectorAll("table, pre").forEach((part) => { part.tabIndex = 0; });
  new MutationObserver(reach).observe(card, { childList: true, subtree: true });
  reach();
}"""
NO_CARD = "This checkpoint came without a card (a README.md beside its weights)."


class ModelTab:
    """Filled when it is first looked at: measuring the network takes one forward pass, which no page start should wait for."""

    def __init__(self, handlers: Handlers, settings: StudioSettings) -> None:
        self.handlers = handlers
        self._measured: tuple[dict[str, Any], dict[str, Any]] | None = None
        with gr.Column(elem_id="model"):
            drawn = Network(elem_id="network")
            costs = CostTables(elem_id="costs")
            words = WordList(elem_id="word-list")
            with gr.Accordion("The checkpoint's card", elem_id="model-card", elem_classes="card"):
                card = gr.Markdown("", sanitize_html=True, elem_id="card-text")
        tab = gr.context.Context.block
        while not isinstance(tab, gr.Tab):
            tab = tab.parent
        told = tab.select(self.said, None, [words, card], **ASIDE)
        told.then(None, js=SCROLL_BY_KEY, api_visibility="private", show_progress="hidden")
        tab.select(self.measured, None, [drawn, costs], **ASIDE)

    def said(self) -> tuple[dict[str, Any], str]:
        """The words and the card of the checkpoint, as far as it has them."""
        pipeline = self.handlers.pipeline
        words = getattr(getattr(pipeline, "vocabulary", None), "words", ())
        return vocabulary(words), shown_card(getattr(pipeline, "card", "")) or NO_CARD

    def measured(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The drawing and the tables. The first call measures in the worker's turn; later ones only repeat it."""
        if self._measured is None:
            self._measured = self.handlers.worker.call(measure_model, getattr(self.handlers.pipeline, "model", None))
        return self._measured


def measure_model(model: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Drawing and tables of a network; where there is none to be seen, a sentence that says so."""
    if not isinstance(model, LayeredUNet):
        return {"say": NOTHING_DRAWN, "rows": []}, {"tables": []}
    cost = measure(model)
    return network(cost), {"tables": tables(cost)}
