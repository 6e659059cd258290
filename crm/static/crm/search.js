// The search box: the button in the top bar, Ctrl+K and / open it on every page. Without scripts the button leads to the
// page of the same search, whose results the box fetches.
document.addEventListener("DOMContentLoaded", () => {
  const box = document.getElementById("search-box");
  if (!box?.showModal) return;
  const form = box.querySelector("form"), input = form.elements.q, hits = box.querySelector("[role=listbox]");
  const count = box.querySelector("[role=status]"), notice = box.querySelector(".hit-notice"), openers = document.querySelectorAll("[data-search-opener]");
  const WAIT = 120; // milliseconds without a key before the server is asked
  let shownText = null, request = null, timer = 0, opensFirst = false;

  const options = () => [...hits.querySelectorAll("[role=option]")];
  const active = () => hits.querySelector("[aria-selected=true]");
  const activate = (option) => {
    active()?.setAttribute("aria-selected", "false");
    if (!option) return input.removeAttribute("aria-activedescendant");
    option.setAttribute("aria-selected", "true");
    option.scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", option.id);
  };

  // The lists of the page become the options of the input: the focus stays in it.
  const show = (html, text) => {
    hits.innerHTML = html;
    shownText = text;
    box.removeAttribute("data-waiting");
    // Who asks for what they opened last is looking for another record than the one on the page.
    if (!text) hits.querySelectorAll("a.hit").forEach((hit) => { if (hit.pathname === window.location.pathname) hit.closest("li").remove(); });
    hits.querySelectorAll("section:not(:has(li))").forEach((group) => group.remove());
    hits.querySelectorAll("section").forEach((group, number) => {
      const heading = group.querySelector("h2");
      heading.id = `hit-group-${number}`;
      heading.setAttribute("role", "presentation");
      group.setAttribute("role", "group");
      group.setAttribute("aria-labelledby", heading.id);
      group.querySelectorAll("ul, li, form").forEach((part) => part.setAttribute("role", "none"));
    });
    hits.querySelectorAll(".hit").forEach((hit, number) => {
      hit.id = `hit-${number}`;
      hit.tabIndex = -1;
      hit.setAttribute("role", "option");
      hit.setAttribute("aria-selected", "false");
    });
    // A list of options holds nothing else, and none is no list.
    const [total, sentence] = [".hit-count", ".hit-notice"].map((name) => {
      const part = hits.querySelector(name);
      part?.remove();
      return part?.textContent.trim() ?? "";
    });
    notice.textContent = sentence;
    notice.hidden = !sentence;
    count.textContent = [total, sentence].filter(Boolean).join(". ");
    hits.hidden = !options().length;
    hits.scrollTop = 0;
    input.setAttribute("aria-expanded", String(!hits.hidden));
    activate(options()[0]);
    if (opensFirst) active()?.click();
    opensFirst = false;
  };
  const showFailure = (sentence, text) => show(`<p class="hit-notice">${sentence}</p>`, text);

  const ask = async () => {
    clearTimeout(timer);
    request?.abort(); // a late answer must not replace a newer one
    const own = (request = new AbortController()), text = input.value;
    try {
      const answer = await fetch(`${form.action}?${new URLSearchParams({ q: text, part: "results" })}`, { signal: own.signal });
      const html = await answer.text();
      if (answer.redirected) showFailure("You are logged out. Reload the page to log in again.", text);
      else if (!answer.ok) showFailure("The search failed. Try again.", text);
      else show(html, text);
    } catch (error) {
      if (own === request && error.name !== "AbortError") showFailure("The server does not answer. Try again.", text);
    }
  };

  const open = () => {
    if (box.open) return;
    box.showModal();
    input.select();
    ask();
  };
  const close = () => { clearTimeout(timer); request?.abort(); opensFirst = false; box.close(); };
  const step = (steps) => {
    const all = options();
    if (all.length) activate(all[(all.indexOf(active()) + steps + all.length) % all.length]);
  };

  input.addEventListener("input", () => {
    opensFirst = false;
    box.setAttribute("data-waiting", "");
    clearTimeout(timer);
    timer = setTimeout(ask, WAIT);
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  input.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") step(event.key === "ArrowDown" ? 1 : -1);
    else if (event.key === "Enter") {
      // What is shown may belong to an earlier text: then the first result of this one opens once it is there.
      if (shownText !== input.value) { opensFirst = true; ask(); }
      else if ((event.ctrlKey || event.metaKey) && active()?.href) window.open(active().href, "_blank", "noopener");
      else active()?.click();
    } else return;
    event.preventDefault();
  });
  hits.addEventListener("mousemove", ({ target }) => {
    const option = target.closest("[role=option]");
    if (option && option !== active()) activate(option);
  });
  box.querySelector("[data-close]").addEventListener("click", close);
  box.addEventListener("click", (event) => { if (event.target === box) close(); }); // beside the box
  box.addEventListener("close", () => { request?.abort(); input.value = ""; });

  openers.forEach((opener) => {
    opener.setAttribute("aria-haspopup", "dialog");
    if (/Mac|iPhone|iPad/.test(navigator.platform)) opener.querySelector("kbd")?.replaceChildren("⌘ K");
    opener.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return; // the page of the search in another tab
      event.preventDefault();
      open();
    });
  });
  const isShortcut = (event) => (event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey && event.key.toLowerCase() === "k";
  // The keys of the page below do nothing while the box is open.
  box.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (!isShortcut(event)) return;
    event.preventDefault();
    close();
  });
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.altKey || event.repeat) return;
    if (isShortcut(event)) {
      event.preventDefault();
      return open();
    }
    const target = event.target;
    const typing = target.isContentEditable || (/^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) && !["checkbox", "radio"].includes(target.type));
    if (event.key !== "/" || event.ctrlKey || event.metaKey || typing || document.querySelector("dialog[open]")) return;
    event.preventDefault();
    open();
  });
});
