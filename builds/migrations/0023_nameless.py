"""Who started a build of a chain is stored without the other project's name: not everybody who sees the build may see that."""

import re

from django.db import migrations


def forget_names(apps, schema_editor):
    builds = apps.get_model("builds", "Build").objects
    named = builds.filter(trigger="project", started_by__regex=r"^build [0-9]+ of ")
    for number, by in named.values_list("pk", "started_by").iterator():
        builds.filter(pk=number).update(started_by=re.match(r"build [0-9]+", by)[0])


class Migration(migrations.Migration):
    dependencies = [("builds", "0022_lz4")]

    operations = [migrations.RunPython(forget_names, migrations.RunPython.noop, elidable=False)]
