// The format buttons and keys of the composer. They write the mark-up that one can also type.
document.addEventListener("DOMContentLoaded", () => {
  const form = document.querySelector("[data-compose]"), area = form?.elements.body;
  if (!form) return;

  // `insertText` keeps what can be undone; where a browser lacks it, the text is set.
  const replace = (start, end, text) => {
    area.focus();
    area.setSelectionRange(start, end);
    if (document.execCommand("insertText", false, text)) return;
    area.setRangeText(text, start, end, "end");
    area.dispatchEvent(new Event("input", { bubbles: true }));
  };
  const around = (before, after) => {
    const start = area.selectionStart, end = area.selectionEnd, chosen = area.value.slice(start, end);
    const isMarked = chosen.startsWith(before) && chosen.endsWith(after) && chosen.length >= before.length + after.length;
    const text = isMarked ? chosen.slice(before.length, chosen.length - after.length) : before + chosen + after;
    replace(start, end, text);
    const from = isMarked ? start : start + before.length;
    area.setSelectionRange(from, from + (isMarked ? text.length : chosen.length));
  };
  const ITEM = /^ {0,3}(?:[-*+]|\d+[.)]) +/;
  const list = (mark) => {
    const value = area.value, start = value.lastIndexOf("\n", area.selectionStart - 1) + 1;
    const found = value.indexOf("\n", area.selectionEnd), end = found < 0 ? value.length : found;
    const lines = value.slice(start, end).split("\n");
    const isList = lines.every((line) => ITEM.test(line));
    replace(start, end, lines.map((line, place) => (isList ? line.replace(ITEM, "") : mark(place) + line.replace(ITEM, ""))).join("\n"));
  };
  const link = () => {
    const start = area.selectionStart, chosen = area.value.slice(start, area.selectionEnd);
    const isAddress = /^https?:\/\/\S+$/.test(chosen);
    const name = isAddress ? "text" : chosen || "text", target = isAddress ? chosen : "https://";
    replace(start, area.selectionEnd, `[${name}](${target})`);
    // What is still to be typed is selected.
    const from = isAddress || !chosen ? start + 1 : start + name.length + 3;
    area.setSelectionRange(from, from + (isAddress || !chosen ? name.length : target.length));
  };
  const formats = { bold: () => around("**", "**"), bullets: () => list(() => "- "), numbers: () => list((place) => `${place + 1}. `), link };

  form.querySelectorAll("[data-format]").forEach((button) => button.addEventListener("click", () => formats[button.dataset.format]()));
  area.addEventListener("keydown", (event) => {
    const isCommand = event.ctrlKey || event.metaKey;
    const name = !isCommand ? "" : event.shiftKey ? { Digit8: "bullets", Digit7: "numbers", KeyK: "link" }[event.code] : { b: "bold" }[event.key];
    if (name) {
      event.preventDefault();
      event.stopPropagation();
      formats[name]();
    }
    // Enter goes on with a list; on an empty item it ends the list.
    if (event.key !== "Enter" || isCommand || event.shiftKey || event.isComposing || area.selectionStart !== area.selectionEnd) return;
    const start = area.value.lastIndexOf("\n", area.selectionStart - 1) + 1, line = area.value.slice(start, area.selectionStart);
    const item = line.match(/^( {0,3})(?:([-*+])|(\d+)([.)])) +/);
    if (!item) return;
    event.preventDefault();
    if (line === item[0]) return replace(start, area.selectionStart, "");
    replace(area.selectionStart, area.selectionStart, `\n${item[1]}${item[2] || Number(item[3]) + 1 + item[4]} `);
  });
});
