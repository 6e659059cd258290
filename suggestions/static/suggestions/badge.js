// The number of waiting suggestions in the navigation, refreshed while the page is visible.
document.addEventListener("DOMContentLoaded", () => {
  const link = document.querySelector("#nav-sidebar-apps a[href$='/suggestions/suggestion/']");
  if (!link) return;
  const title = [...link.querySelectorAll("span")].find((span) => span.textContent.trim() === "Approvals");
  const show = (count) => {
    let badge = title.nextElementSibling;
    if (badge) { badge.textContent = count; badge.hidden = !count; return; }
    if (!count) return;
    badge = document.createElement("span");
    badge.className = "nav-count";
    badge.textContent = count;
    title.after(badge);
  };
  const ask = async () => {
    if (document.hidden) return;
    try {
      const answer = await fetch(`${link.getAttribute("href")}waiting/`, { headers: { Accept: "application/json" }, redirect: "error" });
      if (answer.ok) show((await answer.json()).waiting);
    } catch { /* tried again later */ }
  };
  if (title) {
    setInterval(ask, 20000);
    document.addEventListener("visibilitychange", ask);
  }
});
