"""The project that a command is given by its slug."""

from django.core.management.base import CommandError

from builds.models import Project


def project_of(slug: str) -> Project:
    """`CommandError` where there is none; it names those that there are."""
    found = Project.objects.filter(slug=slug).first()
    if found is None:
        slugs = list(Project.objects.order_by("slug").values_list("slug", flat=True)[:20])
        raise CommandError(f"There is no project {slug!r}. Projects: {', '.join(slugs) or 'none'}.")
    return found
