"""Formats that are no tables, each read in code, and other writings of tables."""

from __future__ import annotations

from pipeline.ingest.files.blocks import Convertidor, LectorEnCodigo
from pipeline.ingest.files.readers.espi import GREEN_BUTTON
from pipeline.ingest.files.readers.home_assistant_counter import HA_CONTADOR
from pipeline.ingest.files.readers.home_assistant_history import HISTORIAL
from pipeline.ingest.files.readers.json_rows import DATADIS_JSON
from pipeline.ingest.files.readers.nem12 import NEM12
from pipeline.ingest.files.readers.sdat import SDAT

LECTORES: tuple[LectorEnCodigo, ...] = (NEM12, GREEN_BUTTON, SDAT, HISTORIAL)
CONVERTIDORES: tuple[Convertidor, ...] = (DATADIS_JSON, HA_CONTADOR)
