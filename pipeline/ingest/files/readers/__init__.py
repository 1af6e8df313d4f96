"""Formats that are no tables, each read in code, and other writings of tables."""

from __future__ import annotations

from pipeline.ingest.files.blocks import Convertidor, LectorEnCodigo

LECTORES: tuple[LectorEnCodigo, ...] = ()
CONVERTIDORES: tuple[Convertidor, ...] = ()
