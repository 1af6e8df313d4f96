"""Messages to readings and back (contract 2)."""

from __future__ import annotations

import json
import math
from datetime import datetime

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from detection.domain import Lecturas, hora_absoluta
from pipeline.ingest.messages import MessageDecoder, MessageEncoder
from pipeline.ingest.validation import DecodedReadings, Motivo

MADRID = "Europe/Madrid"
MAXIMO_KWH = 10_000.0
AHORA = hora_absoluta(datetime.fromisoformat("2026-11-24T12:00:00+01:00"))
BUENA = {"propietario_id": "CLI_00001", "timestamp": "2026-01-15T02:00:00+01:00", "consumo_kwh": 1}


def decode(*valores: bytes | None) -> DecodedReadings:
    return MessageDecoder(MADRID, MAXIMO_KWH).decode(valores, AHORA)


def only_reading(**campos: object) -> tuple[str, int, float]:
    """Return the reading of a message that is as it should be but for some fields."""
    leidas = decode(json.dumps({**BUENA, **campos}).encode())
    assert leidas.invalidas == []
    (propietario,), (hora,), (kwh,) = (
        leidas.lecturas.propietario_id,
        leidas.lecturas.hora_utc.tolist(),
        leidas.lecturas.consumo_kwh.tolist(),
    )
    return propietario, hora, kwh


def only_reason(valor: bytes | None) -> str:
    leidas = decode(valor)
    assert len(leidas.lecturas) == 0
    ((posicion, error),) = leidas.invalidas
    assert posicion == 0
    return error.motivo


def hour(texto: str) -> int:
    return hora_absoluta(datetime.fromisoformat(texto))


SIN = object()
RAZONES = [
    ({"propietario_id": SIN}, Motivo.PROPIETARIO_AUSENTE),
    ({"propietario_id": None}, Motivo.PROPIETARIO_AUSENTE),
    ({"propietario_id": 7}, Motivo.PROPIETARIO_NO_TEXTO),
    ({"propietario_id": ["CLI_00001"]}, Motivo.PROPIETARIO_NO_TEXTO),
    ({"propietario_id": ""}, Motivo.PROPIETARIO_EN_BLANCO),
    ({"propietario_id": "  \t"}, Motivo.PROPIETARIO_EN_BLANCO),
    ({"propietario_id": "C" * 21}, Motivo.PROPIETARIO_LARGO),
    ({"propietario_id": "CLI\x00"}, Motivo.PROPIETARIO_CARACTERES),
    ({"propietario_id": "CLI\n1"}, Motivo.PROPIETARIO_CARACTERES),
    ({"propietario_id": "CLI\ud800"}, Motivo.PROPIETARIO_CARACTERES),
    ({"timestamp": SIN}, Motivo.TIEMPO_AUSENTE),
    ({"timestamp": None}, Motivo.TIEMPO_AUSENTE),
    ({"timestamp": ""}, Motivo.TIEMPO_AUSENTE),
    ({"timestamp": SIN, "fecha": "2026-01-15"}, Motivo.TIEMPO_AUSENTE),
    ({"timestamp": SIN, "hora": 2}, Motivo.TIEMPO_AUSENTE),
    ({"timestamp": "ayer"}, Motivo.TIEMPO_ILEGIBLE),
    ({"timestamp": "2026-01-15"}, Motivo.TIEMPO_ILEGIBLE),
    ({"timestamp": "15/01/2026 02:00"}, Motivo.TIEMPO_ILEGIBLE),
    ({"timestamp": "2026-02-30T02:00:00Z"}, Motivo.TIEMPO_ILEGIBLE),
    ({"timestamp": "2026-01-15T24:00:00"}, Motivo.TIEMPO_ILEGIBLE),
    ({"timestamp": 1768438800}, Motivo.TIEMPO_ILEGIBLE),
    ({"timestamp": SIN, "fecha": "2026-01-15", "hora": 24}, Motivo.TIEMPO_ILEGIBLE),
    ({"timestamp": SIN, "fecha": "2026-01-15", "hora": "2"}, Motivo.TIEMPO_ILEGIBLE),
    ({"timestamp": SIN, "fecha": "2026-01-15", "hora": True}, Motivo.TIEMPO_ILEGIBLE),
    ({"timestamp": SIN, "fecha": 20260115, "hora": 2}, Motivo.TIEMPO_ILEGIBLE),
    ({"timestamp": "2026-03-29T02:00:00"}, Motivo.HORA_INEXISTENTE),
    ({"timestamp": SIN, "fecha": "2026-03-29", "hora": 2}, Motivo.HORA_INEXISTENTE),
    ({"timestamp": "2026-01-15T02:30:00+01:00"}, Motivo.HORA_NO_EN_PUNTO),
    ({"timestamp": "2026-01-15T02:00:01"}, Motivo.HORA_NO_EN_PUNTO),
    ({"timestamp": "2026-01-15T02:00:00+05:30"}, Motivo.HORA_NO_EN_PUNTO),
    ({"timestamp": "2026-11-25T13:00:00+01:00"}, Motivo.TIEMPO_FUTURO),
    ({"timestamp": "9999-12-31T23:00:00-12:00"}, Motivo.TIEMPO_FUTURO),
    ({"timestamp": "1999-12-31T23:00:00"}, Motivo.TIEMPO_ANTIGUO),
    ({"timestamp": "0001-01-01T00:00:00+14:00"}, Motivo.TIEMPO_ANTIGUO),
    ({"consumo_kwh": SIN}, Motivo.CONSUMO_AUSENTE),
    ({"consumo_kwh": None}, Motivo.CONSUMO_AUSENTE),
    ({"consumo_kwh": "1.5"}, Motivo.CONSUMO_NO_NUMERO),
    ({"consumo_kwh": True}, Motivo.CONSUMO_NO_NUMERO),
    ({"consumo_kwh": [1]}, Motivo.CONSUMO_NO_NUMERO),
    ({"consumo_kwh": math.nan}, Motivo.CONSUMO_NO_FINITO),
    ({"consumo_kwh": math.inf}, Motivo.CONSUMO_NO_FINITO),
    ({"consumo_kwh": -math.inf}, Motivo.CONSUMO_NO_FINITO),
    ({"consumo_kwh": -0.001}, Motivo.CONSUMO_NEGATIVO),
    ({"consumo_kwh": 10_000.001}, Motivo.CONSUMO_EXCESIVO),
    ({"consumo_kwh": 10**40}, Motivo.CONSUMO_EXCESIVO),
]


