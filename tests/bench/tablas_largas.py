"""The figures of a year as tables for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.calidad_larga import BANDAS, DURADERO, PRIMEROS

from training.evaluation.report import say_cifra


def long_tables(cifras: Mapping[str, Any], titulo: str) -> list[Any]:
    """Return the tables of one half by one version."""
    return [
        attack_table(cifras, titulo),
        clean_table(cifras, titulo),
        innocent_table(cifras["inocentes"], titulo),
        few_table(cifras["pocos"], titulo),
    ]


def attack_table(cifras: Mapping[str, Any], titulo: str) -> Any:
    """Return what is found of each kind by days since it began: days sospechoso (with an alta)."""
    bandas = [f"{desde}-{hasta}" for desde, hasta in BANDAS]
    desde, hasta = DURADERO
    tabla = _table(
        f"Días sospechoso (con una alta) según los que hace que empezó: {titulo}",
        ("", "n", *bandas, f"{desde}-{hasta}", "ROC-AUC", "prec. media"),
    )
    for grupo in ("tipos", "formas", "de_siempre"):
        for nombre, c in cifras[grupo].items():
            rotulo = f"siempre: {nombre}" if grupo == "de_siempre" else nombre
            tabla.add_row(
                rotulo, str(c["clientes"]),
                *(f"{say_cifra(b['sospechoso'], 2)} ({say_cifra(b['alta'], 2)})"
                  for b in c["por_edad"]),
                say_cifra(c["duradero"], 2), say_cifra(c["roc_auc"]),
                say_cifra(c["precision_media"]),
            )  # fmt: skip
        tabla.add_section()
    return tabla


def clean_table(cifras: Mapping[str, Any], titulo: str) -> Any:
    """Return what is said of clean customers, and how well attacks are told from them."""
    tabla = _table(
        f"Clientes limpios desde el día 60: {titulo}",
        (
            *("", "hogares", "días sospechoso", "hogares alguna vez", "altas y críticas al mes"),
            *("ROC-AUC", "prec. media al 10 %"),
        ),
    )
    for nombre, c in {**cifras["paises"], "todos": cifras["limpios"]}.items():
        tabla.add_row(
            nombre, str(c["hogares"]), say_cifra(c["dias_sospechoso"]),
            say_cifra(c["hogares_alguna_vez"], 2), say_cifra(c["altas_al_mes"], 2),
            say_cifra(c["roc_auc"]), say_cifra(c["precision_media"]),
        )  # fmt: skip
    return tabla


def innocent_table(inocentes: Mapping[str, Any], titulo: str) -> Any:
    """Return who is alarmed for each innocent event, and in the same days without it."""
    con_casos = any("caso_inocente" in c for c in inocentes.values())
    tabla = _table(
        f"Sucesos inocentes (sin el suceso, en los mismos días): {titulo}",
        (
            *("", "hogares", "sospechosos", "con una alta", "días sospechoso"),
            *(("con un caso inocente", "de su clase") if con_casos else ()),
        ),
    )
    for tipo, c in inocentes.items():
        tabla.add_row(
            tipo, str(c["hogares"]),
            *(f"{say_cifra(c['con'][que], 2)} ({say_cifra(c['sin'][que], 2)})"
              for que in ("sospechosos", "con_alta", "dias")),
            *(say_cifra(que, 2) for que in c.get("caso_inocente", {}).values()),
        )  # fmt: skip
    return tabla


def few_table(pocos: Mapping[str, Any], titulo: str) -> Any:
    """Return the precision of the first ones where few are attacked."""
    tabla = _table(
        f"De 1.000 clientes, atacados entre los primeros: {titulo}",
        ("atacados", *(str(k) for k in PRIMEROS)),
    )
    for n, c in pocos.items():
        tabla.add_row(n, *(say_cifra(c[str(k)], 2) for k in PRIMEROS))
    return tabla


def _table(titulo: str, columnas: Sequence[str]) -> Any:
    from rich.table import Table

    tabla = Table(title=titulo, title_justify="left", title_style="bold", show_edge=False)
    for k, columna in enumerate(columnas):
        tabla.add_column(columna, justify="right" if k else "left", no_wrap=not k)
    return tabla
