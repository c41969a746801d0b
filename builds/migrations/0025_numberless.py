"""A build of a chain says nothing of the one that it came after, nor does a chain: not everybody who sees them may see that."""

from django.db import migrations
from django.db.models import CharField, F, Value
from django.db.models.functions import Cast, Concat


def forget_numbers(apps, schema_editor):
    builds = apps.get_model("builds", "Build").objects
    number = Concat(Value("build "), Cast(F("parent_id"), CharField()))
    builds.filter(trigger="project", parent__isnull=False, started_by=number).update(started_by="another project")
    noted = apps.get_model("builds", "After").objects.filter(note__regex=r"^After build [0-9]+ it ")
    for pk, note in noted.values_list("pk", "note"):
        noted.model.objects.filter(pk=pk).update(note="It" + note.split(" it", 1)[1])


class Migration(migrations.Migration):
    dependencies = [("builds", "0024_recipe_known_and_images")]

    operations = [migrations.RunPython(forget_numbers, migrations.RunPython.noop, elidable=False)]
