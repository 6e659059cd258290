// What the theme writes as expressions that only a compiler could read, as functions that Alpine finds by name.
// Alpine's build for a strict Content-Security-Policy knows no global names, no sequence and no "if".
document.addEventListener("alpine:init", () => {
  const KEY = "sidebarDesktopOpen";
  Alpine.data("theme", (...chosen) => theme(...chosen));
  Alpine.data("searchForm", () => searchForm());
  Alpine.data("searchCommand", () => searchCommand());
  // The state of <body>: the open tab of a form, and whether the navigation is open.
  Alpine.data("pageState", (firstTab = "") => ({
    activeTab: firstTab && (getCurrentTab() || firstTab),
    sidebarMobileOpen: false,
    sidebarDesktopOpen: localStorage.getItem(KEY) !== "0",
    init() { this.$watch(KEY, (isOpen) => localStorage.setItem(KEY, isOpen ? "1" : "0")); },
    // Where a form is sent, so that the same tab is open afterwards.
    formAddress() {
      const { pathname, search } = window.location;
      return pathname + search + (this.activeTab && this.activeTab !== "general" ? `#${this.activeTab}` : "");
    },
    moveRecords: (event) => moveRecords(event),
    sortRecords: (event) => sortRecords(event),
  }));
  // The pages of the theme's lists are links that also work without a script.
  document.querySelectorAll("a[x-on\\:click\\.prevent^='window.location']").forEach((link) => {
    link.removeAttribute("x-on:click.prevent");
  });
});
