from django.apps import AppConfig
from django.db.models.signals import post_delete


class BuildsConfig(AppConfig):
    name = "builds"
    verbose_name = "Builds"

    def ready(self) -> None:
        from . import checks  # noqa: F401 - registers the system checks
        from .models import Build

        post_delete.connect(_build_deleted, sender=Build, dispatch_uid="builds.build_deleted")


def _build_deleted(**_: object) -> None:
    from . import lifecycle

    lifecycle.deleted()
