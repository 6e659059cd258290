"""What is replaced in the theme's templates, so that pages need no compiled script and no style attribute.

For each template the texts to replace and what replaces them. Loading a template fails if it does not have the text,
such as in another version of the theme.
"""

OPEN_TAB = "{% if opts %}'{% tabs_primary_active inline_admin_formsets %}'{% endif %}"
STATE_OF_BODY = """\
x-data="{
{% if opts %}activeTab: '{% tabs_primary_active inline_admin_formsets %}',{% endif %}
sidebarMobileOpen: false,
sidebarDesktopOpen: (localStorage.getItem('sidebarDesktopOpen') !== null) ? \
(localStorage.getItem('sidebarDesktopOpen') == '1') : true
}"
x-init="
activeTab = {% if opts %}getCurrentTab() || '{% tabs_primary_active inline_admin_formsets %}'{% else %}''{% endif %};
$watch('sidebarDesktopOpen', value => localStorage.setItem('sidebarDesktopOpen', value ? '1' : '0'));
\""""

THEME_CHANGES: dict[str, dict[str, str]] = {
    "unfold/layouts/skeleton.html": {
        """<script src="{% static 'unfold/js/alpine/alpine.js' %}" defer></script>""": (
            """<script src="{% static 'crm/alpine/components.js' %}" defer></script>"""
            """<script src="{% static 'crm/alpine/alpine-csp.min.js' %}" defer></script>"""
        ),
        STATE_OF_BODY: f"""x-data="pageState({OPEN_TAB})\"""",
    },
    "unfold/helpers/welcomemsg.html": {
        "; localStorage.setItem('sidebarDesktopOpen', sidebarDesktopOpen ? '1' : '0');": "",
    },
    "admin/change_form.html": {
        "activeTab && activeTab !== 'general' ? window.location.pathname + window.location.search + '#' + activeTab"
        " : window.location.pathname + window.location.search": "formAddress()",
    },
    "admin/actions.html": {
        "'width: ' + changeListWidth + 'px'": "{width: changeListWidth + 'px'}",
    },
}
