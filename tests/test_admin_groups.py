"""Groups: the last one of a project is not deleted, since everyone would see the project then."""

from typing import Any

from django.contrib.auth.models import Group, Permission
from django.test import tag
from django.urls import reverse

from builds.models import Project

from .operating import AdminCase

LIST = reverse("admin:auth_group_changelist")


@tag("fast")
class GroupTests(AdminCase):
    def setUp(self) -> None:
        self.inside = self.secret.groups.get()
        self.second = Group.objects.create(name="second")
        self.client.force_login(self.admin)

    def delete(self, *groups: Group) -> Any:
        """One on its page, several by the action of the list; confirmed."""
        if len(groups) == 1:
            return self.client.post(reverse("admin:auth_group_delete", args=[groups[0].pk]), {"post": "yes"})
        form = {"action": "delete_selected", "_selected_action": [group.pk for group in groups], "post": "yes"}
        return self.client.post(LIST, form)

    def assert_stays(self, answer: Any, *said: str) -> None:
        for text in ("Choose another group for these first", *said):
            self.assertContains(answer, text)
        self.assertTrue(self.secret.groups.exists())
        self.assertFalse(Project.objects.visible_to(self.stranger).filter(pk=self.secret.pk).exists())

    def test_the_last_one_of_a_project_stays(self) -> None:
        self.assert_stays(self.delete(self.inside), "<li>Secret</li>")
        self.assert_stays(self.delete(self.inside, self.second), "<li>Secret</li>")

    def test_one_of_several_goes_and_not_all_of_them_at_once(self) -> None:
        self.secret.groups.add(self.second)
        self.assert_stays(self.delete(self.inside, self.second), "<li>Secret</li>")
        self.assertRedirects(self.delete(self.inside), LIST)
        self.assertEqual(list(Group.objects.values_list("name", flat=True)), ["second"])
        self.assert_stays(self.delete(self.second))

    def test_one_that_no_project_has_goes(self) -> None:
        self.assertRedirects(self.delete(self.second), LIST)

    def test_who_may_not_see_the_project_is_not_told_its_name(self) -> None:
        self.operator.user_permissions.add(*Permission.objects.filter(codename__in=("delete_group", "view_group")))
        self.client.force_login(self.operator)
        answer = self.delete(self.inside)
        self.assert_stays(answer, "1 that you may not see")
        self.assertNotContains(answer, "Secret")
