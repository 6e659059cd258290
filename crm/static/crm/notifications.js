// New notifications, rows that the keyboard walks through, and colleagues offered while a name is typed.
document.addEventListener("DOMContentLoaded", () => {
  // A page that nobody looks at does not ask. The next question comes half a minute later.
  document.addEventListener("htmx:beforeRequest", (event) => { if (event.target.id === "bell" && document.hidden) event.preventDefault(); });
  // The answer to a session that has ended is the login page, which has no place in the bell.
  document.addEventListener("htmx:beforeSwap", ({ detail }) => {
    if (detail.target.id === "bell" && !new URL(detail.xhr.responseURL).pathname.endsWith("/bell/")) detail.shouldSwap = false;
  });
  const news = document.getElementById("news");
  const watch = (toast) => {
    toast.dataset.watched = "1";
    const leave = () => { if (toast.matches(":hover, :focus-within")) setTimeout(leave, 2000); else toast.remove(); };
    setTimeout(leave, 15000);
    toast.querySelector("[data-close]").addEventListener("click", () => toast.remove());
  };
  if (news) new MutationObserver(() => news.querySelectorAll("li:not([data-watched])").forEach(watch)).observe(news, { childList: true });

  // j and k go through the rows, Enter follows the link of a row, e presses its button.
  const walk = document.querySelector("[data-walk]");
  const typing = (target) => target.closest?.("input:not([type=checkbox], [type=radio]), select, textarea, [contenteditable], dialog[open]");
  if (walk) document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || typing(event.target) || document.querySelector("dialog[open]")) return;
    const steps = [...walk.querySelectorAll("[data-step]")].filter((one) => one.querySelector("[data-main], [data-second]"));
    const at = steps.findIndex((one) => one.contains(document.activeElement));
    if (event.key === "j" || event.key === "k") {
      const next = steps[Math.min(Math.max(at + (event.key === "j" ? 1 : -1), 0), steps.length - 1)];
      next?.querySelector("[data-main], [data-second]").focus();
      next?.scrollIntoView({ block: "nearest" });
    } else if (event.key === "e" && at >= 0 && !event.repeat) steps[at].querySelector("[data-second]")?.click();
    else return;
    event.preventDefault();
  });

  // Names of colleagues below a note, from the @ on.
  const TYPED = /(?:^|[^\w.+@-])@([\w.+-]{0,40})$/;
  let number = 0;
  const offer = (note) => {
    const list = Object.assign(document.createElement("ul"), { id: `names-${++number}`, className: "names", hidden: true });
    const said = Object.assign(document.createElement("span"), { className: "vh" });
    list.setAttribute("role", "listbox");
    list.setAttribute("aria-label", "Colleagues");
    said.setAttribute("role", "status");
    note.after(list, said);
    note.setAttribute("aria-autocomplete", "list");
    note.setAttribute("aria-controls", list.id);
    let asked = 0;
    const options = () => [...list.children];
    const chosen = () => list.querySelector("[aria-selected=true]");
    const close = () => { asked += 1; list.hidden = true; list.replaceChildren(); note.removeAttribute("aria-activedescendant"); };
    const select = (option) => {
      options().forEach((one) => one.setAttribute("aria-selected", one === option));
      note.setAttribute("aria-activedescendant", option.id);
      option.scrollIntoView({ block: "nearest" });
    };
    const take = (option) => {
      const end = note.selectionStart, start = end - note.value.slice(0, end).match(TYPED)[1].length;
      note.setRangeText(`${option.dataset.username} `, start, end, "end");
      close();
      note.focus();
    };
    const show = (names) => {
      list.replaceChildren(...names.map(({ username, name }, place) => {
        const option = document.createElement("li"), mark = document.createElement("span");
        Object.assign(option, { id: `${list.id}-${place}`, textContent: name });
        mark.className = "quiet";
        mark.textContent = `@${username}`;
        option.append(" ", mark);
        option.dataset.username = username;
        option.setAttribute("role", "option");
        option.addEventListener("mousedown", (press) => { press.preventDefault(); take(option); });
        return option;
      }));
      list.hidden = !names.length;
      said.textContent = names.length ? `${names.length} colleague${names.length === 1 ? "" : "s"}` : "No such colleague with access";
      if (names.length) select(list.firstChild);
    };
    note.addEventListener("input", async () => {
      const typed = note.selectionStart === note.selectionEnd && note.value.slice(0, note.selectionStart).match(TYPED);
      if (!typed) { close(); said.textContent = ""; return; }
      const question = (asked += 1);
      try {
        const answer = await fetch(`${note.dataset.names}&typed=${encodeURIComponent(typed[1])}`, { headers: { Accept: "application/json" }, redirect: "error" });
        if (answer.ok && question === asked) show((await answer.json()).names);
      } catch { /* the name can be typed in full */ }
    });
    note.addEventListener("keydown", (event) => {
      if (list.hidden) return;
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key], all = options();
      if (step) select(all[(all.indexOf(chosen()) + step + all.length) % all.length]);
      else if (event.key === "Enter" || event.key === "Tab") take(chosen());
      else if (event.key === "Escape") close();
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
    note.addEventListener("blur", close);
  };
  document.querySelectorAll("textarea[data-names]").forEach(offer);
});
