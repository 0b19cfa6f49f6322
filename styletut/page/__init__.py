"""The painter in the built book: what its scripts get from this package, and how they become files for ``file://``.

A page that is opened from ``file://`` can neither fetch nor import modules, so all comes as classic scripts: `weights`
and `settings` write what the module knows, `bundle` joins the ES modules of ``book/_page``, `build` writes the files.
"""
