"""What a file is packed in may be damaged anywhere: one error of ours, and nothing sent."""

from __future__ import annotations

import bz2
import gzip
import io
import random
import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from disposiciones import DISPOSICIONES, MADRID, make_curva
from lector_archivos import leer

FICHA = DISPOSICIONES["CNMC"]


def in_zip(contenido: bytes) -> bytes:
    tampon = io.BytesIO()
    with zipfile.ZipFile(tampon, "w", zipfile.ZIP_DEFLATED) as archivo:
        archivo.writestr("curva.csv", contenido)
    return tampon.getvalue()


def in_workbook(_: bytes) -> bytes:
    libro = DISPOSICIONES["E-REDES xlsx"]
    return libro.escribir(make_curva(libro.zona, date(2025, 6, 2), 1, 15, 3))


ENVASES: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bz2": bz2.compress,
    "zip": in_zip,
    "xlsx": in_workbook,
}


@pytest.mark.parametrize("envase", sorted(ENVASES))
def test_a_damaged_container_is_one_error_of_ours(envase: str, tmp_path: Path) -> None:
    """Bytes changed or cut anywhere: readings that are right, or a Spanish line."""
    curva = make_curva(MADRID, date(2025, 6, 2), 2, 60, 5)
    entero = ENVASES[envase](FICHA.escribir(curva))
    azar = random.Random(11)
    ruta = tmp_path / "roto"
    for _ in range(60):
        roto = bytearray(entero)
        for _ in range(azar.randint(1, 4)):
            roto[azar.randrange(len(roto))] = azar.randrange(256)
        ruta.write_bytes(bytes(roto[: azar.choice([len(roto), azar.randrange(len(roto))])]))
        leido = leer(ruta)
        assert leido.horas or leido.motivos


def test_many_files_in_a_zip_are_one_file(tmp_path: Path) -> None:
    """Months of one customer: read together, and a mixture of layouts is none."""
    meses = [make_curva(MADRID, date(2025, mes, 1), 28, 60, mes) for mes in (2, 3)]
    ruta = tmp_path / "curvas.zip"
    with zipfile.ZipFile(ruta, "w") as archivo:
        for k, curva in enumerate(meses):
            archivo.writestr(f"{k}.csv", FICHA.escribir(curva))
    leido = leer(ruta)
    assert {h for _, h in leido.horas} == {*meses[0].horas, *meses[1].horas}
    with zipfile.ZipFile(ruta, "a") as archivo:
        archivo.writestr("otra.csv", DISPOSICIONES["UFD"].escribir(meses[0]))
    assert "mezcla formatos" in leer(ruta).motivos[0]
