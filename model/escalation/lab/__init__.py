"""Editing in JupyterLab, with the answer moving."""
