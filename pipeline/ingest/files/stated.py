"""What a file states of itself, against what its layout takes for granted.

A layout says unit and direction of its columns. Where the file says something else, above its
header or in a column that the layout does not use, it is refused.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pipeline.ingest.files.layout import Disposicion, find, find_all, split_header
from pipeline.ingest.files.profile_schema import Columna, normalize_cell
from pipeline.ingest.files.text_cells import FormatoError, brief, clean, is_one_of
from pipeline.ingest.files.words import CODIGOS, denies_consumption, is_other_unit

_UNIDAD: Columna = (
    "Unidad", "Unidades", "Unidad de medida", "Unit", "Units", "UOM", "Einheit", "Eenheid", "Unite",
    "Unidade", "Unita di misura",
)  # fmt: skip
_SENTIDO: Columna = (
    "Magnitud", "Sentido", "Dirección", "Direction", "Flow", "Flow direction", "Sens", "Richtung",
    "Tipo de energía", "Energy type", "Grandeur metier", "Grandeur physique", "Magnitude",
    "Quantity", "Grandeza", "Grandezza",
)  # fmt: skip
# What describes the contract or the place says nothing of a row's energy.
_NO_DICE_ENERGIA = re.compile(
    r"autocons|modalid|contrat|tarif|observ|coment|nota|name|nombre|titular|direcc|address|provinc|"
    r"municip|comercial|cliente|customer|producto"
)


def check_stated(disposicion: Disposicion) -> None:
    """Refuse a layout that contradicts what stands in and above the header.

    Raises
    ------
    FormatoError
        Above the header it says that it is something else, or two columns have one name.
    """
    _check_above(disposicion)
    _check_double(disposicion)


def read_stated(encima: Sequence[str], campo: Columna) -> str:
    """Return what lines above a header say of a field; "" = nothing.

    Examples
    --------
    >>> read_stated(["PRM;Type;Unite", "1234;Courbe;W"], ("Unité",))
    'W'
    >>> read_stated(["Name,Ana", "UOM,kWh,"], ("UOM",))
    'kWh'
    """
    filas = [split_header(texto) for texto in encima]
    for i, fila in enumerate(filas):
        sitio = find(campo, fila.nombres)
        if sitio < 0:
            continue
        # A line of names has their values below it; else name and value stand side by side.
        debajo = filas[i + 1].celdas if i + 1 < len(filas) else ()
        con_nombre = sum(map(bool, fila.nombres))
        if con_nombre > 2 and len(debajo) == len(fila.celdas):
            return debajo[sitio]
        return fila.celdas[sitio + 1] if sitio + 1 < len(fila.celdas) else ""
    return ""


def _check_above(disposicion: Disposicion) -> None:
    perfil = disposicion.perfil
    patron = perfil.reconoce.sin_encima
    for linea in disposicion.encima if patron else ():
        if re.search(patron, linea, re.IGNORECASE):
            raise FormatoError(f"es de {perfil.nombre} y no es consumo: «{brief(linea.strip())}»")
    for dicho in perfil.encima:
        valor = read_stated(disposicion.encima, dicho.campo)
        if valor and not is_one_of(normalize_cell(valor), dicho.admite):
            raise FormatoError(
                f"es de {perfil.nombre} y dice «{dicho.campo[0]}: {brief(valor)}», que en ese "
                "formato no es consumo que se pueda leer"
            )


def _check_double(disposicion: Disposicion) -> None:
    """Refuse two columns of one name, of which nobody knows which one is meant."""
    perfil, nombres = disposicion.perfil, disposicion.nombres
    usadas = [c for n, c in perfil.columnas if c is not None and n != "metodo"]
    usadas += [filas.columna for filas in perfil.filas]
    usadas += disposicion.valor.suma
    if perfil.tiempo.forma in {"instante", "fecha_y_hora"}:
        usadas.append(disposicion.valor.columna)
    for columna in usadas:
        sitios = find_all(columna, nombres)
        if len(sitios) > 1 and not isinstance(columna[0], int):
            raise FormatoError(
                f"tiene {len(sitios)} columnas «{columna[0]}», la {sitios[0] + 1} y la "
                f"{sitios[1] + 1}, y no se sabe cuál vale"
            )


def stated_columns(disposicion: Disposicion) -> dict[str, list[int]]:
    """Return the columns that the layout does not use, by what they may say of a row.

    ``unidad`` and ``sentido`` by their names; the contents of the others, ``palabra``, may say
    that a row is no consumption whatever their names.
    """
    d = disposicion
    usadas = {*d.sitios.values(), *d.filas, *d.valores, *d.sumas, *d.vertidas}
    # What kind a reading is may be said to be no consumption too.
    usadas.discard(d.sitios.get("tipo"))
    hallados = {
        "unidad": [s for s in find_all(_UNIDAD, d.nombres) if s not in usadas],
        "sentido": [s for s in find_all(_SENTIDO, d.nombres) if s not in usadas],
    }
    usadas.update(hallados["unidad"], hallados["sentido"])
    hallados["palabra"] = [
        s
        for s, nombre in enumerate(d.nombres)
        if nombre and s not in usadas and not _NO_DICE_ENERGIA.search(nombre)
    ]
    return hallados


def check_cell(que: str, celda: str, unidad: str) -> None:
    """Refuse a cell that says another unit than the layout's, or that it is no consumption.

    Parameters
    ----------
    que : str
        ``unidad``, ``sentido`` or ``palabra``.
    unidad : str
        In which the values are read.
    """
    texto = clean(celda)
    if que == "unidad":
        if is_other_unit(texto, unidad):
            raise FormatoError(
                f"una columna dice que la unidad es «{brief(texto)}», y se leería en {unidad}"
            )
    elif texto[:1].isalpha() and (
        denies_consumption(texto)
        or (que == "sentido" and CODIGOS.fullmatch(normalize_cell(texto)) is not None)
    ):
        raise FormatoError(f"una columna dice «{brief(texto)}», que no es consumo")
