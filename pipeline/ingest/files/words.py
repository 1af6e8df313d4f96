"""Words by which a file says that what it has is no consumption of electricity.

Files are in many languages and name things as they like; the beginnings of words are what they
share. What speaks of the file itself (when it was exported, by whom it was generated) is no energy.
"""

from __future__ import annotations

import re

from pipeline.ingest.files.profile_schema import normalize_cell
from pipeline.ingest.files.units import FACTORES, VOLUMENES, is_reactive

_VERTIDA = re.compile(
    r"\b(?:vertid|excedent|salient|inyec|injec|injet|immess|einspeis|terug|producc|producida|"
    r"produccio|production|produced|producao|produkt?ion|produzi|produzion|generac|gerac|"
    r"generad(?!os?\b|as? (?:el|por|para|con|desde)\b)|generat(?!o\b|ed (?:on|by|at|for)\b)|"
    r"export(?!ad[oa]s? (?:el|por|con|desde)\b|ado\b|ed (?:on|by|at|for)\b))\w*"
)
_REACTIVA = re.compile(
    r"\b(?:reactiv|reaktiv|reattiv|reativ|inductiv|indutiv|induttiv|capacitiv|capacitat|blind)"
)
_DEL_ARCHIVO = re.compile(r"\b(?:csv|xlsx?|pdf|fecha|date|file|fichero|archivo)\b")
_CONSUMO = re.compile(r"consum|verbrauch|soutir|afname|offtake|prelev|demand|usage")
_ACTIVA = re.compile(r"\b(?:activ|ativ|attiv|aktiv|wirk)")
CODIGOS = re.compile(r"(?:as|r[1-4]|q[1-4])(?: *\(.*\))?")
"""Short names of what is no consumption, where a column or a line says that it has such names."""
OTRAS_UNIDADES = VOLUMENES | {"therm", "therms", "gj", "mj", "kvah", "vah", "kva"}
OTROS_SERVICIOS = frozenset({"gas", "natural gas", "gas natural", "water", "agua", "aardgas"})


def denies_consumption(texto: str) -> bool:
    """Return whether words say exported, generated or reactive energy, and not consumption too.

    Examples
    --------
    >>> denies_consumption("Curva de generación"), denies_consumption("Autoconsumo con excedentes")
    (True, False)
    >>> denies_consumption("Exportado el 3 de mayo"), denies_consumption("Producto 2.0TD")
    (False, False)
    """
    suyo = normalize_cell(texto).replace("_", " ")
    if _REACTIVA.search(suyo) and not _ACTIVA.search(suyo):
        return True
    if _CONSUMO.search(suyo):
        return False
    del_archivo = _DEL_ARCHIVO.search(suyo) is not None
    return any(
        not (del_archivo and palabra.group().startswith(("export", "generad", "generat")))
        for palabra in _VERTIDA.finditer(suyo)
    )


def is_other_unit(texto: str, unidad: str) -> bool:
    """Return whether a text is a unit, and not the one in which values are read.

    Examples
    --------
    >>> is_other_unit("Wh", "kWh"), is_other_unit("kWh", "kWh"), is_other_unit("casa", "kWh")
    (True, False, False)
    """
    suya = normalize_cell(texto)
    if is_reactive(suya) or suya in OTRAS_UNIDADES:
        return True
    return unidad != "columna" and suya in FACTORES and suya != unidad.lower()
