"use strict";

// The key lives in the page's own field and nowhere else.
const clave = () => document.getElementById("clave")?.value.trim() ?? "";

function peticion(formulario) {
  let ruta = formulario.dataset.ruta;
  const consulta = new URLSearchParams();
  const cabeceras = {};
  for (const campo of formulario.querySelectorAll("input[data-en]")) {
    const valor = campo.value.trim();
    if (campo.dataset.en === "path") {
      ruta = ruta.replace(`{${campo.name}}`, encodeURIComponent(valor));
    } else if (valor !== "") {
      if (campo.dataset.en === "header") cabeceras[campo.name] = valor;
      else if ("lista" in campo.dataset) valor.split(",").forEach((v) => consulta.append(campo.name, v.trim()));
      else consulta.append(campo.name, valor);
    }
  }
  if (clave()) cabeceras["X-API-Key"] = clave();
  const cuerpo = formulario.querySelector(".cuerpo");
  if (cuerpo) cabeceras["Content-Type"] = "application/json";
  const resto = consulta.toString();
  return {
    url: new URL(ruta + (resto ? `?${resto}` : ""), location.href),
    opciones: { method: formulario.dataset.metodo, headers: cabeceras, body: cuerpo ? cuerpo.value : undefined },
  };
}

function ensenar(caja, titulo, texto, mal) {
  const fuerte = document.createElement("strong");
  fuerte.textContent = titulo;
  const bloque = document.createElement("pre");
  bloque.textContent = texto;
  caja.replaceChildren(fuerte, bloque);
  caja.classList.toggle("mal", mal);
  caja.hidden = false;
}

const MAXIMO = 200000;
const ESPERA_FLUJO_MS = 10000;

// An event stream has no end: what comes in some seconds is shown.
async function leer(respuesta) {
  const tipo = respuesta.headers.get("content-type") || "";
  if (!tipo.startsWith("text/event-stream")) {
    if (!/json|text|csv/.test(tipo)) return `(${(await respuesta.blob()).size} bytes de ${tipo})`;
    const texto = await respuesta.text();
    const bonito = tipo.includes("json") ? JSON.stringify(JSON.parse(texto), null, 2) : texto;
    return bonito.length > MAXIMO ? `${bonito.slice(0, MAXIMO)}\n… (${bonito.length} caracteres)` : bonito;
  }
  const lector = respuesta.body.pipeThrough(new TextDecoderStream()).getReader();
  const fin = Date.now() + ESPERA_FLUJO_MS;
  let texto = "";
  while (Date.now() < fin) {
    const resta = new Promise((listo) => setTimeout(() => listo({ done: true }), fin - Date.now()));
    const { value, done } = await Promise.race([lector.read(), resta]);
    if (done) break;
    texto += value;
  }
  lector.cancel();
  return `${texto}… (el flujo sigue; aquí se enseñan 10 s)`;
}

async function probar(suceso) {
  suceso.preventDefault();
  const formulario = suceso.target;
  const caja = formulario.parentElement.querySelector(".resultado");
  const boton = formulario.querySelector("button[type=submit]");
  const { url, opciones } = peticion(formulario);
  boton.disabled = true;
  const inicio = performance.now();
  try {
    const respuesta = await fetch(url, opciones);
    const texto = await leer(respuesta);
    const ms = Math.round(performance.now() - inicio);
    ensenar(caja, `${respuesta.status} ${respuesta.statusText} · ${ms} ms`, texto, !respuesta.ok);
  } catch (error) {
    ensenar(caja, "Sin respuesta", String(error), true);
  } finally {
    boton.disabled = false;
  }
}

const entreComillas = (texto) => `'${texto.replaceAll("'", "'\\''")}'`;

async function copiar(suceso) {
  const { url, opciones } = peticion(suceso.target.form);
  const partes = ["curl"];
  if (opciones.method !== "GET") partes.push("-X", opciones.method);
  for (const [nombre, valor] of Object.entries(opciones.headers)) {
    // The key itself stays out of the clipboard and of shell histories.
    partes.push("-H", nombre === "X-API-Key" ? '"X-API-Key: $CLAVE"' : entreComillas(`${nombre}: ${valor}`));
  }
  if (opciones.body) partes.push("--data-binary", entreComillas(opciones.body));
  partes.push(entreComillas(url.href));
  const texto = partes.join(" ");
  ensenar(suceso.target.form.parentElement.querySelector(".resultado"), "curl", texto, false);
  if (navigator.clipboard) await navigator.clipboard.writeText(texto).catch(() => undefined);
}

function filtrar(suceso) {
  const buscado = suceso.target.value.trim().toLowerCase();
  for (const enlace of document.querySelectorAll("nav li")) {
    enlace.hidden = buscado !== "" && !enlace.textContent.toLowerCase().includes(buscado);
  }
}

document.querySelector(".clave")?.addEventListener("submit", (suceso) => suceso.preventDefault());
document.getElementById("filtro").addEventListener("input", filtrar);
for (const formulario of document.querySelectorAll("form.probar")) {
  formulario.addEventListener("submit", probar);
  formulario.querySelector(".copiar").addEventListener("click", copiar);
}
