"""One file a page; each has ``draw_`` and its name, which draws it.

Not called ``pages``: that is what Streamlit calls the folder whose files it shows by itself to a
visitor who comes to a page's address before anybody has been to the first one.
"""
