"""Static files under hashed names, the imports between JavaScript modules included."""

from django.contrib.staticfiles.storage import ManifestStaticFilesStorage

_EXTENSION, _PATTERNS = ManifestStaticFilesStorage._js_module_import_aggregation_patterns


class HashedStatic(ManifestStaticFilesStorage):
    support_js_module_import_aggregation = True
    # Without `import("…")`: our modules have that in type comments alone, where two may well name each other, and a
    # hash that depends on itself is never found.
    _js_module_import_aggregation_patterns = (
        _EXTENSION,
        tuple(pattern for pattern in _PATTERNS if r"import\(" not in pattern[0]),
    )
    manifest_strict = False
    max_post_process_passes = 20  # one for each level of imports

    def stored_name(self, name: str) -> str:
        """The hashed name; the plain one where nothing was collected, so that a page never fails for it."""
        try:
            return super().stored_name(name)
        except ValueError:
            return name