@pytest.mark.parametrize(("cambios", "motivo"), RAZONES)
def test_an_invalid_field_has_its_reason(cambios: dict[str, object], motivo: Motivo) -> None:
    """Each way in which a field is wrong has its own name."""
    campos = {clave: valor for clave, valor in {**BUENA, **cambios}.items() if valor is not SIN}
    assert only_reason(json.dumps(campos).encode()) == motivo


@pytest.mark.parametrize(
    ("valor", "motivo"),
    [
        (None, Motivo.MENSAJE_SIN_VALOR),
        (b"", Motivo.NO_ES_JSON),
        (b"{", Motivo.NO_ES_JSON),
        (b"\xff\xfe", Motivo.NO_ES_JSON),
        (b'{"propietario_id": "\xff"}', Motivo.NO_ES_JSON),
        (b'{"propietario_id": "A"} x', Motivo.NO_ES_JSON),
        (b'{"x":' + b"[" * 200_000, Motivo.NO_ES_JSON),
        (b"[1]", Motivo.NO_ES_OBJETO),
        (b"null", Motivo.NO_ES_OBJETO),
        (b'"texto"', Motivo.NO_ES_OBJETO),
        (b"3", Motivo.NO_ES_OBJETO),
        (json.dumps(BUENA).replace(": 1}", ": 1e999}").encode(), Motivo.CONSUMO_NO_FINITO),
        (json.dumps(BUENA).replace(": 1}", f": {'9' * 9999}}}").encode(), Motivo.CONSUMO_NO_FINITO),
    ],
)
def test_what_is_no_object_has_its_reason(valor: bytes | None, motivo: Motivo) -> None:
    """A tombstone, bytes that are not JSON and JSON that is not an object are told apart."""
    assert only_reason(valor) == motivo


def test_every_reason_is_tested() -> None:
    """The closed list of reasons has none without a test above."""
    probadas = {motivo for _, motivo in RAZONES}
    assert probadas | {Motivo.MENSAJE_SIN_VALOR, Motivo.NO_ES_JSON, Motivo.NO_ES_OBJETO} == set(
        Motivo
    )


