"""The settings that differ from Django's defaults or come from the environment.

`.env.example` lists every variable. An invalid value stops the start with a sentence that names it.
"""

from pathlib import Path
from urllib.parse import urlsplit

from django.http.request import validate_host
from phonenumbers import SUPPORTED_REGIONS

from crm.runtime.embedded.place import Place
from crm.runtime.environment import BadVariable, Environment, derive_key
from crm.screens.theme import THEME_CHANGES
from crm.screens.theme import UNFOLD as UNFOLD
from crm.text.dates import DATE_FORMATS, DJANGO_DATE_FORMATS, DJANGO_TIME_FORMATS, TIME_FORMATS

BASE_DIR = Path(__file__).resolve().parent.parent
env = Environment(BASE_DIR / ".env")

DEBUG = env.flag("DEBUG", default=True)
DATA_DIR = (BASE_DIR / env.text("DATA_DIR", ".data")).resolve()
# Where `manage.py serve` listens.
PORT = env.port("PORT", 8000)

DEVELOPMENT_KEY = "for-development-only-and-refused-when-debug-is-off"
SECRET_KEY = env.text("SECRET_KEY", DEVELOPMENT_KEY)
ALLOWED_HOSTS = env.comma_separated("ALLOWED_HOSTS")
CSRF_TRUSTED_ORIGINS = env.comma_separated("CSRF_TRUSTED_ORIGINS")
if not DEBUG and SECRET_KEY == DEVELOPMENT_KEY:
    raise BadVariable("SECRET_KEY is not set. With DEBUG off it must be a long random text of your own.")
if not DEBUG and not ALLOWED_HOSTS:
    raise BadVariable("ALLOWED_HOSTS is not set. With DEBUG off it must name the hosts of the CRM.")
# Keys for the stored mailbox passwords: the first encrypts, all decrypt.
CREDENTIALS_KEYS = env.keys("CREDENTIALS_KEYS") or ([derive_key(SECRET_KEY)] if DEBUG else [])

INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "crm.apps.AdminSiteConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django.contrib.humanize",
    "django_filters",
    "pgtrigger",
    "pghistory",
    "procrastinate.contrib.django",
    "crm.apps.CrmConfig",
    "leads",
    "ai_log",
    "inbox",
    "support",
    "suggestions",
    "agents",
    "demo",
]

