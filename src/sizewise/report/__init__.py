"""One self-contained HTML page of a study, and its plots as SVG.

Everything a model or a user wrote is shown as text: escaped, with control and direction characters made visible.
Does not cover: computing anything that the verdict needs; the page only shows what the store holds.
"""
