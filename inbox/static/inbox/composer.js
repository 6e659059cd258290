// The composer: saves the draft during typing. The buttons of the form do the same without scripts.
document.addEventListener("DOMContentLoaded", () => {
  const form = document.querySelector("[data-compose]");
  const body = form?.elements.body;
  const typing = (at) => at.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(at.tagName) && at.type !== "checkbox";

  document.addEventListener("keydown", (event) => {
    if (form && event.key === "Enter" && (event.ctrlKey || event.metaKey) && form.contains(event.target)) {
      event.preventDefault();
      const later = form.querySelector("[data-later]");
      if (event.repeat) return;
      if (later.contains(event.target)) form.querySelector("[name=do][value=later]").click();
      else if (event.shiftKey) { later.open = true; later.querySelector("select").focus(); }
      else form.querySelector("[data-send]").click();
    }
    if (event.key === "Escape" && event.target === body) body.blur();
    if (!form || event.key !== "r" || event.repeat || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || typing(event.target)) return;
    event.preventDefault();
    body.focus();
  });

  if (form) {
    const saved = form.closest(".compose").querySelector("[data-saved]"), refused = form.querySelector("[data-refused]");
    const named = ["version", "to", "cc", "subject", "body"];
    let waiting, saving = null, changed = false, leaving = false, dead = false;
    form.closest(".compose").classList.add("scripted");

    // One request at a time: each sends the version that the previous one returned.
    const ask = async (act, more = {}) => {
      const data = new FormData(form);
      data.delete("files");
      data.set("do", act);
      Object.entries(more).forEach(([name, value]) => data.set(name, value));
      const answer = await fetch(form.action, { method: "POST", body: data, headers: { "X-Fragment": "1" } });
      if (answer.redirected) throw new Error("logged out");
      return { ok: answer.ok, ...await answer.json() };
    };
    const tell = (error) => { refused.textContent = error; refused.hidden = !error; };
    const apply = (found, names) => names.forEach((name) => { if (name in found) form.elements[name].value = found[name]; });
    const run = (act, names, more) => {
      clearTimeout(waiting);
      changed = false;
      saved.textContent = "Saving…";
      saving = (saving || Promise.resolve()).then(() => ask(act, more)).then((found) => {
        if (!found.ok) { dead = act === "save"; saved.textContent = "Not saved"; tell(found.refused); return; }
        apply(found, names);
        tell("");
        saved.textContent = found.saved;
        // Keep the draft's URL, so that a reload opens the same draft.
        if (location.pathname === new URL(form.action).pathname) history.replaceState(null, "", found.url);
      }).catch(() => { changed = true; saved.textContent = "Not saved: no connection"; });
      return saving;
    };
    const save = () => run("save", ["version"]);
    form.addEventListener("input", (event) => {
      if (["files", "template", "confirmed", "until", "at"].includes(event.target.name) || dead) return;
      changed = true;
      clearTimeout(waiting);
      waiting = setTimeout(save, 1200);
    });
    addEventListener("pagehide", () => { if (changed && !leaving && !dead) { const data = new FormData(form); data.delete("files"); data.set("do", "save"); fetch(form.action, { method: "POST", body: data, headers: { "X-Fragment": "1" }, keepalive: true }); } });

    form.elements.template?.addEventListener("change", async (event) => {
      const key = event.target.value;
      if (!key) return;
      await run("template", named, { template: key });
      event.target.value = "";
      body.focus();
    });

    const files = form.elements.files, attach = form.querySelector("[data-attach]");
    attach.addEventListener("click", (event) => { if (!files.files.length) { event.preventDefault(); files.click(); } });
    files.addEventListener("change", () => { if (files.files.length) form.requestSubmit(attach); });

    // Wait for a running save; otherwise the draft's version would no longer match.
    form.addEventListener("submit", (event) => {
      clearTimeout(waiting);
      if (!saving) { leaving = true; return; }
      event.preventDefault();
      event.stopImmediatePropagation();
      const by = event.submitter;
      // Submit in a later task: a form cannot be submitted during its own submit event.
      saving.then(() => setTimeout(() => { saving = null; form.requestSubmit(by); }));
    }, true);
  }

  // Count down to the sending time, then refresh the state until it is final.
  const tick = () => document.querySelectorAll("[data-outgoing] [data-until]").forEach((clock) => {
    const left = Math.ceil((new Date(clock.dataset.until) - Date.now()) / 1000);
    clock.textContent = left > 0 ? `Goes out in ${left} s.` : "Goes out now.";
  });
  const look = async (tries) => {
    const open = [...document.querySelectorAll('[data-outgoing="QUEUED"], [data-outgoing="SENDING"]')];
    if (!open.length || !tries) return;
    const due = open.map((part) => part.querySelector("[data-until]")).filter((clock) => clock && new Date(clock.dataset.until) > Date.now());
    if (due.length < open.length) {
      const page = await fetch(location.href).then((answer) => answer.text()).catch(() => "");
      const fresh = new DOMParser().parseFromString(page, "text/html");
      open.forEach((part) => {
        const article = part.closest("article.msg"), now = article && fresh.getElementById(article.id);
        if (now) article.replaceWith(document.adoptNode(now));
      });
    }
    setTimeout(() => look(tries - 1), 2000);
  };
  if (document.querySelector("[data-outgoing]")) { tick(); setInterval(tick, 1000); look(40); }
});
