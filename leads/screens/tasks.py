"""The screens of tasks."""

from django.db import models
from django.http import HttpRequest

from crm.models import Client
from crm.screens.export import ExportColumn, ListExport, visible_name
from crm.screens.lists import Column, Tab, optional_column
from crm.screens.paging import Order
from crm.screens.record_admin import RecordAdmin
from crm.screens.record_page.field_edit import FieldEditMixin
from leads.action_forms import ChangeTaskStatus, CompleteTask
from leads.filters import TaskFilter
from leads.models import Lead, Task
from leads.models.task import DUE_SORT_KEY
from leads.transitions import add_task

ID_SORT_KEY = {"id": models.F("id")}


class TaskAdmin(FieldEditMixin, RecordAdmin):
    filterset_class = TaskFilter
    search_label = "Search tasks"
    add_icon = "add_task"
    row_template = "leads/task_row.html"
    page_template = "leads/task_page.html"
    list_select_related = ("assignee", "lead", "client")
    columns = (
        Column("Task", exports=("Title",)),
        Column("Status", exports=("Status",)),
        Column("Due", "due", exports=("Due on",)),
        Column("Assignee", exports=("Assignee",)),
        Column("For", exports=("Lead", "Client")),
        optional_column("Description", "Description"),
    )
    orders = {
        "due": Order("Next due first", {"due": DUE_SORT_KEY, **ID_SORT_KEY}, descending=False),
        "newest": Order("Newest first", ID_SORT_KEY),
    }
    tabs = (
        Tab("Unfinished", {}, lambda tasks, user: tasks.live().unfinished()),
        Tab("Mine", {"assignee": "me"}, lambda tasks, user: tasks.live().unfinished().filter(assignee=user)),
        Tab("Done", {"status": "DONE"}, lambda tasks, user: tasks.live().filter(status="DONE")),
        Tab("Deleted", {"deleted": "true"}, lambda tasks, user: tasks.deleted(), "leads.restore_task"),
    )
    page_actions = (CompleteTask, ChangeTaskStatus)
    bulk_actions = (ChangeTaskStatus,)
    list_export = ListExport(
        (
            ExportColumn("Title", "title"),
            ExportColumn("Description", "description"),
            ExportColumn("Status", "status"),
            ExportColumn("Due on", "due_on"),
            ExportColumn("Assignee", "assignee__username"),
            ExportColumn("Lead", "lead_name"),
            ExportColumn("Client", "client_name"),
        ),
        prepare=lambda tasks, user: tasks.select_related("assignee").annotate(
            lead_name=visible_name(Lead, "lead", "contact_name", user),
            client_name=visible_name(Client, "client", "name", user),
        ),
    )
    autocomplete_fields = ("lead", "client", "project")
    fields = ("title", "description", ("due_on", "assignee"), "lead", "client", "project", "loaded_digest")

    def create_record(self, request: HttpRequest, row: Task) -> None:
        add_task(row, by=request.user)
