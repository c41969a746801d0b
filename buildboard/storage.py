"""Static files under hashed names, the imports between JavaScript modules included."""

from django.contrib.staticfiles.storage import ManifestStaticFilesStorage


class HashedStatic(ManifestStaticFilesStorage):
    support_js_module_import_aggregation = True
    manifest_strict = False

    def stored_name(self, name: str) -> str:
        """The hashed name; the plain one where nothing was collected, so that a page never fails for it."""
        try:
            return super().stored_name(name)
        except ValueError:
            return name
