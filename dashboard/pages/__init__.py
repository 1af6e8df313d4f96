"""One file a page; each has ``pagina()``, which draws it."""
