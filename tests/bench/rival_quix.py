"""(c) Quix Streams with River and its own PostgreSQL sink, as its guide has it.

What is remembered of a customer is in the state that the library keeps for each key (RocksDB, and a
changelog topic): read and written for each message, in pieces, so that a message costs what it
touches. Rows go to ``PostgreSQLSink``, which writes them where a checkpoint is made.
"""

from __future__ import annotations

import tempfile
from typing import Any

from quixstreams import Application, State
from quixstreams.sinks.community.postgresql import PostgreSQLSink
from reglas_competentes import DESFASE, HORAS_POR_DIA, Cliente, Momento, P, Sumas
from rivales import BASE, BROKER, CLAVE, GRUPO, TOPIC, River, make_fila, momento_de, remember

LOTE = 5000
"""Messages of a checkpoint, as ours of a batch; its own default is 5 s."""
RECIENTES = P.constante_horas + 2
"""Readings that are kept beside the sums: as many as a run must have."""

LECTOR = {
    "session.timeout.ms": 6000,
    # As ours and (b): with the library's own the embedded Kafka keeps it waiting.
    "fetch.wait.max.ms": 10,
    "fetch.queue.backoff.ms": 5,
    "queued.min.messages": 200_000,
}
POR_DECIR = {"retention.ms": "604800000", "retention.bytes": "-1"}
"""What it asks of the topic to make the changelog's alike, and the embedded Kafka does not tell:
Apache Kafka's defaults."""


class ClienteEnEstado(Cliente):
    """A customer of whom one hour of the day is at hand, and the rest in the state."""

    __slots__ = ("_estado",)

    def __init__(self, estado: State, momento: Momento) -> None:
        super().__init__()
        self._estado = estado
        self.franjas[momento.hora] = _sumas(estado.get(f"franja-{momento.hora}"))
        if momento.hora < P.noche_hasta:
            self.noches[momento.hora] = _sumas(estado.get(f"noche-{momento.hora}"))
        (
            self.noche_dia, self.noche_n, self.noche_suma,
            self.racha, self.menor, self.mayor, ultimas,
        ) = estado.get("cliente")  # fmt: skip
        self.ultimas = [(hora, kwh) for hora, kwh in ultimas]

    def _is_long(self, m: Momento, kwh: float, hasta: int) -> bool:
        """Ask for all hours of the day: a run is long enough to look at what came before it."""
        todas = []
        for hora in range(HORAS_POR_DIA):
            suyas = (
                self.franjas[hora] if hora == m.hora else _sumas(self._estado.get(f"franja-{hora}"))
            )
            todas += [(HORAS_POR_DIA * d + hora - DESFASE, kwh) for d, kwh, _ in suyas.valores]
        recientes, anteriores = self.ultimas, m.hora_utc - self.racha
        self.ultimas = sorted(t for t in todas if t[0] < m.hora_utc)
        cuantas = sum(hora <= anteriores for hora, _ in self.ultimas)
        es_larga = super()._is_long(m, kwh, cuantas - 1)
        self.ultimas = recientes
        return es_larga

    def keep(self, momento: Momento) -> None:
        """Put what a reading has changed back into the state."""
        keep(self, self._estado, [momento.hora])


def keep(cliente: Cliente, estado: State, horas: list[int]) -> None:
    """Put a customer into the state: these hours of the day, and what belongs to none."""
    for hora in horas:
        estado.set(f"franja-{hora}", _values(cliente.franjas[hora]))
        if hora < P.noche_hasta:
            estado.set(f"noche-{hora}", _values(cliente.noches[hora]))
    estado.set(
        "cliente",
        [
            cliente.noche_dia, cliente.noche_n, cliente.noche_suma,
            cliente.racha, cliente.menor, cliente.mayor, cliente.ultimas[-RECIENTES:],
        ],
    )  # fmt: skip


def _sumas(valores: list[Any]) -> Sumas:
    sumas = Sumas()
    lista, sumas.n, sumas.suma, sumas.cuadrados = valores
    sumas.valores.extend(tuple(uno) for uno in lista)
    return sumas


def _values(sumas: Sumas) -> list[Any]:
    return [list(sumas.valores), sumas.n, sumas.suma, sumas.cuadrados]


def make_decide(river: River) -> Any:
    """Return what turns a message into a row, with the state of its key."""

    def decide(lectura: dict[str, Any], estado: State) -> dict[str, Any]:
        momento = momento_de(lectura["timestamp"])
        if estado.get("cliente") is None:
            keep(remember(lectura["propietario_id"]), estado, list(range(HORAS_POR_DIA)))
        cliente = ClienteEnEstado(estado, momento)
        tipos = cliente.decide(momento, lectura["consumo_kwh"])
        cliente.keep(momento)
        return make_fila(lectura, momento, tipos, river.score(momento, lectura["consumo_kwh"]))

    return decide


def main() -> None:
    """Consume until somebody stops the process."""
    with tempfile.TemporaryDirectory() as carpeta:
        app = Application(
            broker_address=BROKER, consumer_group=GRUPO, auto_offset_reset="earliest",
            commit_every=LOTE, commit_interval=60.0, state_dir=carpeta, loglevel="WARNING",
            consumer_extra_config=LECTOR,
        )  # fmt: skip
        topic = app.topic(TOPIC, value_deserializer="json")
        topic.broker_config.extra_config.update(POR_DECIR)
        lecturas = app.dataframe(topic)
        lecturas = lecturas.apply(make_decide(River()), stateful=True)
        lecturas.sink(
            PostgreSQLSink(
                **BASE,
                table_name="consumos_diarios",
                schema_auto_update=False,
                primary_key_columns=CLAVE,
                upsert_on_primary_key=True,
                include_metadata=False,
            )
        )
        app.run()


if __name__ == "__main__":
    main()
