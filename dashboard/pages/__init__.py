"""One file a page; each has ``draw_`` and its name, which draws it."""
