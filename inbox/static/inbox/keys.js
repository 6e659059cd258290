// Keyboard shortcuts of the inbox list and of a conversation. Each follows a link or presses a button of the page.
document.addEventListener("DOMContentLoaded", () => {
  const rows = [...document.querySelectorAll("#result_list tbody tr")];
  const follow = (link) => { if (link) window.location.assign(link.href); };
  const press = (verb) => {
    // An action with fields opens its form; an action with its own page is a link.
    const form = document.querySelector(`.page-actions form[action$="/do/${verb}/"]`);
    if (!form) return follow(document.querySelector(`a[href$="/do/${verb}/"]`));
    const sheet = form.closest("details");
    if (!sheet) return form.querySelector("button").click();
    sheet.open = true;
    form.querySelector("select, input:not([type=hidden]), textarea")?.focus();
  };
  const at = () => rows.findIndex((row) => row.contains(document.activeElement));
  const go = (steps) => {
    const there = at() < 0 ? (steps > 0 ? 0 : rows.length - 1) : at() + steps;
    if (rows[there]) {
      rows[there].querySelector("a.name").focus();
      rows[there].scrollIntoView({ block: "nearest" });
    } else follow(document.querySelector(steps > 0 ? ".foot a[rel=next]" : ".foot a[rel=prev]"));
  };
  const parts = () => [...document.querySelectorAll(".said > article.msg")];
  const read = (steps) => {
    const all = parts(), here = all.indexOf(document.activeElement);
    const next = here < 0 ? all[steps > 0 ? 0 : all.length - 1] : all[here + steps];
    if (!next) return;
    next.tabIndex = -1;
    next.focus();
    next.scrollIntoView({ block: "nearest" });
  };
  const pick = () => {
    const box = rows[at()]?.querySelector("input.action-select");
    if (box) box.click();
  };
  const onList = { j: () => go(1), k: () => go(-1), o: () => follow(rows[at()]?.querySelector("a.name")), x: pick };
  const onPage = { j: () => read(1), k: () => read(-1), e: () => press("resolve"), a: () => press("assign"), l: () => press("link"), y: () => press("archive"), s: () => press("snooze"), d: () => document.querySelector("[data-use-reply]")?.click(), w: () => press("wake"), i: () => follow(document.querySelector("[data-inbox]")) };
  const keys = document.getElementById("result_list") || document.getElementById("q") ? onList : onPage;

  document.addEventListener("keydown", (event) => {
    const target = event.target;
    const typing = target.isContentEditable || (/^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) && target.type !== "checkbox");
    if (typing || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || !keys[event.key]) return;
    // A key held down may move the selection, but not trigger actions.
    if (event.repeat && !"jk".includes(event.key)) return;
    event.preventDefault();
    keys[event.key]();
  });
});
