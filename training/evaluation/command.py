"""``consumo evaluar``: the whole detector over a file, causally, without any service.

How readings are scored, and why as they would be live, is in ``file_pass``.
"""

from __future__ import annotations

import json
import re
from argparse import ArgumentTypeError
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from detection.domain import SEVERIDADES, instante
from detection.errors import PermanentError
from detection.number_format import numero
from pipeline.ingest.files.command_options import add_reading_options, show_progress
from serving.cli import FALLO, HECHO, Parser, describe_os, entero
from serving.settings import Settings
from training.evaluation.file_pass import (
    ENTRENAMIENTO_DIAS,
    Aprendizaje,
    FileEvaluation,
    base_learning,
    evaluate_file,
)
from training.evaluation.labelled_file import FILAS_DICHAS, LabelledReadings, read_labelled_file
from training.evaluation.report import Datos, make_tablas
from training.evaluation.verdict_file import open_verdict_file
from training.history import SEMILLA_ENTRENAMIENTO

ANCHO_INFORME = 118
"""Columns of the tables where nobody's terminal says how many there are."""
REGLAS, BASE = "reglas", "base"
"""``--modelo`` of the rules alone, and of the version that comes with the product."""
_DIAS = re.compile(r"(\d{1,4})d", re.ASCII)


def load_registered(settings: Settings, cual: str) -> Aprendizaje:
    """Return a registered version, by number or alias.

    ``PermanentError``: there is no such version. ``TransientError``: MLflow is away.
    """
    from serving.champion import load_version
    from serving.registry import ModelRegistry

    registro = ModelRegistry(settings)
    version = int(cual) if cual.isdecimal() else registro.version_of(cual)
    if version is None:
        raise PermanentError(f"ninguna versión tiene el alias {cual}")
    with TemporaryDirectory(prefix="consumo-evaluar-") as carpeta:
        modelo, _ = load_version(registro, version, Path(carpeta), "no se evalúa")
    return Aprendizaje(modelo, f"versión {version} del registro ({cual})")


def _dias(texto: str) -> int:
    encaja = _DIAS.fullmatch(texto)
    if encaja is None:
        raise ArgumentTypeError(f"«{texto}» no son días, como 14d")
    return int(encaja.group(1))


def _modelo(texto: str) -> str:
    if texto.isdecimal() or texto in {"champion", "challenger", REGLAS, BASE}:
        return texto
    raise ArgumentTypeError(f"«{texto}» no es champion, challenger, {BASE}, {REGLAS} ni un número")


def _build_parser() -> Parser:
    parser = Parser(
        "consumo evaluar",
        "Pasa todo el detector por un archivo, sin servicios y sin mirar nunca adelante. Si hay "
        "etiquetas (columna label, y tipo si se sabe), dice qué se halla, cuánto se tarda y "
        "cuántas alarmas sobran, frente a cada detector solo y a métodos más sencillos. Las filas "
        "que no son lecturas se dejan fuera, se cuentan por su motivo y se dicen; el resto se "
        "evalúa igual, y la orden acaba con 1, como «consumo producir --archivo».",
    )
    for nombre, clase, valor, meta, ayuda in (
        ("datos", Path, None, "F",
         "lecturas: un archivo de contadores conocido, o CSV o Parquet con "
         "propietario_id,timestamp,consumo_kwh"),
        ("salida", Path, None, "P",
         "dónde escribir los veredictos: CSV, o Parquet si acaba en .parquet"),
        ("entrenamiento", _dias, ENTRENAMIENTO_DIAS, "Nd",
         f"primeros días, de que se aprende y que no se juzgan ({ENTRENAMIENTO_DIAS}d)"),
        ("modelo", _modelo, None, "M",
         "champion, challenger o número de una versión registrada, en vez de aprender; "
         f"{BASE} = la que viene con el producto; {REGLAS} = ninguna"),
        ("informe", Path, None, "I.html",
         "dónde escribir el informe con figuras (hacen falta etiquetas)"),
        ("json", Path, None, "J.json", "dónde escribir las cifras"),
    ):  # fmt: skip
        parser.add_argument(
            f"--{nombre}", type=clase, default=valor, metavar=meta, help=ayuda,
            required=nombre == "datos",
        )  # fmt: skip
    parser.add_argument(
        "--semilla", type=entero(0, 2**32 - 1), default=SEMILLA_ENTRENAMIENTO, metavar="N",
        help="semilla de todos los sorteos",
    )  # fmt: skip
    add_reading_options(parser)
    return parser


