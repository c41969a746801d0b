"""Of a build: whether it is known which recipe it runs. Of a step: the image that its recipe names."""

from django.db import migrations, models
from django.db.models import Exists, OuterRef, Q


def know(apps, schema_editor):
    """Of builds from before: those without a checkout, with a file's recipe, or whose steps began after a checkout."""
    builds = apps.get_model("builds", "Build").objects.filter(outside=False)
    begun = apps.get_model("builds", "Step").objects.filter(build=OuterRef("pk"), position__gte=1, started_at__isnull=False)
    builds.filter(Q(repository="") | ~Q(recipe_path="") | Exists(begun)).update(recipe_known=True)


class Migration(migrations.Migration):
    dependencies = [("builds", "0023_nameless")]

    operations = [
        migrations.AddField("build", "recipe_known", models.BooleanField(db_default=False, default=False, editable=False)),
        migrations.AddField(
            "step", "image", models.CharField(blank=True, db_default="", default="", max_length=255)
        ),
        migrations.RunPython(know, migrations.RunPython.noop, elidable=False),
    ]
