// Small conveniences. Every screen works without them.
// The Content-Security-Policy refuses the style that htmx would write into the page, and no page of ours uses it.
if (window.htmx) Object.assign(window.htmx.config, { includeIndicatorStyles: false, allowEval: false });
document.addEventListener("DOMContentLoaded", () => {
  const rows = () => [...document.querySelectorAll("input.action-select")];
  const picked = document.getElementById("picked");
  const all = document.getElementById("all-rows");
  const count = () => {
    const chosen = rows().filter((box) => box.checked).length;
    if (picked) picked.textContent = chosen ? `${chosen} selected` : "";
  };
  if (all) all.addEventListener("change", () => { rows().forEach((box) => { box.checked = all.checked; }); count(); });
  rows().forEach((box) => box.addEventListener("change", count));

  // The theme writes the name of a chosen file into a text input beside it, and fails where there is none.
  document.querySelectorAll("input[type=file]").forEach((input) => {
    if (!input.closest("label, .field, form")?.querySelector("input[type=text][disabled]")) input.hasChangeListener = true;
  });

  // Only one popover is open at a time. Escape and a click elsewhere close it.
  const sheets = () => [...document.querySelectorAll("details.pop[open]")];
  document.addEventListener("click", (event) => sheets().forEach((sheet) => { if (!sheet.contains(event.target)) sheet.open = false; }));
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    sheets().forEach((sheet) => { sheet.open = false; sheet.querySelector("summary").focus(); });
  });

  // A popover that would leave the window on the right ends where its button ends.
  document.addEventListener("toggle", ({ target: pop }) => {
    const sheet = pop.matches?.("details.pop[open]") && pop.querySelector(".sheet");
    if (sheet && sheet.getBoundingClientRect().right > document.documentElement.clientWidth) pop.classList.add("right");
  }, true);

  // Pickers of records that come with fetched fields begin to work; the files of Django's picker are there with them.
  const startPickers = (place) => {
    if (!window.django?.jQuery?.fn.djangoAdminSelect2) return;
    window.django.jQuery(".admin-autocomplete", place).djangoAdminSelect2();
    name();
  };

  // Fetch the fields of a form when its popover is first opened. Without scripts its link does the same.
  const fetchFields = async (form, url) => {
    const answer = await fetch(url);
    if (!answer.ok || answer.redirected) throw new Error(answer.statusText);
    form.innerHTML = await answer.text();
    startPickers(form);
    form.querySelector("input:not([type=hidden]), select")?.focus();
  };
  document.querySelectorAll("details[data-fields]").forEach((sheet) => sheet.addEventListener("toggle", async () => {
    if (!sheet.open || sheet.dataset.asked) return;
    sheet.dataset.asked = "1";
    try { await fetchFields(sheet.querySelector("form"), sheet.dataset.fields); } catch { delete sheet.dataset.asked; }
  }));
  // The name of a filter gives way to its form. The next time, the popover begins with the names again.
  document.addEventListener("click", async (event) => {
    const name = event.target.closest?.("a[data-filter]");
    if (!name || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    const sheet = name.closest("details");
    try {
      await fetchFields(name.closest("form"), name.dataset.filter);
      sheet.addEventListener("toggle", () => { if (!sheet.open) delete sheet.dataset.asked; }, { once: true });
    } catch { location.assign(name.href); }
  });

  // Fetch the questions of the line that is chosen in the filter sheet. Without scripts the button of the sheet does it.
  document.addEventListener("change", async ({ target: choice }) => {
    if (!choice.matches?.("[data-questions]")) return;
    const place = choice.form.querySelector(".questions"), list = choice.closest("[data-filters]");
    const now = new URLSearchParams(new FormData(choice.form));
    try {
      const answer = await fetch(`${list.dataset.filters}?${now}`);
      if (!answer.ok || answer.redirected) throw new Error(answer.statusText);
      place.innerHTML = await answer.text();
      choice.dataset.shown = "1";
    } catch { choice.form.requestSubmit(); }
  });

  // A custom field becomes its own parameter. Empty filters stay out of the URL.
  document.querySelectorAll("form[method=get]").forEach((form) => form.addEventListener("submit", () => {
    const key = form.querySelector("[data-cf-key]"), value = form.querySelector("[data-cf-value]");
    if (key && key.value && value.value) value.name = `cf.${key.value}`;
    // A comparison without a value asks nothing, except for emptiness.
    form.querySelectorAll("[data-comparison]").forEach((comparison) => {
      const inputs = [...comparison.parentElement.querySelectorAll("input, select")].filter((input) => input !== comparison);
      if (!["empty", "filled"].includes(comparison.value) && inputs.every((input) => !input.value)) comparison.disabled = true;
    });
    [...form.elements].forEach((field) => { if (field.name && (field.value === "" || field.dataset.shown)) field.disabled = true; });
  }));

  // Of many inputs, show only the one whose name a select chooses.
  document.querySelectorAll("select[data-shows]").forEach((choice) => {
    const show = () => choice.form.querySelectorAll(`[name^="${choice.dataset.shows}."]`).forEach((input) => {
      const box = input.closest(".field");
      if (box) box.hidden = input.name !== `${choice.dataset.shows}.${choice.value}`;
    });
    choice.addEventListener("change", show);
    show();
  });

  // Ask for choices and for a unit only if the kind has them. What is entered already stays in sight.
  const showFor = (kind, kinds, selector) => {
    const inputs = [...kind.form.querySelectorAll(selector)];
    const box = inputs[0]?.closest(".field, .field-line");
    const show = () => { if (box) box.hidden = !kinds.split(" ").includes(kind.value) && inputs.every((input) => !input.value); };
    kind.addEventListener("change", show);
    show();
  };
  document.querySelectorAll("select[data-with-choices]").forEach((kind) => {
    showFor(kind, kind.dataset.withChoices, '[name^="choices."]');
  });
  document.querySelectorAll("select[data-with-unit]").forEach((kind) => {
    showFor(kind, kind.dataset.withUnit, '[name="unit"]');
  });

  // The tabs of a form are links without an address in the theme: the keyboard reaches and opens them, too.
  const tabs = [...document.querySelectorAll("nav > a:not([href])")].filter((tab) => tab.hasAttribute("x-on:click"));
  tabs.forEach((tab) => {
    tab.tabIndex = 0;
    tab.setAttribute("role", "button");
    tab.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      tab.click();
    });
  });

  // Name each autocomplete field by its label, even when empty. The theme creates these fields late.
  const name = () => document.querySelectorAll(".select2-selection[role=combobox]").forEach((box) => {
    const field = box.closest(".select2")?.previousElementSibling;
    const label = field?.id && document.querySelector(`label[for="${CSS.escape(field.id)}"]`);
    if (!label) {
      [box, box.querySelector(".select2-search__field")].forEach((one) => field?.ariaLabel && one?.setAttribute("aria-label", field.ariaLabel));
      return;
    }
    label.id ||= `${field.id}_label`;
    const shown = box.querySelector(".select2-selection__rendered");
    box.setAttribute("aria-labelledby", shown?.id ? `${label.id} ${shown.id}` : label.id);
    shown?.setAttribute("aria-labelledby", label.id);
  });
  if (document.querySelector("select.admin-autocomplete")) {
    name();
    new MutationObserver(name).observe(document.body, { childList: true, subtree: true });
  }

  // A field is edited in the place of its value. Its link leads to the same form on a page of its own.
  document.addEventListener("click", async (event) => {
    const link = event.target.closest?.("a[data-edit]"), place = link?.parentElement;
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    try {
      const answer = await fetch(`${link.href}?in_place=1`);
      if (!answer.ok || answer.redirected) throw new Error(answer.statusText);
      const form = document.createElement("div"), value = [...place.childNodes];
      form.className = "field-edit-place";
      form.innerHTML = await answer.text();
      const next = Object.assign(document.createElement("input"), { type: "hidden", name: "next" });
      const row = place.closest("tr[id]")?.id;
      next.value = location.pathname + location.search + (row ? `#${row}` : "");
      form.querySelector("form").append(next);
      place.replaceChildren(form);
      const close = () => { place.replaceChildren(...value); link.focus(); };
      form.querySelector("[data-cancel]").addEventListener("click", (press) => { press.preventDefault(); close(); });
      form.addEventListener("keydown", (press) => { if (press.key === "Escape") close(); });
      form.querySelector("input:not([type=hidden]), select, textarea")?.focus();
    } catch { location.assign(link.href); }
  });

  // A key follows a link or opens the form of an action, unless something is being typed.
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.("input, select, textarea, [contenteditable]")) return;
    const link = event.key.length === 1 && document.querySelector(`a[data-press="${CSS.escape(event.key)}"]`);
    if (link) { event.preventDefault(); location.assign(link.href); return; }
    const pop = event.key.length === 1 && document.querySelector(`details.pop[data-key="${CSS.escape(event.key)}"]`);
    if (!pop || pop.open) return;
    event.preventDefault();
    pop.open = true;
    pop.querySelector("input:not([type=hidden]), select, textarea")?.focus();
  });

  // In a small form Enter confirms a choice, too, and Ctrl+Enter a text of several lines.
  document.addEventListener("keydown", (event) => {
    const sheet = event.key === "Enter" && event.target.closest?.("form.sheet, form.field-edit");
    if (!sheet || event.repeat || event.defaultPrevented) return;
    if (event.target.matches("select") || (event.target.matches("textarea") && (event.ctrlKey || event.metaKey))) {
      event.preventDefault();
      sheet.requestSubmit(sheet.querySelector("button:not([type=button])"));
    }
  });

  // u undoes what the last confirmation offers to undo.
  document.addEventListener("keydown", (event) => {
    if (event.key !== "u" || event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.defaultPrevented) return;
    if (!event.target.closest?.("input, select, textarea, [contenteditable]")) document.querySelector(".toasts form.undo button")?.click();
  });

  // A link to a folded card unfolds it.
  const unfold = () => {
    const card = document.getElementById(location.hash.slice(1));
    if (card?.matches("details.fold")) card.open = true;
  };
  addEventListener("hashchange", unfold);
  unfold();

  // Leaving the page asks first while something typed in it is not saved. The composer saves by itself.
  const changed = new Set();
  document.addEventListener("input", ({ target }) => {
    const form = target.matches?.("textarea, input:not([type=checkbox], [type=radio])") && target.form;
    if (form && form.method === "post" && !form.matches("[data-compose]")) changed.add(form);
  });
  document.addEventListener("submit", ({ target }) => changed.delete(target));
  addEventListener("beforeunload", (event) => { if ([...changed].some((form) => form.isConnected)) event.preventDefault(); });

  // A confirmation goes away by itself, but not while someone reads it or reaches for its button.
  document.querySelectorAll(".toasts > li").forEach((toast) => {
    const seconds = toast.querySelector("form, a") ? 30 : 8;
    const leave = () => { if (toast.matches(":hover, :focus-within")) setTimeout(leave, 2000); else toast.remove(); };
    setTimeout(leave, seconds * 1000);
    toast.querySelector("[data-close]").addEventListener("click", () => toast.remove());
  });

  // Submit a form once, even if its button is pressed twice.
  document.querySelectorAll("form[method=post]").forEach((form) => form.addEventListener("submit", (event) => {
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "1";
    setTimeout(() => { delete form.dataset.sent; }, 4000);
  }));
});