MIDDLEWARE = [
    "crm.middleware.HealthMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "crm.middleware.CompressionMiddleware",
    "crm.middleware.PageHeadersMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "crm.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    # The first to read the user.
    "crm.middleware.ReaderTimeMiddleware",
    "crm.accounts.middleware.AccountMiddleware",
    "crm.middleware.OutageMiddleware",
    "crm.middleware.NotFoundMiddleware",
    # After authentication, because the row audit records the user.
    "crm.middleware.AuditMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "crm.urls"
WSGI_APPLICATION = "crm.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "OPTIONS": {
            "loaders": [
                ("django.template.loaders.cached.Loader", [("crm.runtime.template_loader.Loader", THEME_CHANGES)])
            ],
            "builtins": ["crm.templatetags.crm"],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

EMBEDDED_DATABASE = {
    "ENGINE": "crm.runtime.embedded",
    "NAME": "crm",
    "USER": "postgres",
    "HOST": str(Place(DATA_DIR).sockets),
    # Set explicitly, because libpq would otherwise take PGPORT from the environment.
    "PORT": "5432",
}
DATABASES = {
    "default": {
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        **(env.database("DATABASE_URL") or EMBEDDED_DATABASE),
    }
}
AUTH_USER_MODEL = "crm.User"
AUTHENTICATION_BACKENDS = ["crm.permissions.OneStatementBackend"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Seconds. A worker without a heartbeat for the longer interval counts as dead, and its jobs are queued again.
PROCRASTINATE_WORKER_DEFAULTS = {"update_heartbeat_interval": 10, "stalled_worker_timeout": 60}
# Imported by workers, and when a process queues its first job: most commands do without.
PROCRASTINATE_AUTODISCOVER_MODULE_NAME = None
PROCRASTINATE_IMPORT_PATHS = [
    f"{name}.tasks" for name in ("crm", "leads", "ai_log", "inbox", "support", "suggestions", "agents")
]
# A nightly job missed by a sleeping laptop runs later the same day.
PROCRASTINATE_PERIODIC_DEFAULTS = {"max_delay": 24 * 3600}

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{validator}"}
    for validator in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

# The outgoing mail server. In development the default is the mail catcher that `manage.py serve` starts.
MAIL_IS_CAUGHT = DEBUG and not env.text("EMAIL_URL")
MAIL_CATCHER = ("127.0.0.1", env.port("MAIL_CATCHER_PORT", 1025))
globals().update(env.mail_server("EMAIL_URL", "smtp://{}:{}".format(*MAIL_CATCHER) if MAIL_IS_CAUGHT else ""))
if env.text("EMAIL_URL") and not env.text("MAIL_FROM"):
    raise BadVariable("MAIL_FROM is not set. Set it to the address your email is sent from.")
DEFAULT_FROM_EMAIL = env.sender("MAIL_FROM", "Birchfield Insurance <office@birchfield.example.com>")
# Timeout of a mail server, in seconds.
EMAIL_TIMEOUT = env.seconds("EMAIL_TIMEOUT", 60)

# How the agency's mail server marks spam: a header, and how its value begins (* stands for any text).
SPAM_MARKS = env.header_marks(
    "SPAM_MARKS",
    "X-Spam-Flag: yes, X-Spam-Status: yes, X-Spam: yes, X-Bogosity: spam, X-DSPAM-Result: spam,"
    "X-Barracuda-Spam-Status: yes, X-Rspamd-Action: add header, X-Rspamd-Action: reject,"
    "X-MS-Exchange-Organization-SCL: [5-9], X-Forefront-Antispam-Report: *sfv:spm",
)

# Further hosts of the agency; emails may link to them without confirmation.
KNOWN_HOSTS = env.comma_separated("KNOWN_HOSTS")

# The public URL of the CRM. Without it, opened emails and viewed proposals are not tracked.
PUBLIC_URL = env.web_address("PUBLIC_URL")
if PUBLIC_URL and ALLOWED_HOSTS and not validate_host(urlsplit(PUBLIC_URL).hostname, ALLOWED_HOSTS):
    raise BadVariable("PUBLIC_URL names a host that is missing from ALLOWED_HOSTS. Add the host there.")

# The header in which the proxy gives the address of a visitor, for the limits of logins and web forms.
CLIENT_ADDRESS_HEADER = env.header_name("CLIENT_ADDRESS_HEADER")

# Attachments of messages. All web servers and workers must share this folder.
MEDIA_ROOT = DATA_DIR / "files"
# Whether the source of each received email is kept there, so that reparse_mail can read it again.
KEEP_EMAIL_SOURCE = env.flag("KEEP_EMAIL_SOURCE", default=True)

# The forge for pull requests and its token. Without both, pull requests cannot be suggested.
FORGE_URL = env.web_address("FORGE_URL")
FORGE_TOKEN = env.token("FORGE_TOKEN")

# The agents' model, reached through OpenAI's chat completions protocol. Without both, no model is used.
AI_MODEL = env.text("AI_MODEL")
AI_URL = env.web_address("AI_URL")
if bool(AI_MODEL) != bool(AI_URL):
    raise BadVariable("AI_MODEL and AI_URL belong together. Set both, or neither to run without a model.")
AI_KEY = env.token("AI_KEY")
# The provider with the applicable price list. Without it, costs are unknown.
AI_PROVIDER = env.text("AI_PROVIDER")
AI_TIMEOUT = env.seconds("AI_TIMEOUT", 30)
AI_TEMPERATURE = float(env.number("AI_TEMPERATURE", "0.2", maximum=2))
# Daily limits for model calls, in total and per user.
AI_DAILY_CALLS = env.count("AI_DAILY_CALLS", 2_000)
AI_DAILY_CALLS_EACH = env.count("AI_DAILY_CALLS_EACH", 200)
AI_DAILY_DOLLARS = env.number("AI_DAILY_DOLLARS", "20", maximum=1_000_000)
AI_DAILY_DOLLARS_EACH = env.number("AI_DAILY_DOLLARS_EACH", "5", maximum=1_000_000)

# Seconds after which a filtered list is stopped, with a sentence instead of rows.
LIST_TIMEOUT = env.seconds("LIST_TIMEOUT", 10)

SESSION_ENGINE = "crm.accounts.sessions"
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"

# The screens are in English only, so translation catalogues are off.
USE_I18N = False
LANGUAGES = [("en", "English")]
# How the agency tells the time. Each person may choose otherwise for what they read.
TIME_ZONE = env.time_zone("TIME_ZONE", "UTC")
AGENCY_DATE_FORMAT = env.choice("DATE_FORMAT", "D MMM YYYY", DATE_FORMATS)
AGENCY_TIME_FORMAT = env.choice("TIME_FORMAT", "24h", TIME_FORMATS)
# The same for Django's own pages.
DATE_FORMAT, TIME_FORMAT = DJANGO_DATE_FORMATS[AGENCY_DATE_FORMAT], DJANGO_TIME_FORMATS[AGENCY_TIME_FORMAT]
DATETIME_FORMAT = f"{DATE_FORMAT}, {TIME_FORMAT}"
# The country of phone numbers that are written without a country code.
PHONE_REGION = env.text("PHONE_REGION", "US").upper()
if PHONE_REGION not in SUPPORTED_REGIONS:
    raise BadVariable(f"PHONE_REGION is “{PHONE_REGION}”. Set it to the two letters of a country, such as US or DE.")
# Stands above the navigation.
AGENCY_NAME = env.text("AGENCY_NAME")
# How long the policies of an erased person are kept after they end.
POLICY_RETENTION_YEARS = env.count("POLICY_RETENTION_YEARS", 10)

# Panels of shared screens, contributed by apps further right. They are named here to avoid imports to the right.
# What there is to do today, in the order of the chips.
TODAY_SOURCES = [
    "suggestions.screens.dashboard.decide_source",
    "inbox.dashboard.answer_source",
    "inbox.dashboard.meeting_source",
    "leads.screens.today.call_source",
    "leads.screens.today.renewal_source",
    "support.dashboard.ticket_source",
    "leads.screens.today.other_task_source",
    "crm.schema.requests.panels.requests_source",
]
TODAY_FIGURES = [
    "leads.screens.dashboard.hot_leads_figure",
    "leads.screens.dashboard.won_figure",
    "inbox.dashboard.failed_to_send_figure",
    "suggestions.screens.dashboard.acceptance_figure",
    "ai_log.dashboard.ai_spend_figure",
    "crm.schema.usage.dashboard.conflicting_fields_figure",
]
# Fetched after the first page.
TODAY_PANELS = ["leads.screens.dashboard.pipeline_panel"]
REPORTS = [
    "leads.reports.pipeline.PIPELINE",
    "crm.screens.reports.workload.WORKLOAD",
    "leads.reports.outcomes.OUTCOMES",
    "leads.reports.pace.PACE",
    "leads.reports.links.FORECAST",
    "inbox.reports.response_times.RESPONSE_TIMES",
    "suggestions.reports.decisions.DECISIONS",
    "ai_log.reports.spend.SPEND",
    "leads.reports.links.BOOK",
]
# The kinds of work in the report on who has what.
WORKLOAD_COLUMNS = [
    "leads.reports.workload.lead_columns",
    "inbox.reports.workload.unanswered_column",
    "suggestions.reports.workload.undecided_column",
    "leads.reports.workload.late_task_column",
    "support.reports.workload.ticket_columns",
]
# The tables that the search over everything reads, by the searches of their lists.
SEARCHED_TABLES = [
    "leads.lead",
    "crm.client",
    "crm.contact",
    "inbox.thread",
    "support.supportticket",
    "leads.policy",
]
RECORD_SECTIONS = {
    "leads.lead": [
        "agents.assistant.screen.ask_panel",
        "suggestions.screens.panels.lead_suggestions_panel",
        "inbox.panels.lead_conversations",
    ],
    "crm.client": [
        "leads.screens.panels.client_policies_panel",
        "leads.screens.panels.client_leads_panel",
        "inbox.panels.client_conversations",
        "suggestions.screens.panels.client_suggestions_panel",
    ],
    "crm.contact": ["leads.screens.panels.contact_leads_panel", "inbox.panels.contact_conversations"],
    "crm.customfield": ["crm.schema.requests.panels.field_requests_panel"],
    "leads.policy": ["inbox.panels.policy_conversations"],
    "inbox.thread": ["suggestions.screens.panels.thread_suggestions_panel"],
    "support.supportticket": ["suggestions.screens.panels.ticket_suggestions_panel"],
}
# Those at the ends of a page, which it fetches once they are scrolled into view: their label, and their panels.
FETCHED_SECTIONS = {
    "leads.lead": {
        "end": ("Score, win probability and AI interactions", ["ai_log.panels.lead_interactions_panel"]),
        "side": (
            "Policies and tickets",
            ["leads.screens.panels.lead_policies_panel", "support.panels.lead_tickets_panel"],
        ),
    },
    "crm.client": {
        "end": ("AI interactions", ["ai_log.panels.client_interactions_panel"]),
        "side": (
            "Projects, data of former leads and tickets",
            ["leads.screens.panels.client_line_data_panel", "support.panels.client_tickets_panel"],
        ),
    },
    "support.supportticket": {"side": ("Recent customer activity", ["support.panels.customer_activity_panel"])},
}

# What apps to the right offer to do with a record, on its page.
RECORD_ACTIONS = {
    "leads.lead": ["inbox.action_forms.LogCall"],
    "crm.client": ["inbox.action_forms.LogCall"],
}

# What apps to the right add to a timeline when it is read.
TIMELINE_SOURCES = {
    "leads.lead": ["leads.timeline.score_lines", "inbox.timeline.message_lines"],
    "crm.client": ["leads.timeline.former_lead_lines", "inbox.timeline.message_lines"],
    "leads.policy": ["leads.policies.timeline.status_lines"],
}

# Pages of their own, most of them made by the apps to the right.
SITE_PAGES = [
    "crm.accounts.screens.login.login_urls",
    "crm.accounts.screens.password.password_urls",
    "crm.accounts.screens.second_factor.second_factor_urls",
    "crm.accounts.screens.own_sessions.own_sessions_urls",
    "crm.screens.own_settings.own_settings_urls",
    "crm.screens.reports.views.report_urls",
    "crm.screens.today.page.today_urls",
    "crm.screens.notifications.page.notification_urls",
    "crm.screens.tags.tag_urls",
    "crm.screens.custom_fields.reference_picker.reference_picker_urls",
    "inbox.email_templates.signature_screen.signature_urls",
    "leads.importing.screens.views.import_urls",
    "leads.policies.book_screen.book_urls",
    "support.service_levels.screen.service_level_urls",
    "agents.assistant.screen.chat_urls",
    "suggestions.autonomy.screen.autonomy_urls",
]

# The decisions on suggestions that resulted from model calls.
AI_JUDGEMENTS = "suggestions.screens.ai_log_outcomes.decisions_on_model_calls"

# What a page may load and do. No script and no style stands in a page, so neither needs a nonce. The formatted version
# of an email is a page of its own, with a policy of its own.
CONTENT_SECURITY_POLICY = {
    "default-src": "'self'",
    "script-src": "'self'",
    "script-src-attr": "'none'",
    "style-src": "'self'",
    "style-src-attr": "'none'",
    "img-src": "'self' data:",
    "object-src": "'none'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}
PAGE_HEADERS = {
    "Content-Security-Policy": "; ".join(" ".join(part) for part in CONTENT_SECURITY_POLICY.items()),
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
}

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "static_collected"
# Not derived from DEBUG, which the test runner turns off after the start.
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = DEBUG
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}

# Both bind other programs of the same domain, so they are the agency's decision.
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.flag("HSTS_SUBDOMAINS", default=False)
SECURE_HSTS_PRELOAD = env.flag("HSTS_PRELOAD", default=False)
if not DEBUG:
    # Behind a proxy that ends TLS and always sets, never passes on, X-Forwarded-Proto.
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = True
    SECURE_HSTS_SECONDS = 31_536_000
    SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env.log_level("LOG_LEVEL", "WARNING")},
}