@pytest.mark.parametrize(
    ("campos", "instante"),
    [
        ({"timestamp": "2026-01-15T02:00:00+01:00"}, "2026-01-15T01:00Z"),
        ({"timestamp": "2026-01-15T01:00:00Z"}, "2026-01-15T01:00Z"),
        ({"timestamp": "2026-01-15T01:00Z"}, "2026-01-15T01:00Z"),
        ({"timestamp": "2026-01-15T06:30:00+05:30"}, "2026-01-15T01:00Z"),
        ({"timestamp": "2026-01-15T02:00:00.000+0100"}, "2026-01-15T01:00Z"),
        ({"timestamp": "2026-01-15 02:00"}, "2026-01-15T01:00Z"),
        ({"timestamp": "2026-07-15T02:00:00"}, "2026-07-15T00:00Z"),
        ({"timestamp": None, "fecha": "2026-07-15", "hora": 2}, "2026-07-15T00:00Z"),
        ({"timestamp": "2026-03-29T03:00:00"}, "2026-03-29T01:00Z"),
        ({"timestamp": "2026-10-25T02:00:00+02:00"}, "2026-10-25T00:00Z"),
        ({"timestamp": "2026-10-25T02:00:00+01:00"}, "2026-10-25T01:00Z"),
        # Without offset the repeated hour of October is the first of the two.
        ({"timestamp": "2026-10-25T02:00:00"}, "2026-10-25T00:00Z"),
        ({"timestamp": None, "fecha": "2026-10-25", "hora": 2}, "2026-10-25T00:00Z"),
        # The limits themselves are inside.
        ({"timestamp": "2026-11-25T12:00:00+01:00"}, "2026-11-25T11:00Z"),
        ({"timestamp": "2000-01-01T00:00:00"}, "1999-12-31T23:00Z"),
        # timestamp goes before fecha and hora, whatever those hold.
        ({"fecha": 7, "hora": "x"}, "2026-01-15T01:00Z"),
    ],
)
def test_a_time_is_read_exactly(campos: dict[str, object], instante: str) -> None:
    """With an offset a time is exact, without one it is local, with fecha and hora too."""
    assert only_reading(**campos)[1] == hour(instante)


def test_what_is_not_ours_is_ignored() -> None:
    """Unknown fields, the label and the provenance change nothing, whatever they hold."""
    assert only_reading(etiqueta={"a": 1}, metodo=3, tarifa="2.0TD", x=[[]]) == only_reading()


@pytest.mark.parametrize("kwh", [0, -0.0, 0.1 + 0.2, 10_000, 5e-324, 1.234])
def test_kwh_is_read_to_the_last_bit(kwh: float) -> None:
    """The number that was written is the number that is read; there is no negative zero."""
    leido = only_reading(consumo_kwh=kwh)[2]
    assert leido == kwh
    assert math.copysign(1.0, leido) == 1.0


def test_an_id_may_have_accents_and_twenty_characters() -> None:
    """Length counts characters, not bytes, and inner spaces are allowed."""
    assert only_reading(propietario_id="Ñandú número 1234567")[0] == "Ñandú número 1234567"


def test_positions_tell_which_message_was_which() -> None:
    """Valid and invalid messages keep their place in the input."""
    buena = json.dumps(BUENA).encode()
    leidas = decode(b"x", buena, None, buena, b"[]")
    assert leidas.posiciones.tolist() == [1, 3]
    assert [posicion for posicion, _ in leidas.invalidas] == [0, 2, 4]
    assert len(leidas.lecturas) == 2


def test_a_reason_is_one_printable_line() -> None:
    """Hostile text in a message cannot break a log line, or a header in UTF-8."""
    for texto in ("a\nb" * 100, "\ud800", "\x1b[31m"):
        valor = json.dumps({**BUENA, "timestamp": texto}).encode()
        ((_, error),) = decode(valor).invalidas
        assert str(error).isprintable()
        assert len(str(error)) < 200
        str(error).encode()


CASI = st.fixed_dictionaries(
    {},
    optional={
        "propietario_id": st.one_of(st.text(max_size=25), st.integers(), st.none()),
        "timestamp": st.one_of(
            st.datetimes().map(datetime.isoformat),
            st.datetimes(timezones=st.timezones()).map(datetime.isoformat),
            st.text(max_size=30),
            st.integers(),
            st.none(),
        ),
        "fecha": st.one_of(st.dates().map(str), st.text(max_size=12)),
        "hora": st.one_of(st.integers(), st.booleans(), st.floats()),
        "consumo_kwh": st.one_of(st.floats(), st.integers(), st.text(max_size=5), st.booleans()),
        "otro": st.recursive(st.none(), st.lists, max_leaves=5),
    },
)


