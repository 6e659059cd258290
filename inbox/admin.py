from django.contrib import admin
from unfold.admin import ModelAdmin

from inbox.models import Thread

admin.site.register(Thread, ModelAdmin)
