"""Looks and launch: system fonts only, nothing from another host, both themes."""

from __future__ import annotations

import importlib.util
import os
from typing import Any

import gradio as gr

from layered.plots import SCALE_COLOURS
from layered.studio.components import ASSETS, asset

SANS = ("ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "DejaVu Sans", "sans-serif")
STYLES = ("studio.css", "take.css", "sweep.css", "labs.css", "model.css")  # the page's, then one file per part that needs its own
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "DejaVu Sans Mono", "monospace")


def theme() -> gr.themes.Base:
    """Calm surfaces, one accent (512's blue), the same in light and dark."""
    return gr.themes.Base(
        primary_hue=gr.themes.colors.indigo,
        neutral_hue=gr.themes.colors.slate,
        font=SANS,
        font_mono=MONO,
        radius_size=gr.themes.sizes.radius_md,
        spacing_size=gr.themes.sizes.spacing_sm,
        text_size=gr.themes.sizes.text_sm,
    ).set(
        body_background_fill="#f6f7f9",
        body_background_fill_dark="#0f1115",
        body_text_color="#1b1f29",
        body_text_color_dark="#e8eaf0",
        body_text_color_subdued="#596173",
        body_text_color_subdued_dark="#98a1b3",
        block_background_fill="transparent",
        block_border_width="0px",
        block_shadow="none",
        block_label_text_color="*body_text_color",
        block_title_text_color="*body_text_color",
        block_title_text_weight="500",
        block_info_text_color="*body_text_color_subdued",
        border_color_primary="#dde1e8",
        border_color_primary_dark="#2a303c",
        background_fill_primary="#ffffff",
        background_fill_primary_dark="#171a21",
        background_fill_secondary="#eef0f4",
        background_fill_secondary_dark="#1f232d",
        input_background_fill="#ffffff",
        input_background_fill_dark="#12151b",
        input_border_color="#c9cfda",
        input_border_color_dark="#343b49",
        input_border_width="1px",
        color_accent="#4358c8",
        color_accent_soft="#e6eaff",
        color_accent_soft_dark="#232a45",
        slider_color="#4358c8",
        slider_color_dark="#8ea2ff",
        button_primary_background_fill="#4358c8",
        button_primary_background_fill_hover="#384bb0",
        button_primary_background_fill_dark="#8ea2ff",
        button_primary_background_fill_hover_dark="#a5b5ff",
        button_primary_text_color="#ffffff",
        button_primary_text_color_dark="#0b1020",
        button_secondary_background_fill="#ffffff",
        button_secondary_background_fill_dark="#171a21",
        button_secondary_background_fill_hover="#eef0f4",
        button_secondary_background_fill_hover_dark="#232836",
        button_secondary_text_color="*body_text_color",
        link_text_color="#4358c8",
        link_text_color_dark="#8ea2ff",
    )


def scale_rules() -> str:
    """The style of what belongs to one scale: its colour, from the one table of them."""
    return "".join(f"\n.scale-{size} {{ --scale: {colour}; }}" for size, colour in SCALE_COLOURS.items())


def launch_options() -> dict[str, Any]:
    """Arguments of ``launch()`` that belong to the page, not to the host it runs on. ValueError: see ``mcp_wanted``."""
    return {
        "theme": theme(),
        "css": "\n".join(map(asset, STYLES)) + scale_rules(),
        "favicon_path": ASSETS / "favicon.svg",
        "footer_links": ["api"],
        "run_history": False,
        "ssr_mode": False,
        "show_error": False,
        "strict_cors": True,
        "enable_monitoring": False,
        "mcp_server": mcp_wanted(),
        "pwa": False,
        "share": False,
        "max_file_size": "8mb",
        "state_session_capacity": 300,
    }


def mcp_wanted() -> bool:
    """Whether ``LAYERED_MCP`` asks for the named endpoints as tools of the Model Context Protocol, at ``/gradio_api/mcp/``.

    ValueError, with what to install, where gradio's optional part for it is missing.
    """
    if os.environ.get("LAYERED_MCP", "").lower() not in ("1", "true", "yes"):
        return False
    if importlib.util.find_spec("mcp") is None:
        raise ValueError(f"LAYERED_MCP needs one more package: pip install 'gradio[mcp]=={gr.__version__}'.")
    return True
