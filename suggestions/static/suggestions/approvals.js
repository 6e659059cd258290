// Keyboard shortcuts of the approvals screen. Each presses a link or button of the page.
document.addEventListener("DOMContentLoaded", () => {
  const rows = [...document.querySelectorAll("a[data-beside]")];
  const here = rows.findIndex((row) => row.getAttribute("aria-current"));
  const follow = (link) => { if (link) window.location.assign(link.href); };
  const go = (steps) => {
    if (!rows.length) return follow(steps > 0 ? document.querySelector("a[data-next]") : null);
    const there = here + steps;
    if (rows[there]) return follow(rows[there]);
    return follow(document.querySelector(steps > 0 ? ".foot a[rel=next]" : ".foot a[rel=prev]"));
  };
  const press = (key) => { const button = document.querySelector(`[data-key="${key}"]`); if (button) button.click(); return button; };
  const ask = (key) => {
    const summary = press(key);
    if (!summary || !summary.parentElement.open) return;
    const field = summary.parentElement.querySelector("textarea, select, button");
    if (field) field.focus();
  };
  const edit = () => { const field = document.querySelector("[data-content] :is(input:not([type=hidden]), textarea, select)"); if (field) field.focus(); };
  const keys = { j: () => go(1), k: () => go(-1), a: () => ask("a"), e: edit, r: () => ask("r"), s: () => ask("s"), u: () => press("u") };

  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && event.target.form?.id === "decide" && !event.repeat) {
      event.preventDefault();
      return void press("a");
    }
    // A key held down must not decide several suggestions.
    if (event.repeat || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const at = event.target;
    if (at.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(at.tagName) && at.type !== "checkbox") {
      if (event.key === "Escape") at.blur();
      return;
    }
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });

  // Mark the changed fields, and let the button say what it will record.
  const was = (field) => field.dataset.was !== undefined ? (field.type === "checkbox" ? field.dataset.was === "True" : field.dataset.was.replaceAll("\r\n", "\n")) : field.type === "checkbox" ? field.defaultChecked : field.tagName === "SELECT" ? [...field.options].find((option) => option.defaultSelected)?.value ?? field.options[0]?.value : field.defaultValue;
  const is = (field) => field.type === "checkbox" ? field.checked : field.value;
  const watch = (form) => {
    const label = form.parentElement.querySelector("[data-approve-label]"), plain = label ? label.textContent : "";
    const inputs = [...form.elements].filter((field) => field.name.startsWith("content."));
    const mark = () => {
      let changed = false;
      inputs.forEach((field) => {
        const differs = is(field) !== was(field), note = field.closest(".field").querySelector(".was");
        changed = changed || differs;
        field.closest(".field").classList.toggle("edited", differs);
        if (note) note.hidden = !differs;
      });
      if (plain === "Approve") label.textContent = changed ? "Approve with changes" : plain;
    };
    form.addEventListener("input", mark);
    mark();
  };
  document.querySelectorAll("[data-content]").forEach(watch);

  // Refresh the preview shortly after the last key. This decides nothing.
  document.querySelectorAll("[data-preview]").forEach((button) => {
    const form = button.form, shown = document.querySelector("[data-preview-shown]");
    let waiting, asked = 0;
    const show = async () => {
      const mine = ++asked;
      try {
        const answer = await fetch(button.formAction, { method: "POST", body: new FormData(form), headers: { "X-Fragment": "1" } });
        const html = await answer.text();
        if (answer.ok && mine === asked) shown.innerHTML = html;
      } catch { /* the next key tries again */ }
    };
    if (!shown) return;
    form.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(show, 500); });
    button.addEventListener("click", (event) => { event.preventDefault(); show(); });
  });

  // Show how long undo is possible.
  const clocks = [...document.querySelectorAll("[data-until]")];
  const tick = () => clocks.forEach((clock) => {
    const left = Math.ceil((new Date(clock.dataset.until) - Date.now()) / 1000);
    if (left <= 3600) clock.textContent = left > 90 ? `Goes out in ${Math.round(left / 60)} min` : left > 0 ? `Goes out in ${left} s` : "Goes out now";
  });
  if (clocks.length) { tick(); setInterval(tick, 1000); }

  // Grow text areas with their content where the browser does not support field-sizing.
  if (!CSS.supports("field-sizing", "content")) document.querySelectorAll("[data-content] textarea").forEach((area) => {
    const grow = () => { area.style.height = "auto"; area.style.height = `${Math.min(area.scrollHeight + 2, 640)}px`; };
    area.addEventListener("input", grow);
    grow();
  });

  const current = rows[here];
  if (current) current.closest("tr").scrollIntoView({ block: "nearest" });
});
