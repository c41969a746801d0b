"""The index in which a worker finds the oldest build of each project that needs the same labels."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("builds", "0002_bounds")]

    operations = [
        migrations.AddIndex("build", models.Index(fields=["status", "project", "runs_on", "id"], name="build_lane")),
    ]
