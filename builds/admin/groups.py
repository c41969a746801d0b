"""Groups: as Django has them, but that no project is opened to everyone because the last of its groups is deleted."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin
from django.contrib.auth.models import Group
from django.db.models import Exists, OuterRef
from django.http import HttpRequest

from ..models import Project

admin.site.unregister(Group)


@admin.register(Group)
class Groups(GroupAdmin):
    def get_deleted_objects(self, objs: Iterable[Group], request: HttpRequest) -> Any:
        """What stands in the way of it, too: a project without groups is seen by all."""
        going = list(objs)
        to_delete, counts, forbidden, protected = super().get_deleted_objects(going, request)
        return to_delete, counts, forbidden, [*protected, *_opened(going, request)]


def _opened(going: list[Group], request: HttpRequest) -> list[str]:
    """Names of the projects that would be left without any; of those that the user may not see, how many."""
    left = Group.objects.filter(project=OuterRef("pk")).exclude(pk__in=[group.pk for group in going])
    found = Project.objects.filter(~Exists(left), groups__in=going).distinct().order_by("name")
    seen = set(Project.objects.visible_to(request.user).values_list("pk", flat=True))
    names = [project.name for project in found if project.pk in seen]
    hidden = len(found) - len(names)
    return [*names, *([f"{hidden} that you may not see"] if hidden else [])]
