"""Streamlit's server, which reads in what the pages import while it starts.

Otherwise the first visitor of each page waits for it: pandas and Plotly take a second.
"""

from __future__ import annotations

import sys
import threading
from importlib import import_module

PRONTO = (
    "pandas", "dashboard.charts.base", "dashboard.charts.customer", "dashboard.charts.analysis",
    "dashboard.charts.monthly", "dashboard.charts.models",
)  # fmt: skip


def preload() -> None:
    """Import what the pages will need."""
    for modulo in PRONTO:
        import_module(modulo)


def main() -> None:
    """Serve with the arguments of ``streamlit``, until it is told to stop."""
    from streamlit.web.cli import main as streamlit

    # Not before: Streamlit makes Plotly look into pandas, which has to be whole or not there.
    threading.Thread(target=preload, name="importaciones", daemon=True).start()
    streamlit(sys.argv[1:], prog_name="streamlit")


if __name__ == "__main__":
    main()
