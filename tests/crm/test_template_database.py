"""The template of the test databases follows every file that a migration depends on."""

import ast

from django.apps import apps
from django.conf import settings

from crm.runtime.checks import is_own_app
from tests.template_database import source_files


def test_modules_imported_by_migrations_are_template_sources():
    sources = set(source_files())
    own_apps = {config.name for config in apps.get_app_configs() if is_own_app(config)}
    migrations = [path for path in sources if path.parent.name == "migrations"]
    assert len(migrations) > len(own_apps)
    for migration in migrations:
        for node in ast.walk(ast.parse(migration.read_text(encoding="utf-8"))):
            names = (
                [node.module]
                if isinstance(node, ast.ImportFrom)
                else [name.name for name in getattr(node, "names", [])]
            )
            for name in names:
                if name and name.split(".")[0] in own_apps:
                    module = settings.BASE_DIR / (name.replace(".", "/") + ".py")
                    assert {module, module.with_suffix("") / "__init__.py"} & sources, f"{migration} imports {name}"
