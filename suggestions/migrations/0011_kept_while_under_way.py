"""The key of an attempt to its suggestion is kept while the attempt is on its way; nothing changes in the database."""

from django.db import migrations, models

import suggestions.models.execution


class Migration(migrations.Migration):
    dependencies = [
        ("suggestions", "0010_unknown_executions"),
    ]

    operations = [
        migrations.AlterField(
            model_name="suggestionexecution",
            name="suggestion",
            field=models.ForeignKey(
                db_index=False,
                on_delete=suggestions.models.execution.unless_on_its_way,
                related_name="executions",
                to="suggestions.suggestion",
            ),
        ),
    ]
