from django.contrib import admin
from unfold.admin import ModelAdmin

from ai_log.models import AIInteraction

admin.site.register(AIInteraction, ModelAdmin)
