"use strict";

// Swagger UI speaks English only; the document that it shows is Spanish.
const TEXTOS = {
  "Authorize": "Clave", "Available authorizations": "Claves", "Authorized": "Con clave", "Logout": "Olvidar",
  "Close": "Cerrar", "Value:": "Valor:", "Name:": "Nombre:", "In:": "Va en:", "Schemas": "Esquemas",
  "Parameters": "Parámetros", "No parameters": "Sin parámetros", "Name": "Nombre", "Description": "Descripción",
  "Try it out": "Probar", "Cancel": "Cancelar", "Execute": "Enviar", "Clear": "Limpiar", "Reset": "Como estaba",
  "Request body": "Cuerpo", "required": "obligatorio", "Responses": "Respuestas", "Response": "Respuesta",
  "Server response": "Lo que responde", "Response body": "Cuerpo de la respuesta", "Details": "Detalle",
  "Response headers": "Cabeceras de la respuesta", "Request URL": "Dirección", "Request duration": "Duración",
  "Code": "Código", "Links": "Enlaces", "No links": "Sin enlaces", "Media type": "Formato", "Headers:": "Cabeceras:",
  "Example Value": "Ejemplo", "Example": "Ejemplo", "Examples": "Ejemplos", "Schema": "Esquema",
  "Edit Value": "Editar", "Download": "Descargar", "Default value": "Si falta", "Available values": "Valores",
  "Controls ": "Decide la cabecera ", " header.": ".", "Accept": "Accept", "Undocumented": "Sin documentar",
  "Add string item": "Añadir", "Add object item": "Añadir", "Send empty value": "Enviar vacío",
  "Unrecognized response type; displaying content as text.": "Se enseña como texto.", "Loading": "Cargando",
  "Expand all": "Abrir todo", "Collapse all": "Cerrar todo", "Type": "Tipo", "Failed to fetch.": "Sin respuesta.",
};

function traducir(raiz) {
  const textos = document.createTreeWalker(raiz, NodeFilter.SHOW_TEXT);
  for (let nodo = textos.currentNode; nodo; nodo = textos.nextNode()) {
    const suyo = TEXTOS[nodo.nodeValue] ?? TEXTOS[nodo.nodeValue?.trim()];
    if (suyo !== undefined && suyo !== nodo.nodeValue) nodo.nodeValue = suyo;
  }
}

const pagina = document.getElementById("swagger-ui");
new MutationObserver((cambios) => {
  for (const cambio of cambios) {
    if (cambio.type === "characterData") traducir(cambio.target);
    else cambio.addedNodes.forEach(traducir);
  }
  pagina.querySelector(".operation-filter-input")?.setAttribute("placeholder", "Filtrar por etiqueta");
}).observe(pagina, { childList: true, characterData: true, subtree: true });

// A key that is typed in is forgotten when the page is closed. The validator would be another host.
SwaggerUIBundle({
  url: "/openapi.json", dom_id: "#swagger-ui", deepLinking: true, filter: true, docExpansion: "list",
  defaultModelsExpandDepth: 0, displayRequestDuration: true, persistAuthorization: false, validatorUrl: null,
});