@given(
    st.lists(
        st.one_of(
            st.none(),
            st.binary(max_size=80),
            CASI.map(lambda campos: json.dumps(campos).encode()),
        ),
        max_size=8,
    )
)
@example([b'{"propietario_id":"\\ud800"}', b'{"a":' * 5000])
def test_whatever_comes_is_a_reading_or_has_a_reason(valores: list[bytes | None]) -> None:
    """Arbitrary bytes and almost-messages never raise, and nothing of them gets lost."""
    leidas = decode(*valores)
    rechazadas = [posicion for posicion, _ in leidas.invalidas]
    assert sorted([*leidas.posiciones.tolist(), *rechazadas]) == list(range(len(valores)))
    assert {error.motivo for _, error in leidas.invalidas} <= set(Motivo)
    kwh = leidas.lecturas.consumo_kwh
    assert bool(((kwh >= 0) & (kwh <= MAXIMO_KWH)).all())
    assert all(0 < len(p) <= 20 and p.isprintable() for p in leidas.lecturas.propietario_id)


@given(CASI)
def test_one_by_one_equals_a_batch(campos: dict[str, object]) -> None:
    """A message is judged the same whatever stands beside it."""
    valor, buena = json.dumps(campos).encode(), json.dumps(BUENA).encode()
    sola, junta = decode(valor), decode(buena, b"x", valor, buena)
    en_medio = junta.lecturas.elegir(np.flatnonzero(junta.posiciones == 2))
    assert sola.lecturas.propietario_id == en_medio.propietario_id
    assert sola.lecturas.hora_utc.tolist() == en_medio.hora_utc.tolist()
    assert sola.lecturas.consumo_kwh.tolist() == en_medio.consumo_kwh.tolist()
    assert [str(e) for _, e in sola.invalidas] == [str(e) for i, e in junta.invalidas if i == 2]


@given(
    st.lists(
        st.tuples(
            st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=20),
            st.integers(hour("2000-01-01T00:00+01:00"), AHORA + 24),
            st.floats(0, MAXIMO_KWH),
            st.sampled_from([None, "normal", "fraude", 0, 1]),
        ),
        max_size=10,
    )
)
@example(
    [
        ("CLI_1", hour("2026-10-25T00:00Z"), 1.0, None),
        ("CLI_1", hour("2026-10-25T01:00Z"), 2.0, None),
    ]
)
def test_what_is_encoded_is_decoded(filas: list[tuple[str, int, float, object]]) -> None:
    """Encoding and decoding gives the same readings, both hours 2 of an October day included."""
    lecturas = Lecturas(
        [fila[0] for fila in filas],
        np.array([fila[1] for fila in filas], np.int64),
        np.array([fila[2] for fila in filas], np.float64),
    )
    etiqueta = [fila[3] for fila in filas]
    leidas = decode(*MessageEncoder(MADRID).encode(lecturas, etiqueta)).lecturas  # type: ignore[arg-type]
    assert leidas.propietario_id == lecturas.propietario_id
    assert leidas.hora_utc.tolist() == lecturas.hora_utc.tolist()
    assert leidas.consumo_kwh.tolist() == lecturas.consumo_kwh.tolist()


def test_a_message_is_written_as_the_contract_shows_it() -> None:
    """Local time with its offset, the shortest number, optional fields only when given."""
    hora = hour("2026-10-25T00:00Z")
    lecturas = Lecturas(["A", "A"], np.array([hora, hora + 1]), np.array([0.1 + 0.2, 2.0]))
    primero, segundo = MessageEncoder(MADRID).encode(lecturas, ["fraude", None], [None, "real"])
    assert json.loads(primero) == {
        "propietario_id": "A",
        "timestamp": "2026-10-25T02:00:00+02:00",
        "consumo_kwh": 0.30000000000000004,
        "etiqueta": "fraude",
    }
    assert json.loads(segundo) == {
        "propietario_id": "A",
        "timestamp": "2026-10-25T02:00:00+01:00",
        "consumo_kwh": 2.0,
        "metodo": "real",
    }
