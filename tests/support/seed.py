"""`python -m tests.support.seed USERS_AS_JSON`: migrate the database of the environment and create test users.

With `--static` it also collects the static files. A program of its own, since this run's own Django has another
database and other settings.
"""

import json
import sys


def main(users: dict[str, str], *, static: bool) -> None:
    import django

    django.setup()
    from django.contrib.auth.models import Permission, User
    from django.core.management import call_command

    from builds.management.commands import up
    from builds.models import Board

    call_command("migrate", verbosity=0)
    if static:
        up.collect_static()
    verbs = ["start_build", "cancel_build", "keep_build"]
    may = Permission.objects.filter(content_type__app_label="builds", codename__in=verbs)
    for name, password in users.items():
        user = User.objects.create_user(name, password=password, is_staff=name == "admin", is_superuser=name == "admin")
        if name == "alice":
            user.user_permissions.set(may)
    Board.objects.all().delete()  # each copy of this database is a world of its own


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), static="--static" in sys.argv)
