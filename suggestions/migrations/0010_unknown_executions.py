"""An index for the attempts of which nobody can tell what became: few, and asked for by a tab."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("suggestions", "0009_templates")]
    operations = [
        AddIndexConcurrently(
            model_name="suggestionexecution",
            index=models.Index(
                models.F("suggestion"),
                condition=models.Q(("state", "UNKNOWN")),
                name="suggestion_executions_unknown",
            ),
        ),
    ]