def main(argv: Sequence[str]) -> int:
    """Score a file, write what is asked, and print what the verdicts are worth."""
    opciones, settings = _build_parser().start(argv)
    modelo = None
    if opciones.modelo == REGLAS:
        modelo = Aprendizaje(None, "solo las reglas")
    elif opciones.modelo == BASE:
        modelo = base_learning()
    elif opciones.modelo is not None:
        modelo = load_registered(settings, opciones.modelo)
    with show_progress(f"leyendo {opciones.datos.name}") as avanzar:
        archivo = read_labelled_file(
            opciones.datos,
            settings.zona_horaria,
            settings.consumo_maximo_kwh,
            opciones.perfil,
            opciones.unidad,
            avanzar,
        )
    if opciones.informe is not None and archivo.tipo is None:
        raise PermanentError(f"{opciones.datos} no tiene etiquetas: no hay de qué hacer un informe")
    with ExitStack() as pila:
        escribir = None
        if opciones.salida is not None:
            salida = open_verdict_file(opciones.salida, settings.zona_horaria)
            escribir = pila.enter_context(salida).write
        resultado = evaluate_file(
            archivo, settings, dias=opciones.entrenamiento, modelo=modelo,
            semilla=opciones.semilla, escribir=escribir,
        )  # fmt: skip
    frases = say(archivo, resultado)
    if opciones.json is not None:
        _write(opciones.json, json.dumps(as_json(archivo, resultado), ensure_ascii=False, indent=1))
    if opciones.informe is not None and resultado.informe is not None:
        from training.evaluation.html_report import make_html

        titulo = f"Evaluación de {opciones.datos.name}"
        _write(opciones.informe, make_html(resultado.informe, titulo, frases))
    _print(frases, resultado.informe)
    return FALLO if archivo.rechazos else HECHO


def say(archivo: LabelledReadings, resultado: FileEvaluation) -> list[str]:
    """Return what was done, in sentences for the user."""
    n = len(archivo)
    desde, hasta = (f"{instante(int(archivo.hora_utc[k])):%Y-%m-%d}" for k in (0, -1))
    cuentas = np.bincount(resultado.pase.severidad, minlength=len(SEVERIDADES))
    de_cada = ", ".join(
        f"{numero(c, 0)} {s}" for s, c in zip(SEVERIDADES, cuentas.tolist(), strict=True)
    )
    sospechosos = np.unique(archivo.cliente[resultado.pase.marcas.es_sospechoso]).size
    frases = [
        f"{numero(n, 0)} lecturas de {numero(len(archivo.clientes), 0)} clientes, de {desde} a "
        f"{hasta}, en {numero(resultado.pase.segundos, 1)} s "
        f"({numero(n / max(resultado.pase.segundos, 1e-9), 0)} por segundo)",
        f"ScoringModel: {resultado.aprendizaje.frase}",
        f"Severidades: {de_cada}; {sospechosos} clientes llegan a ser sospechosos",
    ]
    frases += [f"Aviso: {aviso}" for aviso in archivo.avisos]
    if archivo.rechazos:
        fuera = sum(len(rechazo.filas) for rechazo in archivo.rechazos)
        frases.append(f"Atención: {numero(fuera, 0)} filas no son lecturas y se dejan fuera:")
        frases += [f"  {rechazo}" for rechazo in archivo.rechazos]
    if resultado.informe is not None:
        frases.append(
            f"Se juzga desde el {instante(resultado.corte_hora):%Y-%m-%d}. Los kWh perdidos son "
            "una estimación: lo esperado menos lo leído"
        )
        atacadas, juzgadas = (
            resultado.informe[c] for c in ("lecturas_atacadas", "lecturas_juzgadas")
        )
        if atacadas in {0, juzgadas}:
            cuales = "atacada" if atacadas else "limpia"
            frases.append(
                f"Toda lectura juzgada es {cuales}: no hay con qué compararlas, así que ni "
                "ROC-AUC ni precisión media dirían nada"
            )
    elif archivo.tipo is not None:
        frases.append("Los días de entrenamiento abarcan todo el archivo: no queda qué juzgar")
    return frases


def as_json(archivo: LabelledReadings, resultado: FileEvaluation) -> Mapping[str, Any]:
    """Return the figures as they are written."""
    cuentas = np.bincount(resultado.pase.severidad, minlength=len(SEVERIDADES)).tolist()
    return {
        "lecturas": len(archivo),
        "clientes": len(archivo.clientes),
        "desde": instante(int(archivo.hora_utc[0])).isoformat(),
        "corte": instante(resultado.corte_hora).isoformat(),
        "hasta": instante(int(archivo.hora_utc[-1]) + 1).isoformat(),
        "modelo": resultado.aprendizaje.frase,
        "rechazadas": {
            r.motivo: {
                "filas": len(r.filas),
                "primeras": r.filas[:FILAS_DICHAS],
                "ejemplo": r.ejemplo,
            }
            for r in archivo.rechazos
        },
        "severidades": dict(zip(map(str, SEVERIDADES), cuentas, strict=True)),
        "medidas": resultado.informe,
    }


def _write(ruta: Path, texto: str) -> None:
    try:
        ruta.write_text(texto, encoding="utf-8")
    except OSError as error:
        raise PermanentError(f"no se puede escribir {ruta}: {describe_os(error)}") from error


def _print(frases: Sequence[str], informe: Datos | None) -> None:
    from rich.console import Console

    consola = Console(highlight=False, soft_wrap=True)
    if not consola.is_terminal:
        consola = Console(highlight=False, width=ANCHO_INFORME)
    for frase in frases:
        consola.print(frase)
    for tabla in () if informe is None else make_tablas(informe):
        consola.print()
        consola.print(tabla)
