"""What the API says of cases."""

from __future__ import annotations

from pipeline.stores.case_records import CasoResumen
from pipeline.stores.record_base import Listado, de


class PaginaCasos(Listado[CasoResumen]):
    """A page of cases."""

    model_config = de("Una página de casos.")
