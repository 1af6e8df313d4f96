"""Layouts as data: the product's own profiles, a utility's, and those that are wrong."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from lector_archivos import leer

from detection.errors import PermanentError
from pipeline.ingest.files.profile_schema import known_profiles, load_profile, parse_profile

# Nobody has seen this layout: half hours of mean kW, month before day, a column for the register.
COMPANIA = """
nombre = "Compañía Imaginaria"
separador = "|"
decimal = ","

[reconoce]
cabecera = "buscar"

[tiempo]
forma = "fecha_y_hora"
marca = "fin"
hora = "reloj"
orden = "mdy"
zona = "Atlantic/Canary"
pasos = [30]

[columnas]
id = ["Contrato", "Nº de contrato"]
fecha = "Día"
hora = "Hasta"
metodo = "Origen"
canal = "Registro"

[[valor]]
columna = "Potencia media (kW)"
unidad = "kW"

[[filas]]
columna = "Sentido"
consumo = ["A+"]
vertida = ["A-"]

[metodo]
real = ["Contador"]
estimada = ["Calculada*"]
"""
CURVA = """Curva de la Compañía Imaginaria
Generada para usted

Contrato|Día|Hasta|Registro|Sentido|Potencia media (kW)|Origen
X-77|06/13/2025|00:30|Punta|A+|0,40|Contador
X-77|06/13/2025|00:30|Valle|A+|1,00|Contador
X-77|06/13/2025|00:30|Punta|A-|9,00|Contador
X-77|06/13/2025|01:00|Punta|A+|0,60|Contador
X-77|06/13/2025|01:00|Valle|A+|0,00|Contador
X-77|06/13/2025|01:30|Punta|A+|2,00|Contador
"""
MINIMO = """
nombre = "X"
[tiempo]
forma = "instante"
[columnas]
id = "a"
instante = "b"
[[valor]]
columna = "c"
unidad = "kWh"
"""


def test_a_profile_reads_a_layout_that_the_product_does_not_know(tmp_path: Path) -> None:
    """Without code: registers are summed, what goes out is not, and half an hour is no hour."""
    curva, perfil = tmp_path / "curva.txt", tmp_path / "compania.toml"
    curva.write_text(CURVA)
    perfil.write_text(COMPANIA)
    assert leer(curva).rechazado
    leido = leer(curva, perfil=perfil)
    # 13 June, 00:00 to 01:00 in the Canary Islands: (0,40 + 1,00) / 2 + (0,60 + 0) / 2 kWh.
    assert leido.horas == {("X-77", datetime(2025, 6, 12, 23, tzinfo=UTC)): 1.0}
    assert set(leido.metodos.values()) == {"real"}
    assert [motivo.split(":")[0] for motivo in leido.motivos] == ["hora_incompleta"]


def test_a_profile_that_does_not_fit_says_so(tmp_path: Path) -> None:
    """A file of another layout is not read by force."""
    curva, perfil = tmp_path / "curva.txt", tmp_path / "compania.toml"
    curva.write_text("propietario_id,timestamp,consumo_kwh\nA,2025-01-01T00:00:00Z,1\n")
    perfil.write_text(COMPANIA)
    leido = leer(curva, perfil=perfil)
    assert leido.rechazado
    assert "Compañía Imaginaria" in leido.motivos[0]


def test_the_minimum_is_a_profile() -> None:
    """What a profile need not say has its value."""
    perfil = parse_profile(MINIMO)
    assert perfil.tiempo.pasos == (15, 30, 60)


@pytest.mark.parametrize(
    ("antes", "ahora", "dice"),
    [
        ("", "", "no es TOML"),
        ('nombre = "X"', "", "nombre: falta"),
        ('nombre = "X"', 'nombre = ""', "nombre: está vacío"),
        ('nombre = "X"', 'nombre = "X"\nseparadr = ";"', "separadr: es una clave que no se conoce"),
        ('nombre = "X"', 'nombre = "X"\nseparador = "-"', "separador: no admite '-'"),
        ('forma = "instante"', 'forma = "semana"', "tiempo.forma: no admite 'semana'"),
        ('forma = "instante"', 'forma = "fecha_y_hora"', "hace falta columnas.fecha"),
        ('forma = "instante"', 'forma = "instante"\nzona = "Madrid"', "zona horaria IANA"),
        ('forma = "instante"', 'forma = "instante"\npasos = [7]', "tiempo.pasos.1: no admite 7"),
        ('forma = "instante"', 'forma = "instante"\npasos = 15', "tiempo.pasos"),
        ('forma = "instante"', 'forma = "instante"\npasos = [60]\npaso = 15', "no está entre"),
        ('id = "a"\n', "", "falta columnas.id"),
        ('id = "a"', "id = true", "columnas.id"),
        ('id = "a"', "id = 1", "tiene cabecera"),
        ('unidad = "kWh"', 'unidad = "julios"', "valor.1.unidad: no admite 'julios'"),
        ('unidad = "kWh"', 'unidad = "columna"', "falta columnas.unidad"),
        ('[[valor]]\ncolumna = "c"\nunidad = "kWh"', "", "valor: falta"),
        ("[tiempo]", 'pie = "("\n[tiempo]', "no es una expresión regular"),
        ("[tiempo]", '[reconoce]\ncabecera = "no"\n[tiempo]', "reconoce.linea"),
    ],
)
def test_a_wrong_profile_gives_one_clear_error(
    tmp_path: Path, antes: str, ahora: str, dice: str
) -> None:
    """In Spanish, in one line, with the key and the mistake."""
    texto = MINIMO.replace(antes, ahora, 1) if antes else "nombre = = 3"
    perfil = tmp_path / "mal.toml"
    perfil.write_text(texto)
    with pytest.raises(PermanentError) as error:
        load_profile(perfil)
    assert dice in str(error.value)
    assert str(perfil) in str(error.value)
    assert "\n" not in str(error.value)
    assert not any(
        ingles in str(error.value) for ingles in ("should", "Input", "valid", "expected")
    )


def test_a_profile_that_is_none_at_all(tmp_path: Path) -> None:
    """No file, a folder, bytes, and one that is far too long."""
    largo, bytes_ = tmp_path / "largo.toml", tmp_path / "bytes.toml"
    largo.write_text("# " + "x" * (1 << 19))
    bytes_.write_bytes(b"nombre = '\xff'")
    for perfil in (tmp_path / "no_existe.toml", tmp_path, largo, bytes_):
        with pytest.raises(PermanentError, match="perfil"):
            load_profile(perfil)


def test_every_profile_of_the_product_has_its_name_and_its_source() -> None:
    """A layout comes from somewhere, and no two have the same name."""
    perfiles = known_profiles()
    assert len(perfiles) >= 27
    assert all(perfil.fuente for perfil in perfiles)
    nombres = [perfil.nombre for perfil in perfiles]
    assert len(set(nombres)) == len(nombres)
