from django.apps import AppConfig
from django.core.checks import register

from crm.runtime.lazy_module import LazyModule

checks = LazyModule("demo.checks")


class DemoConfig(AppConfig):
    name = "demo"
    verbose_name = "Demo agency"

    def ready(self) -> None:
        register(lambda **options: checks.check_demo_logins(**options), deploy=True)
